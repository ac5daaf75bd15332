import type { ModelTask } from '../../../schemas/model-definitions.js'
import type { TrainingInputs } from '../estimator.js'
import { logistic, softmax } from '../trees/predict-trees.js'
import { exactSum, meanLabel } from '../trees/exact-sums.js'

/** What boosting minimises. `margins` are row-major [rows, outputs], before the link. */
export interface Objective {
  readonly outputs: number
  readonly link: 'identity' | 'logistic' | 'softmax'
  /** [outputs]: margins to start from, those of the labels' mean. */
  readonly base: (data: TrainingInputs) => number[]
  /** Writes each row's negative first and its second derivative by each output into `sums` [rows, 2] of that output. */
  readonly derive: (data: TrainingInputs, margins: Float64Array, sums: readonly Float64Array[]) => void
  /** Weighted mean: log loss, or squared error. */
  readonly loss: (data: TrainingInputs, margins: Float64Array) => number
}

export function objectiveOf(task: ModelTask, classes: number): Objective {
  if (task === 'regression') return SQUARED_ERROR
  return task === 'binary-classification' ? LOG_LOSS : softmaxLoss(classes)
}

/** As XGBoost's: a margin that has gone far keeps a second derivative. */
const LEAST_HESSIAN = 1e-16
/** A class that no row has starts from here. */
const LEAST_SHARE = 1e-6

const SQUARED_ERROR: Objective = {
  outputs: 1,
  link: 'identity',
  base: (data) => [meanLabel(data)],
  derive: ({ rows, y, weights }, margins, [sums = new Float64Array()]) => {
    for (let row = 0; row < rows; row += 1) {
      const weight = weights === undefined ? 1 : (weights[row] ?? 0)
      sums[2 * row] = weight * ((y[row] ?? 0) - (margins[row] ?? 0))
      sums[2 * row + 1] = weight
    }
  },
  loss: (data, margins) => weightedMean(data, (row) => ((data.y[row] ?? 0) - (margins[row] ?? 0)) ** 2),
}

const LOG_LOSS: Objective = {
  outputs: 1,
  link: 'logistic',
  base: (data) => {
    const share = Math.min(Math.max(meanLabel(data), LEAST_SHARE), 1 - LEAST_SHARE)
    return [Math.log(share / (1 - share))]
  },
  derive: ({ rows, y, weights }, margins, [sums = new Float64Array()]) => {
    for (let row = 0; row < rows; row += 1) {
      const weight = weights === undefined ? 1 : (weights[row] ?? 0)
      const share = logistic(margins[row] ?? 0)
      sums[2 * row] = weight * ((y[row] ?? 0) - share)
      sums[2 * row + 1] = weight * Math.max(share * (1 - share), LEAST_HESSIAN)
    }
  },
  loss: (data, margins) =>
    weightedMean(data, (row) => {
      const margin = margins[row] ?? 0
      // ln(1 + e^margin) − y · margin, without overflow.
      return Math.log1p(Math.exp(-Math.abs(margin))) + Math.max(margin, 0) - (data.y[row] ?? 0) * margin
    }),
}

function softmaxLoss(classes: number): Objective {
  const shares = new Float64Array(classes)
  const sharesOf = (margins: Float64Array, row: number): Float64Array => {
    shares.set(margins.subarray(row * classes, (row + 1) * classes))
    softmax(shares, 0, classes)
    return shares
  }
  return {
    outputs: classes,
    link: 'softmax',
    base: (data) => centredLogs(classShares(data, classes)),
    derive: ({ rows, y, weights }, margins, sums) => {
      for (let row = 0; row < rows; row += 1) {
        const weight = weights === undefined ? 1 : (weights[row] ?? 0)
        sharesOf(margins, row).forEach((share, output) => {
          const own = sums[output] ?? new Float64Array()
          own[2 * row] = weight * ((y[row] === output ? 1 : 0) - share)
          own[2 * row + 1] = weight * Math.max(2 * share * (1 - share), LEAST_HESSIAN)
        })
      }
    },
    loss: (data, margins) =>
      weightedMean(data, (row) => -Math.log(Math.max(sharesOf(margins, row)[data.y[row] ?? 0] ?? 0, 1e-300))),
  }
}

function classShares({ rows, y, weights }: TrainingInputs, classes: number): number[] {
  const total = weights === undefined ? rows : exactSum(weights)
  return Array.from({ length: classes }, (_, k) => {
    const own = y.map((label, row) => (label === k ? (weights?.[row] ?? 1) : 0))
    return Math.max(exactSum(own) / total, LEAST_SHARE)
  })
}

/** Softmax leaves one number free: their mean is 0. */
function centredLogs(shares: readonly number[]): number[] {
  const logs = shares.map((share) => Math.log(share))
  const mean = logs.reduce((sum, log) => sum + log, 0) / logs.length
  return logs.map((log) => log - mean)
}

function weightedMean({ rows, weights }: TrainingInputs, of: (row: number) => number): number {
  let [sum, total] = [0, 0]
  for (let row = 0; row < rows; row += 1) {
    const weight = weights === undefined ? 1 : (weights[row] ?? 0)
    sum += weight * of(row)
    total += weight
  }
  return sum / total
}
