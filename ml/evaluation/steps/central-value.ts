/** Means and medians of the numbers that are there, in row order: one order, so one result to the last bit. */
export function presentValues(values: Float64Array): Float64Array {
  return values.filter((value) => !Number.isNaN(value))
}

/** 0 for no values. */
export function meanOf(values: Float64Array): number {
  const count = Math.max(values.length, 1)
  const mean = values.reduce((sum, value) => sum + value, 0) / count
  // 0 + x: −0 would not survive JSON.
  return 0 + (Number.isFinite(mean) ? mean : values.reduce((sum, value) => sum + value / count, 0))
}

/** Of an even number of values the mean of the two in the middle; 0 for none. */
export function medianOf(values: Float64Array): number {
  const sorted = values.toSorted()
  const half = Math.floor(sorted.length / 2)
  return meanOf(
    sorted.length % 2 === 1 ? sorted.subarray(half, half + 1) : sorted.subarray(half - 1, half + 1),
  )
}
