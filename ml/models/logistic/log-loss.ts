import type { TrainingInputs } from '../estimator.js'
import { linearScores } from '../linear/linear-model.js'
import { softmax } from '../trees/predict-trees.js'

/**
 * Σ weight · log loss + l2 / 2 · Σ coefficient², the intercepts left out, with its derivatives. Parameters are row-major
 * [outputs, columns + 1]; one output stands for two classes, more for softmax.
 */
export class PenalisedLogLoss {
  readonly #width: number
  /** Row-major [rows, outputs]: probabilities at the point last looked at. */
  #shares: Float64Array = new Float64Array()

  constructor(
    readonly data: TrainingInputs,
    readonly outputs: number,
    readonly l2: number,
  ) {
    this.#width = data.columns.length + 1
  }

  get size(): number {
    return this.outputs * this.#width
  }

  value(at: Float64Array): number {
    const loss = totalLogLoss(this.data, this.outputs, at)
    let penalty = 0
    for (let i = 0; i < at.length; i += 1) if (this.#penalised(i)) penalty += (at[i] ?? 0) ** 2
    return loss + (this.l2 / 2) * penalty
  }

  /** Also remembers the point for `curvature`. */
  gradient(at: Float64Array): Float64Array {
    const { outputs } = this
    this.#shares = linearScores({ coefficients: at, outputs }, this.data)
    for (let row = 0; row < this.data.rows; row += 1) toShares(this.#shares, row, outputs)
    const gradient = this.#transposed((row, output) => {
      const share = this.#shares[row * outputs + output] ?? 0
      return share - (outputs === 1 ? (this.data.y[row] ?? 0) : this.data.y[row] === output ? 1 : 0)
    })
    return this.#addPenalty(gradient, at)
  }

  /** Second derivatives at the point of the last gradient, times a direction. */
  curvature(direction: Float64Array): Float64Array {
    const { outputs } = this
    const along = linearScores({ coefficients: direction, outputs }, this.data)
    for (let row = 0; row < this.data.rows; row += 1) this.#weigh(along, row)
    const product = this.#transposed((row, output) => along[row * outputs + output] ?? 0)
    return this.#addPenalty(product, direction)
  }

  /** The diagonal of the second derivatives, kept away from 0: scales the search. */
  diagonal(): Float64Array {
    const { outputs } = this
    const { rows, x, weights } = this.data
    const columns = this.#width - 1
    const diagonal = new Float64Array(this.size)
    for (let row = 0; row < rows; row += 1) {
      const weight = weights === undefined ? 1 : (weights[row] ?? 0)
      for (let output = 0; output < outputs; output += 1) {
        const share = this.#shares[row * outputs + output] ?? 0
        const own = weight * share * (1 - share)
        const first = output * this.#width
        for (let i = 0; i < columns; i += 1) {
          diagonal[first + i] = (diagonal[first + i] ?? 0) + own * (x[row * columns + i] ?? 0) ** 2
        }
        diagonal[first + columns] = (diagonal[first + columns] ?? 0) + own
      }
    }
    return diagonal.map((value, i) => Math.max(value + (this.#penalised(i) ? this.l2 : 0), 1e-12))
  }

  /** One row's scores along a direction become how its residuals change. */
  #weigh(along: Float64Array, row: number): void {
    const first = row * this.outputs
    if (this.outputs === 1) {
      const share = this.#shares[row] ?? 0
      along[row] = share * (1 - share) * (along[row] ?? 0)
      return
    }
    let mean = 0
    for (let i = first; i < first + this.outputs; i += 1) mean += (this.#shares[i] ?? 0) * (along[i] ?? 0)
    for (let i = first; i < first + this.outputs; i += 1) {
      along[i] = (this.#shares[i] ?? 0) * ((along[i] ?? 0) - mean)
    }
  }

  /** Σ over rows of weight · number · (row's values, 1). */
  #transposed(of: (row: number, output: number) => number): Float64Array {
    const { rows, x, weights } = this.data
    const columns = this.#width - 1
    const sums = new Float64Array(this.size)
    for (let row = 0; row < rows; row += 1) {
      const weight = weights === undefined ? 1 : (weights[row] ?? 0)
      for (let output = 0; output < this.outputs; output += 1) {
        const factor = weight * of(row, output)
        const first = output * this.#width
        for (let i = 0; i < columns; i += 1) {
          sums[first + i] = (sums[first + i] ?? 0) + factor * (x[row * columns + i] ?? 0)
        }
        sums[first + columns] = (sums[first + columns] ?? 0) + factor
      }
    }
    return sums
  }

  #addPenalty(sums: Float64Array, at: Float64Array): Float64Array {
    for (let i = 0; i < sums.length; i += 1) {
      if (this.#penalised(i)) sums[i] = (sums[i] ?? 0) + this.l2 * (at[i] ?? 0)
    }
    return sums
  }

  #penalised(index: number): boolean {
    return (index + 1) % this.#width !== 0
  }
}

/** Mean by weight, without the penalty. */
export function meanLogLoss(data: TrainingInputs, outputs: number, at: Float64Array): number {
  const total = data.weights?.reduce((sum, weight) => sum + weight, 0) ?? data.rows
  return totalLogLoss(data, outputs, at) / total
}

function totalLogLoss(data: TrainingInputs, outputs: number, at: Float64Array): number {
  const scores = linearScores({ coefficients: at, outputs }, data)
  let sum = 0
  for (let row = 0; row < data.rows; row += 1) {
    const weight = data.weights === undefined ? 1 : (data.weights[row] ?? 0)
    sum += weight * rowLoss(scores, row, { outputs, label: data.y[row] ?? 0 })
  }
  return sum
}

function rowLoss(
  scores: Float64Array,
  row: number,
  { outputs, label }: { readonly outputs: number; readonly label: number },
): number {
  if (outputs === 1) {
    const score = scores[row] ?? 0
    return Math.log1p(Math.exp(-Math.abs(score))) + Math.max(score, 0) - label * score
  }
  const first = row * outputs
  let [largest, sum] = [-Infinity, 0]
  for (let i = first; i < first + outputs; i += 1) largest = Math.max(largest, scores[i] ?? 0)
  for (let i = first; i < first + outputs; i += 1) sum += Math.exp((scores[i] ?? 0) - largest)
  return Math.log(sum) + largest - (scores[first + label] ?? 0)
}

function toShares(scores: Float64Array, row: number, outputs: number): void {
  if (outputs === 1) scores[row] = 1 / (1 + Math.exp(-(scores[row] ?? 0)))
  else softmax(scores, row * outputs, outputs)
}
