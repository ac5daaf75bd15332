import type { BinnedColumns } from './bin-columns.js'

/** What makes a split good: XGBoost's regularised gain. */
export interface SplitRules {
  readonly l1: number
  readonly l2: number
  readonly minSplitGain: number
  /** Least sum of the last channel in each child. */
  readonly minChildSize: number
  /** Channels that are numerators; the next one is the weight, the last one the size (it may be the same). */
  readonly numerators: number
}

export interface Split {
  readonly column: number
  /** Last code that goes left; the column's last bin where only missing values go right. */
  readonly code: number
  /** Values below go left. */
  readonly threshold: number
  readonly defaultLeft: boolean
  readonly gain: number
  /** [channels] */
  readonly left: Float64Array
  readonly right: Float64Array
}

/** A gain below this share of the scores it is the difference of is their rounding. */
const ROUNDING = 1e-14

/**
 * The split of a node with the greatest gain. Missing values go right; where a column has some in the node, also left is
 * tried and taken if strictly better. Ties: the first column, then the lowest threshold (the highest with missing values
 * on the left), as XGBoost breaks them.
 */
export function findSplit(
  histogram: Float64Array,
  node: {
    readonly binned: BinnedColumns
    readonly total: Float64Array
    readonly rules: SplitRules
    /** Ascending. */
    readonly columns: Int32Array
  },
): Split | undefined {
  const search = new SplitSearch(histogram, node.binned, node.total, node.rules)
  for (const column of node.columns) search.tryColumn(column)
  return search.best()
}

/** Σ thresholded numerator² / (weight + l2): what a leaf of these sums takes off the loss, times two. */
export function scoreOf(sums: Float64Array, { numerators, l1, l2 }: SplitRules): number {
  const weight = (sums[numerators] ?? 0) + l2
  if (weight <= 0) return 0
  let score = 0
  for (let i = 0; i < numerators; i += 1) {
    const numerator = shrink(sums[i] ?? 0, l1)
    score += (numerator * numerator) / weight
  }
  return score
}

/** Towards zero by `l1`. */
export function shrink(sum: number, l1: number): number {
  if (sum > l1) return sum - l1
  return sum < -l1 ? sum + l1 : 0
}

class SplitSearch {
  readonly #channels: number
  readonly #nodeScore: number
  /** One of the children that are looked at, and the other. */
  readonly #one: Float64Array
  readonly #other: Float64Array
  readonly #best = { gain: 0, column: -1, bin: 0, defaultLeft: false }
  readonly #bestLeft: Float64Array
  readonly #bestRight: Float64Array

  constructor(
    readonly histogram: Float64Array,
    readonly binned: BinnedColumns,
    readonly total: Float64Array,
    readonly rules: SplitRules,
  ) {
    this.#channels = total.length
    this.#nodeScore = scoreOf(total, rules)
    this.#one = new Float64Array(total.length)
    this.#other = new Float64Array(total.length)
    this.#bestLeft = new Float64Array(total.length)
    this.#bestRight = new Float64Array(total.length)
  }

  tryColumn(column: number): void {
    const first = this.binned.offsets[column] ?? 0
    const missing = (this.binned.offsets[column + 1] ?? 0) - 1
    const bins = missing - first
    const someMissing = !this.#isEmpty(missing)
    this.#one.fill(0)
    for (let bin = 0; bin < (someMissing ? bins : bins - 1); bin += 1) {
      if (this.#move(first + bin)) this.#consider({ column, bin, defaultLeft: false }, this.#one, this.#other)
    }
    if (!someMissing) return
    this.#one.fill(0)
    for (let bin = bins - 2; bin >= 0; bin -= 1) {
      if (this.#move(first + bin + 1))
        this.#consider({ column, bin, defaultLeft: true }, this.#other, this.#one)
    }
  }

  best(): Split | undefined {
    const { column, bin, gain, defaultLeft } = this.#best
    if (column < 0 || gain < this.rules.minSplitGain) return undefined
    return {
      column,
      code: (this.binned.offsets[column] ?? 0) + bin,
      threshold: this.binned.cuts[column]?.[bin] ?? Infinity,
      defaultLeft,
      gain,
      left: this.#bestLeft,
      right: this.#bestRight,
    }
  }

  /** Moves a bin to the one child; false where it is empty, since nothing changes then. */
  #move(code: number): boolean {
    if (this.#isEmpty(code)) return false
    const channels = this.#channels
    for (let c = 0; c < channels; c += 1) {
      const sum = (this.#one[c] ?? 0) + (this.histogram[code * channels + c] ?? 0)
      this.#one[c] = sum
      this.#other[c] = (this.total[c] ?? 0) - sum
    }
    return true
  }

  /** By all channels: a second derivative may be rounded to 0 where the first one is not. */
  #isEmpty(code: number): boolean {
    const from = code * this.#channels
    for (let c = 0; c < this.#channels; c += 1) if (this.histogram[from + c] !== 0) return false
    return true
  }

  #consider(
    split: { readonly column: number; readonly bin: number; readonly defaultLeft: boolean },
    left: Float64Array,
    right: Float64Array,
  ): void {
    const size = this.#channels - 1
    const least = this.rules.minChildSize
    const [leftSize, rightSize] = [left[size] ?? 0, right[size] ?? 0]
    if (leftSize < least || rightSize < least || leftSize <= 0 || rightSize <= 0) return
    const children = scoreOf(left, this.rules) + scoreOf(right, this.rules)
    const gain = children - this.#nodeScore
    if (!(gain > this.#best.gain) || gain <= ROUNDING * (children + this.#nodeScore)) return
    Object.assign(this.#best, split, { gain })
    this.#bestLeft.set(left)
    this.#bestRight.set(right)
  }
}
