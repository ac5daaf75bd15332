import type { EstimatorDefinition } from '../../../schemas/model-definitions.js'
import type { Estimator, FittedEstimator, StoredEstimator } from '../estimator.js'
import { predictTrees } from './predict-trees.js'
import { restoreTrees, storeTrees, type StoredTrees } from './store-trees.js'
import { gainShares } from './tree.js'

export function fittedTrees(kind: EstimatorDefinition['kind'], fitted: StoredTrees): FittedEstimator {
  const { model, curve } = fitted
  return {
    predict: (inputs) => Promise.resolve(predictTrees(model, inputs)),
    store: () => Promise.resolve(storeTrees(kind, fitted)),
    curve,
    importance: gainShares(model.trees, model.columns),
  }
}

export function restoreFittedTrees(stored: StoredEstimator): Promise<FittedEstimator> {
  return Promise.resolve(stored).then((trees) => fittedTrees(trees.kind, restoreTrees(trees)))
}

/** No library; bytes depend on how the engine computes e^x and ln x. */
export const ownBackend: Estimator['backend'] = () =>
  Promise.resolve({ name: 'firn', libraries: { v8: process.versions.v8 } })
