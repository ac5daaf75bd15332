/**
 * Cuts ledger rows into stretches of about as many bytes each, in their order. An object's rows stay together, so that it
 * is read once: a stretch may be empty.
 */
export function cutRows<R extends { readonly path: string; readonly bytes: number }>(
  rows: readonly R[],
  parts: number,
): readonly (readonly R[])[] {
  const total = rows.reduce((sum, { bytes }) => sum + bytes, 0)
  const cut: R[][] = Array.from({ length: parts }, () => [])
  let before = 0
  let part = 0
  for (const [index, row] of rows.entries()) {
    if (rows[index - 1]?.path !== row.path)
      part = Math.min(parts - 1, Math.floor((before * parts) / Math.max(total, 1)))
    cut[part]?.push(row)
    before += row.bytes
  }
  return cut
}
