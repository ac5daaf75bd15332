import { dateOf } from '../../schemas/backfill-dates.js'
import type { BackfillMode, BackfillRow } from '../../schemas/backfill-messages.js'
import { instantOf, parseBatchId } from '../../schemas/batch.js'
import type { Pipeline } from '../../schemas/pipeline.js'
import { zoneOffset } from '../../schemas/zone-time.js'
import { batchesOfDates } from './batches-of-dates.js'
import type { BatchRecord, DateRange } from './batch-history.js'

const DAY_MS = 86_400_000
/** Together they stay far below what a payload may hold. A date has more where its schedule is due every minute. */
const BATCHES_MAX = 2000

export interface LookAtDates {
  readonly pipeline: Pipeline
  readonly mode: BackfillMode
  /** Calendar dates, or batch ids. */
  readonly keys: readonly string[]
  /** `readBatchHistory`; nothing where there is no lake yet. */
  readonly history: (range: DateRange) => Promise<readonly BatchRecord[]>
  /** Of these batches, those whose night is known to have found nothing new. Default: none. */
  readonly quiet?: (batches: readonly string[]) => Promise<ReadonlySet<string>>
}

/** A date, or a batch that was named, as the lake has it. */
export interface LookedDate extends BackfillRow {
  readonly found: readonly FoundBatch[]
}

export interface FoundBatch {
  readonly batch: string
  /** `missing`: no night published or failed it. */
  readonly was: 'missing' | 'published' | 'failed' | 'skipped' | 'rolled_back' | 'no_changes'
  /** What is recorded last of it. */
  readonly record?: BatchRecord
}

/**
 * What a backfill has to do on each date, by the audit table of this moment. A published or skipped batch is done; one that
 * failed after that is due again. Answers for as many of the first keys as fit into a message, at least one.
 */
export async function lookAtDates(look: LookAtDates): Promise<readonly LookedDate[]> {
  const { pipeline, mode, keys, quiet } = look
  const history = await look.history(daysAround(keys.map(dateOf)))
  if (mode === 'rebuild') return fitting(keys.map((key) => toRebuild(key, pipeline, history)))
  const byBase = groupBy(history, ({ batch }) => batch.slice(0, 16))
  const scheduled = batchesOfDates(pipeline, keys.filter(isDate))
  const found = keys.map((key) => ({
    key,
    found: (isDate(key) ? (scheduled.get(key) ?? []) : [key]).map((batch) => nightOf(batch, byBase)),
  }))
  const fit = fitting(found.map((date) => ({ ...date, batches: dueOf(date.found) })))
  const silent = (await quiet?.(fit.flatMap(({ batches }) => batches))) ?? new Set()
  return fit.map((date) => missingDate(date.key, date.found, silent))
}

function missingDate(key: string, found: readonly FoundBatch[], silent: ReadonlySet<string>): LookedDate {
  const heard = found.map((one): FoundBatch =>
    one.was === 'missing' && silent.has(one.batch) ? { ...one, was: 'no_changes' } : one,
  )
  const batches = dueOf(heard)
  return {
    key,
    batches,
    found: heard,
    state: batches.length > 0 ? 'due' : found.length > 0 ? 'done' : 'none',
  }
}

function dueOf(found: readonly FoundBatch[]): readonly string[] {
  const due = found.filter(({ was }) => was === 'missing' || was === 'failed' || was === 'rolled_back')
  return due.map(({ batch }) => batch)
}

/** What is recorded last of a batch and of those built of its instant later: a failure counts until something came after it. */
function nightOf(batch: string, byBase: ReadonlyMap<string, readonly BatchRecord[]>): FoundBatch {
  const family = byBase.get(batch.slice(0, 16)) ?? []
  const own = batch.length > 16 ? family.filter((record) => record.batch === batch) : family
  const record = own.at(-1)
  if (record === undefined) return { batch, was: 'missing' }
  return { batch, was: record.status === 'rebuilt' ? 'published' : record.status, record }
}

/** All batches that were published on a date of the schedule's zone, by whatever night. */
function toRebuild(key: string, { schedule }: Pipeline, history: readonly BatchRecord[]): LookedDate {
  const zone = schedule?.timezone ?? 'UTC'
  const found = history.filter(
    ({ batch, status }) =>
      status === 'published' && (isDate(key) ? zoneDateOf(batch, zone) === key : batch === key),
  )
  const batches = [...new Set(found.map(({ batch }) => batch))]
  return {
    key,
    batches,
    found: found.map((record) => ({ batch: record.batch, was: 'published', record })),
    state: batches.length > 0 ? 'due' : 'none',
  }
}

function zoneDateOf(batch: string, zone: string): string {
  const instant = instantOf(parseBatchId(batch)).getTime()
  return new Date(instant + zoneOffset(instant, zone)).toISOString().slice(0, 10)
}

function fitting<T extends { readonly batches: readonly string[] }>(dates: readonly T[]): readonly T[] {
  let batches = 0
  const end = dates.findIndex((date, i) => (batches += date.batches.length) > BATCHES_MAX && i > 0)
  return end === -1 ? dates : dates.slice(0, end)
}

/** From the day before the first to the day after the last: a zone's date is at most a day from UTC's. */
function daysAround(dates: readonly string[]): DateRange {
  const times = dates.map((date) => Date.parse(date))
  const day = (ms: number): string => new Date(ms).toISOString().slice(0, 10)
  return {
    from: day(times.reduce((a, b) => Math.min(a, b)) - DAY_MS),
    to: day(times.reduce((a, b) => Math.max(a, b)) + DAY_MS),
  }
}

function isDate(key: string): boolean {
  return key.length === 10
}

function groupBy<T>(items: readonly T[], keyOf: (item: T) => string): ReadonlyMap<string, readonly T[]> {
  const groups = new Map<string, T[]>()
  for (const item of items) {
    const group = groups.get(keyOf(item))
    if (group === undefined) groups.set(keyOf(item), [item])
    else group.push(item)
  }
  return groups
}
