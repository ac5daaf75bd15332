/** `20261121T020000Z`, or `20261121T020000Z-2` where the same instant was built again with more input. */
export type BatchId = string & { readonly __brand: 'BatchId' }

const BATCH_ID = /^(\d{4})(\d{2})(\d{2})T(\d{2})(\d{2})(\d{2})Z(-[1-9]\d{0,3})?$/

/** The batch id of a logical instant; milliseconds are cut off. */
export function batchIdOf(instant: Date): BatchId {
  return (instant.toISOString().slice(0, 19).replace(/[-:]/g, '') + 'Z') as BatchId
}

export function isBatchId(text: string): text is BatchId {
  const match = BATCH_ID.exec(text)
  if (match === null) return false
  const [, y, mo, d, h, mi, s] = match
  const instant = new Date(`${y}-${mo}-${d}T${h}:${mi}:${s}Z`)
  return !Number.isNaN(instant.getTime()) && batchIdOf(instant) === text.slice(0, 16)
}

/** The logical instant of a batch id, a suffix left out. */
export function instantOf(batch: BatchId): Date {
  const [, y, mo, d, h, mi, s] = BATCH_ID.exec(batch) ?? []
  return new Date(`${y}-${mo}-${d}T${h}:${mi}:${s}Z`)
}

/** The UTC date of a batch, `2026-11-21`. */
export function processingDateOf(batch: BatchId): string {
  return instantOf(batch).toISOString().slice(0, 10)
}

/** The n-th build of one instant: 1 is the id itself, 2 is `<id>-2`. */
export function rebuildId(batch: BatchId, n: number): BatchId {
  const base = batch.slice(0, 16)
  return (n <= 1 ? base : `${base}-${n}`) as BatchId
}
