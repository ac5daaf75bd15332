import type { ModelTask } from '../../../schemas/model-definitions.js'

/** What a network's scores mean: cross entropy for classes, squared error of the standardised label otherwise. */
export interface Objective {
  readonly task: ModelTask
  /** Scores that the network gives for a row. */
  readonly outputs: number
  /** Of a regression's labels in training. */
  readonly label: { readonly mean: number; readonly deviation: number }
}

/** Rows with what is known of them. */
export interface Labels {
  readonly y: Float64Array
  readonly weights?: Float64Array
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

/** Weighted sum of the rows' losses, from row-major scores [rows, outputs]. */
export function totalLoss(objective: Objective, scores: Float32Array, { y, weights }: Labels): number {
  let sum = 0
  for (let row = 0; row < y.length; row += 1) {
    sum += (weights?.[row] ?? 1) * rowLoss(objective, scores, row, y[row] ?? 0)
  }
  return sum
}

/** How the mean over these rows of what `totalLoss` sums up changes with each score. */
export function lossGradient(
  objective: Objective,
  scores: Float32Array,
  { y, weights }: Labels,
): Float32Array {
  const { task, outputs, label } = objective
  const gradient = new Float32Array(scores.length)
  // Standardised for a regression: what predictions are of a label that is standardised already.
  const said = predictionsOf({ ...objective, label: { mean: 0, deviation: 1 } }, scores)
  for (let at = 0; at < scores.length; at += 1) {
    const row = Math.floor(at / outputs)
    const known = y[row] ?? 0
    const scale = (weights?.[row] ?? 1) / y.length
    if (task === 'multiclass-classification') {
      gradient[at] = scale * ((said[at] ?? 0) - (known === at % outputs ? 1 : 0))
    } else if (task === 'regression') {
      gradient[at] = 2 * scale * ((said[at] ?? 0) - (known - label.mean) / label.deviation)
    } else gradient[at] = scale * ((said[at] ?? 0) - known)
  }
  return gradient
}

/** Probabilities, or values in the label's own unit, from scores. */
export function predictionsOf({ task, outputs, label }: Objective, scores: Float32Array): Float64Array {
  const predictions = Float64Array.from(scores)
  if (task === 'regression') return predictions.map((score) => score * label.deviation + label.mean)
  if (task === 'binary-classification') return predictions.map((score) => 1 / (1 + Math.exp(-score)))
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
