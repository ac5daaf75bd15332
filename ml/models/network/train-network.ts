import { setImmediate } from 'node:timers/promises'
import { FirnError } from '../../../schemas/error.js'
import type { CnnDefinition, DenseDefinition } from '../../../schemas/model-definitions.js'
import { derivedSeed } from '../../evaluation/derived-seed.js'
import { seededRandom, shuffled } from '../../training/seeded-random.js'
import type { Tf } from '../../training/tensorflow.js'
import type { Checkpoints, FitOptions, TrainingInputs } from '../estimator.js'
import { newAdam, stepAdam } from './adam.js'
import { scoreRows } from './forward.js'
import { lossGradient, totalLoss, type Labels, type Objective } from './loss.js'
import {
  convolutionsOf,
  denseOf,
  initialParameters,
  inputWidth,
  parameterSpecs,
  type Layer,
  type ParameterSpec,
} from './topology.js'
import { trainConvolutions } from './train-convolutions.js'
import { trainDense } from './train-dense.js'
import { decodeState, encodeState, type TrainingState } from './training-state.js'

/** A network to be trained, and with what. */
export interface NetworkFit {
  readonly tf: Tf
  readonly layers: readonly Layer[]
  readonly objective: Objective
  readonly options: FitOptions<DenseDefinition | CnnDefinition>
  /** Of this fit alone. */
  readonly checkpoints?: Checkpoints
}

export interface TrainedNetwork {
  readonly parameters: Float32Array
  readonly curve: TrainingState['curve']
  /** Epoch after which it went on from a checkpoint. */
  readonly resumedFrom?: number
}

/**
 * Fits by mini batches with Adam. Every epoch's order and every step's dropout follow from the seed and their numbers, so
 * a fit that goes on from a checkpoint has nothing to replay.
 */
export async function trainNetwork(fit: NetworkFit): Promise<TrainedNetwork> {
  const { options, layers, checkpoints } = fit
  const saved = await checkpoints?.load()
  const state = saved === undefined ? newState(layers, options.seed) : decodeState(saved)
  const resumedFrom = saved === undefined ? undefined : state.epoch
  while (!isDone(state, options.definition)) {
    const loss = await trainEpoch(fit, state)
    state.epoch += 1
    closeEpoch(fit, state, loss)
    await checkpoints?.save(encodeState(state))
  }
  return {
    parameters: state.best?.parameters ?? state.parameters,
    curve: state.curve,
    ...(resumedFrom !== undefined && { resumedFrom }),
  }
}

function newState(layers: readonly Layer[], seed: number): TrainingState {
  const parameters = initialParameters(layers, seed)
  return { epoch: 0, parameters, adam: newAdam(parameters.length), curve: [] }
}

function isDone({ epoch, best }: TrainingState, { epochs, earlyStopping }: DenseDefinition | CnnDefinition) {
  const patience = earlyStopping?.patience ?? Infinity
  return epoch >= epochs || (best !== undefined && epoch - best.epoch >= patience)
}

/** Returns the mean loss of its batches, with what was dropped, without the penalty on weights. */
async function trainEpoch(fit: NetworkFit, state: TrainingState): Promise<number> {
  const { train, definition, seed } = fit.options
  const order = shuffled(train.rows, seededRandom(derivedSeed(seed, 'order', String(state.epoch))))
  const gradients = new Float32Array(state.parameters.length)
  let sum = 0
  for (let from = 0; from < order.length; from += definition.batchSize) {
    const batch = batchOf(train, order.slice(from, from + definition.batchSize), inputWidth(fit.layers))
    const random = seededRandom(derivedSeed(seed, 'dropout', String(state.epoch), String(from)))
    sum += computeGradients(fit, { batch, random, parameters: state.parameters, gradients })
    addPenalty(definition, parameterSpecs(fit.layers), state.parameters, gradients)
    stepAdam(state.adam, state.parameters, gradients, definition.learningRate)
    // Nothing else here waits for events: without a turn the process would not see that its parent is gone.
    await setImmediate()
  }
  return sum / train.rows
}

interface Batch extends Labels {
  readonly rows: number
  readonly x: Float32Array
}

/** Rows as 32-bit numbers; only one batch of them at a time. */
function batchOf(train: TrainingInputs, rows: readonly number[], width: number): Batch {
  const x = new Float32Array(rows.length * width)
  rows.forEach((row, at) => x.set(train.x.subarray(row * width, (row + 1) * width), at * width))
  const { weights } = train
  return {
    rows: rows.length,
    x,
    y: Float64Array.from(rows, (row) => train.y[row] ?? NaN),
    ...(weights !== undefined && { weights: Float64Array.from(rows, (row) => weights[row] ?? 0) }),
  }
}

/** Into `gradients`; returns the sum of the rows' losses. */
function computeGradients(
  { tf, layers, objective, options }: NetworkFit,
  step: {
    readonly batch: Batch
    readonly random: () => number
    readonly parameters: Float32Array
    readonly gradients: Float32Array
  },
): number {
  const { batch, random, parameters, gradients } = step
  const specs = parameterSpecs(layers)
  const before = specs.slice(0, 2 * convolutionsOf(layers).length)
  let loss = NaN
  const throughDense = (x: Float32Array) =>
    trainDense(tf, {
      layers: denseOf(layers),
      specs: specs.slice(before.length),
      parameters,
      gradients,
      x,
      rows: batch.rows,
      dropout: { rate: options.definition.dropout ?? 0, random },
      derive: (scores) => {
        loss = totalLoss(objective, scores, batch)
        return lossGradient(objective, scores, batch)
      },
    })
  if (before.length === 0) throughDense(batch.x)
  else trainConvolutions(tf, { layers, specs: before, parameters, gradients, batch, throughDense })
  return loss
}

/** l2 · Σ w² over the kernels. */
function addPenalty(
  definition: DenseDefinition | CnnDefinition,
  specs: readonly ParameterSpec[],
  parameters: Float32Array,
  gradients: Float32Array,
): void {
  const l2 = definition.kind === 'dense' ? (definition.l2 ?? 0) : 0
  if (l2 === 0) return
  for (const { shape, start, end } of specs) {
    if (shape.length === 1) continue
    for (let at = start; at < end; at += 1) {
      gradients[at] = (gradients[at] ?? 0) + 2 * l2 * (parameters[at] ?? 0)
    }
  }
}

/** Measures on validation rows, remembers the best parameters, tells the caller. */
function closeEpoch(fit: NetworkFit, state: TrainingState, loss: number): void {
  const { definition, validation, onEpoch } = fit.options
  const { epoch, parameters } = state
  const valLoss = validation && validationLoss(fit, parameters, validation)
  if (!Number.isFinite(loss) || (valLoss !== undefined && !Number.isFinite(valLoss))) {
    throw new FirnError(
      'training-failed',
      `the network diverged: the loss of epoch ${epoch} is ${loss}, on validation rows ${valLoss ?? 'not measured'}. Lower its learningRate, which is ${definition.learningRate}, or scale its inputs.`,
    )
  }
  const { earlyStopping } = definition
  if (earlyStopping !== undefined && valLoss !== undefined) {
    const bound = (state.best?.loss ?? Infinity) - (earlyStopping.minDelta ?? 0)
    if (valLoss < bound) state.best = { epoch, loss: valLoss, parameters: parameters.slice() }
  }
  const point = { epoch, loss, ...(valLoss !== undefined && { valLoss }) }
  state.curve.push(point)
  onEpoch(point, definition.epochs)
}

function validationLoss(
  { tf, layers, objective }: NetworkFit,
  parameters: Float32Array,
  validation: TrainingInputs,
): number {
  const weights = validation.weights?.reduce((sum, weight) => sum + weight, 0) ?? validation.rows
  return totalLoss(objective, scoreRows(tf, layers, parameters, validation), validation) / weights
}
