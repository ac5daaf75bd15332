import { FirnError } from '../../schemas/error.js'
import type { EstimatorDefinition } from '../../schemas/model-definitions.js'
import type { Estimator } from './estimator.js'

/** The code of one kind of model, loaded when it is needed: TensorFlow alone takes a second and 150 MB. */
export async function estimatorOf(kind: EstimatorDefinition['kind']): Promise<Estimator> {
  // A definition comes with the kind whose estimator it is handed to, which the map alone cannot say.
  const estimator: unknown = await load(kind)
  return estimator as Estimator
}

async function load(kind: EstimatorDefinition['kind']): Promise<unknown> {
  switch (kind) {
    case 'dense':
      return (await import('./dense/dense.js')).dense
    case 'cnn':
      return (await import('./cnn/cnn.js')).cnn
    case 'gbdt':
      return (await import('./gbdt/gbdt.js')).gbdt
    case 'random-forest':
      return (await import('./random-forest/random-forest.js')).randomForest
    case 'logistic':
      return (await import('./logistic/logistic.js')).logisticRegression
    case 'ridge':
      return (await import('./ridge/ridge.js')).ridge
    default:
      throw new FirnError(
        'config',
        `models of kind "${kind}" are trained by a worker of their own, not here. Start that worker, or take another kind.`,
      )
  }
}
