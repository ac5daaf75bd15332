import { FirnError } from './error.js'

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

/** Throws `invalid-input` for what is no batch id. */
export function parseBatchId(text: string): BatchId {
  if (isBatchId(text)) return text
  throw new FirnError(
    'invalid-input',
    `"${text}" is no batch id: give the instant in UTC, such as 20261121T020000Z.`,
  )
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

/** The columns that a batch's rows say their time in, as rows hold it: µs, and days, since 1970. */
export function batchTimes(batch: BatchId): { readonly timestamp: bigint; readonly date: number } {
  return {
    timestamp: BigInt(instantOf(batch).getTime()) * 1000n,
    date: Date.parse(processingDateOf(batch)) / 86_400_000,
  }
}

/** By instant, then by the suffix's number: `…Z-10` is after `…Z-9`, and that after `…Z`. */
export function compareBatches(a: BatchId, b: BatchId): number {
  const suffix = (batch: BatchId): number => Number(batch.slice(17))
  return instantOf(a).getTime() - instantOf(b).getTime() || suffix(a) - suffix(b)
}

/** The n-th build of one instant: 1 is the id itself, 2 is `<id>-2`. */
export function rebuildId(batch: BatchId, n: number): BatchId {
  const base = batch.slice(0, 16)
  return (n <= 1 ? base : `${base}-${n}`) as BatchId
}
