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
  /** Row-major [rows, columns]: histograms read whole rows. */
  readonly codes: Uint16Array | Uint32Array
  /** The same column-major: a split reads one column of many rows. */
  readonly byColumn: Uint16Array | Uint32Array
}

/** Code of a column's missing values. */
export function missingCode(binned: BinnedColumns, column: number): number {
  return (binned.offsets[column + 1] ?? 0) - 1
}

/** At most `bins` bins a column: one for each distinct value where there are no more, else about equal shares of rows. */
export function binColumns(train: TrainingInputs, bins: number): BinnedColumns {
  const { rows, columns: names } = train
  const columns = names.length
  const cuts = names.map((_, column) => cutsOf(columnOf(train, column), train.weights, bins))
  const offsets = new Int32Array(columns + 1)
  cuts.forEach(({ length }, column) => {
    offsets[column + 1] = (offsets[column] ?? 0) + length + 2
  })
  const Codes = (offsets[columns] ?? 0) <= 0x10000 ? Uint16Array : Uint32Array
  const codes = new Codes(rows * columns)
  const byColumn = new Codes(rows * columns)
  const binned = { rows, columns, cuts, offsets, codes, byColumn }
  cuts.forEach((own, column) => {
    writeCodes(binned, column, { cuts: own, values: columnOf(train, column) })
  })
  return binned
}

function columnOf({ rows, columns, x }: TrainingInputs, column: number): Float64Array {
  const values = new Float64Array(rows)
  for (let row = 0, at = column; row < rows; row += 1, at += columns.length) values[row] = x[at] ?? NaN
  return values
}

function writeCodes(
  binned: BinnedColumns,
  column: number,
  { cuts, values }: { readonly cuts: Float64Array; readonly values: Float64Array },
): void {
  const { codes, byColumn, rows, columns } = binned
  const offset = binned.offsets[column] ?? 0
  const missing = missingCode(binned, column)
  for (let row = 0; row < rows; row += 1) {
    const value = values[row] ?? NaN
    const code = value === value ? offset + notAbove(cuts, value) : missing
    byColumn[column * rows + row] = code
    codes[row * columns + column] = code
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
  const sorted = presentOf(values, weights).sort()
  const distinct = distinctOf(sorted)
  if (distinct.length <= bins) return distinct.slice(1)
  const held = weights === undefined ? runLengths(sorted, distinct) : weightsOf(values, weights, distinct)
  return quantileCuts(distinct, held, bins)
}

/** Values of rows that count. */
function presentOf(values: Float64Array, weights: Float64Array | undefined): Float64Array {
  const present = new Float64Array(values.length)
  let count = 0
  for (let row = 0; row < values.length; row += 1) {
    const value = values[row] ?? NaN
    if (value !== value || weights?.[row] === 0) continue
    present[count] = value
    count += 1
  }
  return present.subarray(0, count)
}

function distinctOf(sorted: Float64Array): Float64Array {
  const distinct = new Float64Array(sorted.length)
  let count = 0
  for (let i = 0; i < sorted.length; i += 1) {
    if (i > 0 && sorted[i] === sorted[i - 1]) continue
    distinct[count] = sorted[i] ?? 0
    count += 1
  }
  return distinct.subarray(0, count)
}

/**
 * Closes a bin when it holds an equal share of what is left, so that one frequent value takes one bin and leaves the
 * others to the rest.
 */
function quantileCuts(distinct: Float64Array, weights: Float64Array, bins: number): Float64Array {
  const cuts: number[] = []
  let [left, held] = [0, 0]
  for (let i = 0; i < weights.length; i += 1) left += weights[i] ?? 0
  for (let i = 0; i < distinct.length && cuts.length < bins - 1; i += 1) {
    const weight = weights[i] ?? 0
    const share = left / (bins - cuts.length)
    if (held > 0 && (held >= share || weight >= share)) {
      cuts.push(distinct[i] ?? 0)
      left -= held
      held = 0
    }
    held += weight
  }
  return Float64Array.from(cuts)
}

function runLengths(sorted: Float64Array, distinct: Float64Array): Float64Array {
  const lengths = new Float64Array(distinct.length)
  let run = 0
  for (let i = 0; i < sorted.length; i += 1) {
    if (sorted[i] !== distinct[run]) run += 1
    lengths[run] = (lengths[run] ?? 0) + 1
  }
  return lengths
}

function weightsOf(values: Float64Array, weights: Float64Array, distinct: Float64Array): Float64Array {
  const rounded = weights.slice()
  roundForSums(rounded)
  const sums = new Float64Array(distinct.length)
  for (let row = 0; row < values.length; row += 1) {
    const value = values[row] ?? NaN
    if (value !== value || weights[row] === 0) continue
    const at = notAbove(distinct, value) - 1
    sums[at] = (sums[at] ?? 0) + (rounded[row] ?? 0)
  }
  return sums
}
