import type { BinnedColumns } from './bin-columns.js'

/** Sums that trees are grown by: [rows, channels] row-major, the numerators of a leaf first, then weight, then size. */
export interface RowSums {
  readonly channels: number
  readonly values: Float64Array
}

/** Adds the rows' sums to their bins: [codes, channels], all zero before. Every sum is exact (`roundForSums`). */
export function countHistogram(
  histogram: Float64Array,
  of: {
    readonly binned: BinnedColumns
    readonly sums: RowSums
    /** Ascending, so that memory is read in order. */
    readonly rows: Int32Array
    /** Absent: all. */
    readonly columns?: Int32Array
  },
): void {
  if (of.columns !== undefined) countSome(histogram, { ...of, columns: of.columns })
  else if (of.sums.channels === 2) countPairs(histogram, of.binned, of.sums.values, of.rows)
  else countSome(histogram, { ...of, columns: Int32Array.from({ length: of.binned.columns }, (_, i) => i) })
}

/** The inner loop of boosting: two channels, all columns, four columns at a time. */
function countPairs(
  histogram: Float64Array,
  binned: BinnedColumns,
  sums: Float64Array,
  rows: Int32Array,
): void {
  const { codes, columns } = binned
  const inFours = columns - (columns % 4)
  for (let i = 0; i < rows.length; i += 1) {
    const row = rows[i] as number
    const gradient = sums[2 * row] as number
    const hessian = sums[2 * row + 1] as number
    const from = row * columns
    let at = from
    for (const end = from + inFours; at < end; at += 4) {
      const a = 2 * (codes[at] as number)
      const b = 2 * (codes[at + 1] as number)
      const c = 2 * (codes[at + 2] as number)
      const d = 2 * (codes[at + 3] as number)
      histogram[a] = (histogram[a] as number) + gradient
      histogram[a + 1] = (histogram[a + 1] as number) + hessian
      histogram[b] = (histogram[b] as number) + gradient
      histogram[b + 1] = (histogram[b + 1] as number) + hessian
      histogram[c] = (histogram[c] as number) + gradient
      histogram[c + 1] = (histogram[c + 1] as number) + hessian
      histogram[d] = (histogram[d] as number) + gradient
      histogram[d + 1] = (histogram[d + 1] as number) + hessian
    }
    for (const end = from + columns; at < end; at += 1) {
      const code = 2 * (codes[at] as number)
      histogram[code] = (histogram[code] as number) + gradient
      histogram[code + 1] = (histogram[code + 1] as number) + hessian
    }
  }
}

function countSome(
  histogram: Float64Array,
  of: {
    readonly binned: BinnedColumns
    readonly sums: RowSums
    readonly rows: Int32Array
    readonly columns: Int32Array
  },
): void {
  const { binned, rows, columns } = of
  const { channels, values } = of.sums
  for (let i = 0; i < rows.length; i += 1) {
    const row = rows[i] as number
    const from = row * binned.columns
    for (let k = 0; k < columns.length; k += 1) {
      const code = channels * (binned.codes[from + (columns[k] as number)] as number)
      for (let c = 0; c < channels; c += 1) {
        histogram[code + c] = (histogram[code + c] as number) + (values[row * channels + c] as number)
      }
    }
  }
}

export function subtractHistogram(from: Float64Array, part: Float64Array): void {
  for (let i = 0; i < from.length; i += 1) from[i] = (from[i] as number) - (part[i] as number)
}
