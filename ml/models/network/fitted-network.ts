import { FirnError } from '../../../schemas/error.js'
import type { CnnDefinition, DenseDefinition } from '../../../schemas/model-definitions.js'
import { describeEnvironment } from '../../process/describe-environment.js'
import { loadTensorflow, type LoadedTensorflow } from '../../training/tensorflow.js'
import { bindCheckpoints, fitDigest } from '../bind-checkpoints.js'
import { checkParameters, checkTraining } from '../check-training.js'
import type { Estimator, FitOptions, FittedEstimator, Inputs, StoredEstimator } from '../estimator.js'
import { scoreRows } from './forward.js'
import { objectiveOf, predictionsOf, type Objective } from './loss.js'
import { floatBytes, floatsOf } from './training-state.js'
import { inputWidth, parameterSpecs, type Layer } from './topology.js'
import { trainNetwork, type TrainedNetwork } from './train-network.js'

/** All of a stored network but its numbers. */
interface NetworkHeader {
  readonly format: 1
  readonly objective: Objective
  readonly layers: readonly Layer[]
}

/** Fits a network of these layers; what dense networks and convolutional ones share. */
export async function fitNetwork(
  options: FitOptions<DenseDefinition | CnnDefinition>,
  layersFor: (outputs: number) => readonly Layer[],
): Promise<FittedEstimator> {
  const { definition, task, classes, train, validation, checkpoints } = options
  checkParameters(definition, {
    epochs: { least: 1, whole: true },
    batchSize: { least: 1, whole: true },
    learningRate: { above: 0 },
    dropout: { least: 0, most: 0.95 },
    l2: { least: 0 },
  })
  for (const units of definition.hidden)
    checkParameters({ kind: definition.kind, hidden: units }, { hidden: { least: 1, whole: true } })
  checkTraining(definition.kind, train, 'refused')
  if (validation !== undefined) checkTraining(definition.kind, validation, 'refused')
  const objective = objectiveOf(task, classes, train.y)
  const layers = layersFor(objective.outputs)
  checkWidth(layers, train)
  const loaded = await loadTensorflow()
  const environment = await describeEnvironment({ name: loaded.backend, libraries: loaded.libraries })
  const trained = await trainNetwork({
    tf: loaded.tf,
    layers,
    objective,
    options,
    ...(checkpoints !== undefined && {
      checkpoints: bindCheckpoints(checkpoints, fitDigest(options, environment)),
    }),
  })
  return fittedNetwork(loaded, definition.kind, { format: 1, objective, layers }, trained)
}

export async function restoreNetwork({ kind, header, weights }: StoredEstimator): Promise<FittedEstimator> {
  const own = header as Omit<NetworkHeader, 'format'> & { readonly format: number }
  const { format } = own
  const count = format === 1 ? parameterSpecs(own.layers).at(-1)?.end : undefined
  if (format !== 1 || count === undefined || weights.length !== 4 * count) {
    throw new FirnError(
      'contract-broken',
      `the stored ${kind} network has format ${format} and ${weights.length} bytes of weights; this version of Firn reads format 1${count === undefined ? '' : `, and its layers have ${4 * count} bytes`}. Train it again.`,
    )
  }
  const parameters = floatsOf(weights)
  return fittedNetwork(await loadTensorflow(), kind, { ...own, format }, { parameters, curve: [] })
}

/** What computes, and what weights depend on with it. */
export async function networkBackend(): ReturnType<Estimator['backend']> {
  const { backend, libraries, notice } = await loadTensorflow()
  return { name: backend, libraries, ...(notice !== undefined && { notice }) }
}

function fittedNetwork(
  { tf }: LoadedTensorflow,
  kind: StoredEstimator['kind'],
  header: NetworkHeader,
  { parameters, ...trained }: TrainedNetwork,
): FittedEstimator {
  const { layers, objective } = header
  return {
    predict: (inputs) =>
      Promise.resolve().then(() => {
        checkWidth(layers, inputs)
        return predictionsOf(objective, scoreRows(tf, layers, parameters, inputs))
      }),
    store: () => Promise.resolve({ kind, header, weights: floatBytes(parameters) }),
    ...trained,
  }
}

function checkWidth(layers: readonly Layer[], { rows, x }: Inputs): void {
  const width = inputWidth(layers)
  if (x.length === rows * width) return
  throw new FirnError(
    'invalid-input',
    `the network takes ${width} numbers a row, but ${rows} rows came with ${x.length}. Give it the features it was defined and trained with.`,
  )
}
