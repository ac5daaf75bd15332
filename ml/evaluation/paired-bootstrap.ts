import { FirnError } from '../../schemas/error.js'
import type { ModelTask } from '../../schemas/model-definitions.js'
import { seededRandom } from '../training/seeded-random.js'
import { measureOne } from './metrics.js'
import { takeNumbers } from './take-numbers.js'

/** How much two models differ in a metric on the same rows, and how sure that is. */
export interface PairedDifference {
  /** The metric of `a` less that of `b`, on all rows. */
  readonly difference: number
  /** The middle 95 % of the differences of the drawn samples. */
  readonly low: number
  readonly high: number
  /** Two-sided: how likely a difference on the other side of 0 is; at least 2 / (rounds + 1). */
  readonly p: number
  /** Samples that were drawn, and in how many of them the metric was undefined (they don't count). */
  readonly rounds: number
  readonly undefinedIn: number
}

export interface PairedOptions {
  readonly task: ModelTask
  readonly metric: string
  readonly labels: Float64Array
  /** Predictions of the same rows, in the same order; several where the mean of their metrics is meant, e.g. one a seed. */
  readonly a: Float64Array | readonly Float64Array[]
  readonly b: Float64Array | readonly Float64Array[]
  /** Rows of each fold: they are drawn fold by fold, and the metric is the mean of those that it is defined in. */
  readonly folds?: readonly Int32Array[]
  /** Default 2. */
  readonly classes?: number
  readonly seed: number
  /** Default 2,000. */
  readonly rounds?: number
}

/** Draws as many rows as there are, with putting back, again and again: both models are measured on the same draw. */
export function pairedBootstrap(options: PairedOptions): PairedDifference {
  const { labels, rounds = 2_000 } = options
  const [a, b] = [severalOf(options.a), severalOf(options.b)]
  const wrong = [...a, ...b].find(({ length }) => length === 0 || length % labels.length !== 0)
  if (wrong !== undefined || labels.length === 0 || a[0]?.length !== b[0]?.length) {
    throw new FirnError(
      'invalid-input',
      `${labels.length} labels, ${a[0]?.length ?? 0} and ${b[0]?.length ?? 0} predictions: two models are compared on the same rows, of which there must be some`,
    )
  }
  const folds = options.folds ?? [Int32Array.from(labels, (_, row) => row)]
  const difference = differenceOn(options, folds)
  if (difference === undefined) {
    throw new FirnError(
      'invalid-input',
      `${options.metric} is undefined on these ${labels.length} rows, so there is nothing to compare`,
    )
  }
  const random = seededRandom(options.seed)
  const drawn: number[] = []
  for (let round = 0; round < rounds; round += 1) {
    const sample = folds.map((rows) => rows.map(() => rows[Math.floor(random() * rows.length)] ?? 0))
    const found = differenceOn(options, sample)
    if (found !== undefined) drawn.push(found)
  }
  drawn.sort((x, y) => x - y)
  const below = drawn.filter((value) => value <= 0).length
  const above = drawn.filter((value) => value >= 0).length
  return {
    difference,
    low: quantile(drawn, 0.025) ?? difference,
    high: quantile(drawn, 0.975) ?? difference,
    p: Math.min(1, (2 * (Math.min(below, above) + 1)) / (drawn.length + 1)),
    rounds,
    undefinedIn: rounds - drawn.length,
  }
}

function severalOf(predictions: PairedOptions['a']): readonly Float64Array[] {
  return predictions instanceof Float64Array ? [predictions] : predictions
}

function differenceOn(options: PairedOptions, folds: readonly Int32Array[]): number | undefined {
  const valueOf = (several: readonly Float64Array[]): number | undefined =>
    meanOf(several.map((all) => meanOf(folds.map((rows) => metricOn(options, all, rows)))))
  const [ofA, ofB] = [valueOf(severalOf(options.a)), valueOf(severalOf(options.b))]
  return ofA === undefined || ofB === undefined ? undefined : ofA - ofB
}

function metricOn(options: PairedOptions, all: Float64Array, rows: Int32Array): number | undefined {
  const { task, metric, classes = 2 } = options
  const width = all.length / options.labels.length
  const predictions = new Float64Array(rows.length * width)
  rows.forEach((row, at) => predictions.set(all.subarray(row * width, (row + 1) * width), at * width))
  return measureOne(task, metric, { labels: takeNumbers(options.labels, rows), predictions, classes })
}

/** Of those that are defined. */
function meanOf(values: readonly (number | undefined)[]): number | undefined {
  const defined = values.filter((value) => value !== undefined)
  return defined.length === 0 ? undefined : defined.reduce((sum, value) => sum + value, 0) / defined.length
}

/** Between the two values nearest to it, in proportion. */
function quantile(sorted: readonly number[], share: number): number | undefined {
  const at = share * (sorted.length - 1)
  const [low, high] = [sorted[Math.floor(at)], sorted[Math.ceil(at)]]
  return low === undefined || high === undefined ? undefined : low + (at - Math.floor(at)) * (high - low)
}
