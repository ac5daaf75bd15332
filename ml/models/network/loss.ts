import type { Scalar, Tensor2D } from '@tensorflow/tfjs'
import type { ModelTask } from '../../../schemas/model-definitions.js'
import type { Tf } from '../../training/tensorflow.js'

/** What a network's outputs mean: cross entropy for classes, squared error of the standardised label otherwise. */
export interface Objective {
  readonly task: ModelTask
  /** Numbers that the network gives for a row. */
  readonly outputs: number
  /** Of a regression's labels in training. */
  readonly label: { readonly mean: number; readonly deviation: number }
}

export function objectiveOf(task: ModelTask, classes: number, labels: Float64Array): Objective {
  if (task !== 'regression') {
    const outputs = task === 'binary-classification' ? 1 : classes
    return { task, outputs, label: { mean: 0, deviation: 1 } }
  }
  const mean = labels.reduce((sum, value) => sum + value, 0) / labels.length
  const squares = labels.reduce((sum, value) => sum + (value - mean) ** 2, 0)
  return { task, outputs: 1, label: { mean, deviation: Math.sqrt(squares / labels.length) || 1 } }
}

/** What the outputs of a row are compared with, into [outputs] numbers at `at`. */
export function setTarget(objective: Objective, label: number, targets: Float32Array, at: number): void {
  const { task, outputs } = objective
  if (task === 'multiclass-classification') targets[at * outputs + label] = 1
  else targets[at] = (label - objective.label.mean) / objective.label.deviation
}

/** Weighted mean over a batch, for the library to derive. */
export function batchLoss(
  tf: Tf,
  { task }: Objective,
  scores: Tensor2D,
  targets: Tensor2D,
  weights: Tensor2D,
): Scalar {
  if (task === 'regression') return scores.sub(targets).square().mul(weights).mean()
  if (task === 'multiclass-classification') {
    return tf.logSoftmax(scores).mul(targets).sum(1, true).neg().mul(weights).mean()
  }
  return tf.softplus(scores).sub(scores.mul(targets)).mul(weights).mean()
}

/** The same over any number of scored rows. */
export function meanLoss(
  objective: Objective,
  scores: Float32Array,
  { y, weights }: { readonly y: Float64Array; readonly weights?: Float64Array },
): number {
  let [sum, total] = [0, 0]
  for (let row = 0; row < y.length; row += 1) {
    const weight = weights?.[row] ?? 1
    sum += weight * rowLoss(objective, scores, row, y[row] ?? 0)
    total += weight
  }
  return sum / total
}

/** Probabilities, or values in the label's own unit, from scores. */
export function predictionsOf({ task, outputs, label }: Objective, scores: Float32Array): Float64Array {
  if (task === 'regression') return Float64Array.from(scores, (score) => score * label.deviation + label.mean)
  if (task === 'binary-classification')
    return Float64Array.from(scores, (score) => 1 / (1 + Math.exp(-score)))
  const predictions = new Float64Array(scores.length)
  for (let from = 0; from < scores.length; from += outputs) {
    const row = scores.subarray(from, from + outputs)
    const sum = logSumExp(row)
    row.forEach((score, at) => (predictions[from + at] = Math.exp(score - sum)))
  }
  return predictions
}

function rowLoss({ task, outputs, label }: Objective, scores: Float32Array, row: number, y: number): number {
  if (task === 'multiclass-classification') {
    const own = scores.subarray(row * outputs, (row + 1) * outputs)
    return logSumExp(own) - (own[y] ?? 0)
  }
  const score = scores[row] ?? 0
  if (task === 'regression') return (score - (y - label.mean) / label.deviation) ** 2
  return Math.max(score, 0) - score * y + Math.log1p(Math.exp(-Math.abs(score)))
}

function logSumExp(scores: Float32Array): number {
  const most = scores.reduce((max, score) => Math.max(max, score), -Infinity)
  return most + Math.log(scores.reduce((sum, score) => sum + Math.exp(score - most), 0))
}
