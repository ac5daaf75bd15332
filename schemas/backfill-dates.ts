import type { BackfillInput } from './backfill-messages.js'

const DAY_MS = 86_400_000

/** What a backfill goes through, by number: no list of a range's dates is ever made. */
export interface BackfillDates {
  readonly total: number
  /** First and last calendar date. */
  readonly from: string
  readonly to: string
  /** The date, or the batch id where the input names batches. */
  readonly key: (index: number) => string
}

/** For an input that was read: `readBackfillInput`. What is named one by one is put in order. */
export function backfillDates({ from, to, dates, batches }: BackfillInput): BackfillDates {
  if (from !== undefined && to !== undefined) {
    const first = Date.parse(from)
    const total = (Date.parse(to) - first) / DAY_MS + 1
    return { total, from, to, key: (index) => isoDate(first + index * DAY_MS) }
  }
  const named = dates === undefined ? byBatch(batches ?? []) : [...dates].sort()
  const key = (index: number): string => named[index] ?? ''
  return { total: named.length, from: dateOf(key(0)), to: dateOf(key(named.length - 1)), key }
}

/** The calendar date of a key, which is a date or a batch id. */
export function dateOf(key: string): string {
  return key.length === 10 ? key : `${key.slice(0, 4)}-${key.slice(4, 6)}-${key.slice(6, 8)}`
}

/** By instant, then by the number at the end: `…Z-10` comes after `…Z-9`. */
function byBatch(batches: readonly string[]): readonly string[] {
  const order = (batch: string): string => batch.slice(0, 16) + batch.slice(17).padStart(6, '0')
  return [...batches].sort((a, b) => (order(a) < order(b) ? -1 : 1))
}

function isoDate(ms: number): string {
  return new Date(ms).toISOString().slice(0, 10)
}
