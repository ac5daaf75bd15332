import { FirnError } from '../../schemas/error.js'
import type { ModelDefinition } from '../../schemas/model-definitions.js'
import { fitSigmoid, sigmoidAt } from './fit-sigmoid.js'
import { rankRows } from './rank-rows.js'

/** Turns a model's scores into probabilities that can be believed; never changes which of two scores is higher. Plain JSON. */
export type FittedCalibration =
  | {
      /** p = 1 / (1 + exp(−(slope · ln(s / (1 − s)) + intercept))); slope ≥ 0. */
      readonly method: 'platt'
      readonly slope: number
      readonly intercept: number
    }
  | {
      /** Straight lines between the points, flat outside; `scores` rise, `probabilities` don't fall. */
      readonly method: 'isotonic'
      readonly scores: readonly number[]
      readonly probabilities: readonly number[]
    }

/** `scores`: what a model says of rows it was not fitted on; labels are 0 or 1 and both occur. */
export function fitCalibration(
  method: NonNullable<ModelDefinition['calibration']>,
  labels: Float64Array,
  scores: Float64Array,
): FittedCalibration {
  const positives = labels.reduce((sum, label) => sum + label, 0)
  if (positives === 0 || positives === labels.length) {
    throw new FirnError(
      'training-failed',
      `calibration needs held-out rows of both classes, but of ${labels.length} rows ${positives} are positive. Use a split with more validation rows, or leave calibration out.`,
    )
  }
  return method === 'platt' ? fitPlatt(labels, scores) : fitIsotonic(labels, scores)
}

export function calibrate(calibration: FittedCalibration, scores: Float64Array): Float64Array {
  if (calibration.method === 'platt') return scores.map((score) => sigmoidAt(calibration, logOdds(score)))
  return scores.map((score) => interpolate(calibration.scores, calibration.probabilities, score))
}

function fitPlatt(labels: Float64Array, scores: Float64Array): FittedCalibration {
  const fitted = fitSigmoid(scores.map(logOdds), labels)
  if (fitted.slope >= 0) return { method: 'platt', ...fitted }
  // Higher scores are less often right: of all that don't turn the order round, the constant is the likeliest.
  return { method: 'platt', ...fitSigmoid(new Float64Array(labels.length), labels) }
}

/** Pool adjacent violators; rows of equal score are pooled first, so that one score has one probability. */
function fitIsotonic(labels: Float64Array, scores: Float64Array): FittedCalibration {
  const blocks: { from: number; to: number; positives: number; rows: number }[] = []
  for (const tie of rankRows(labels, scores).toReversed()) {
    let block = {
      from: tie.score,
      to: tie.score,
      positives: tie.positives,
      rows: tie.positives + tie.negatives,
    }
    // Counts are multiplied out: shares that are equal compare as equal.
    for (let last = blocks.at(-1); last !== undefined; last = blocks.at(-1)) {
      if (last.positives * block.rows < block.positives * last.rows) break
      blocks.pop()
      block = {
        from: last.from,
        to: block.to,
        positives: last.positives + block.positives,
        rows: last.rows + block.rows,
      }
    }
    blocks.push(block)
  }
  const points = blocks.flatMap(({ from, to, positives, rows }) =>
    (from === to ? [from] : [from, to]).map((score) => ({ score, probability: positives / rows })),
  )
  return {
    method: 'isotonic',
    scores: points.map(({ score }) => score),
    probabilities: points.map(({ probability }) => probability),
  }
}

/** Scores of exactly 0 or 1 have no odds: they are taken 1e-15 off. */
function logOdds(score: number): number {
  const p = Math.min(Math.max(score, 1e-15), 1 - 1e-15)
  return Math.log(p / (1 - p))
}

function interpolate(xs: readonly number[], ys: readonly number[], x: number): number {
  let [low, high] = [0, xs.length - 1]
  if (x <= (xs[low] ?? 0)) return ys[low] ?? 0
  if (x >= (xs[high] ?? 0)) return ys[high] ?? 0
  while (high - low > 1) {
    const middle = (low + high) >> 1
    if ((xs[middle] ?? 0) <= x) low = middle
    else high = middle
  }
  const [fromX, toX, fromY, toY] = [xs[low] ?? 0, xs[high] ?? 0, ys[low] ?? 0, ys[high] ?? 0]
  // Cut off: rounding must not lift a value above the next point's.
  return Math.min(fromY + ((x - fromX) / (toX - fromX)) * (toY - fromY), toY)
}
