import type { TrainingInputs } from '../estimator.js'
import { roundForSums } from './exact-sums.js'

/** A training matrix as small numbers: each column has codes of its own, one a bin and a last one for missing values. */
export interface BinnedColumns {
  readonly rows: number
  readonly columns: number
  /** Of each column: least values of its bins but the first. A value's bin is the number of cuts that are not above it. */
  readonly cuts: readonly Float64Array[]
  /** [columns + 1]: first code of each column. */
  readonly offsets: Int32Array
  /** Row-major [rows, columns]. */
  readonly codes: Uint16Array | Uint32Array
}

/** Code of a column's missing values. */
export function missingCode(binned: BinnedColumns, column: number): number {
  return (binned.offsets[column + 1] ?? 0) - 1
}

/** At most `bins` bins a column: one for each distinct value where there are no more, else about equal shares of rows. */
export function binColumns(train: TrainingInputs, bins: number): BinnedColumns {
  const columns = train.columns.length
  const values = Array.from({ length: columns }, (_, column) => columnOf(train, column))
  const cuts = values.map((column) => cutsOf(column, train.weights, bins))
  const offsets = new Int32Array(columns + 1)
  cuts.forEach(({ length }, column) => {
    offsets[column + 1] = (offsets[column] ?? 0) + length + 2
  })
  const codeCount = offsets[columns] ?? 0
  const cells = train.rows * columns
  const codes = codeCount <= 0x10000 ? new Uint16Array(cells) : new Uint32Array(cells)
  const binned = { rows: train.rows, columns, cuts, offsets, codes }
  values.forEach((column, i) => {
    writeCodes(binned, i, column)
  })
  return binned
}

function columnOf({ rows, columns, x }: TrainingInputs, column: number): Float64Array {
  const values = new Float64Array(rows)
  for (let row = 0, at = column; row < rows; row += 1, at += columns.length) values[row] = x[at] ?? NaN
  return values
}

function writeCodes(binned: BinnedColumns, column: number, values: Float64Array): void {
  const cuts = binned.cuts[column] ?? new Float64Array()
  const offset = binned.offsets[column] ?? 0
  const missing = missingCode(binned, column)
  const { codes, columns } = binned
  for (let row = 0, at = column; row < values.length; row += 1, at += columns) {
    const value = values[row] ?? NaN
    codes[at] = value === value ? offset + notAbove(cuts, value) : missing
  }
}

/** How many of the ascending numbers are not above the value. */
function notAbove(ascending: Float64Array, value: number): number {
  let [low, high] = [0, ascending.length]
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((ascending[middle] ?? 0) <= value) low = middle + 1
    else high = middle
  }
  return low
}

function cutsOf(values: Float64Array, weights: Float64Array | undefined, bins: number): Float64Array {
  const present = values.filter((value, row) => value === value && weights?.[row] !== 0).sort()
  const distinct = present.filter((value, i) => i === 0 || value !== present[i - 1])
  if (distinct.length <= bins) return distinct.subarray(1)
  return quantileCuts(
    distinct,
    weights === undefined ? runLengths(present, distinct) : weightsOf(values, weights, distinct),
    bins,
  )
}

/**
 * Closes a bin when it holds an equal share of what is left, so that one frequent value takes one bin and leaves the
 * others to the rest.
 */
function quantileCuts(distinct: Float64Array, weights: Float64Array, bins: number): Float64Array {
  let left = weights.reduce((sum, weight) => sum + weight, 0)
  let [held, closed] = [0, 0]
  const cuts: number[] = []
  const close = (value: number) => {
    cuts.push(value)
    left -= held
    held = 0
    closed += 1
  }
  for (let i = 0; i < distinct.length && closed < bins - 1; i += 1) {
    const [value, weight] = [distinct[i] ?? 0, weights[i] ?? 0]
    const share = left / (bins - closed)
    if (held > 0 && (held >= share || weight >= share)) close(value)
    held += weight
  }
  return Float64Array.from(cuts)
}

function runLengths(sorted: Float64Array, distinct: Float64Array): Float64Array {
  const lengths = new Float64Array(distinct.length)
  let run = 0
  for (const value of sorted) {
    if (value !== distinct[run]) run += 1
    lengths[run] = (lengths[run] ?? 0) + 1
  }
  return lengths
}

function weightsOf(values: Float64Array, weights: Float64Array, distinct: Float64Array): Float64Array {
  const rounded = weights.slice()
  roundForSums(rounded)
  const sums = new Float64Array(distinct.length)
  values.forEach((value, row) => {
    if (value !== value || weights[row] === 0) return
    const at = notAbove(distinct, value) - 1
    sums[at] = (sums[at] ?? 0) + (rounded[row] ?? 0)
  })
  return sums
}
