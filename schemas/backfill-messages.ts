import type { OnChange } from './definition-change.js'
import type { RunStatus } from './workflow-names.js'

/** Several dates of a pipeline, one after another or a few at a time: exactly one of `from` with `to`, `dates`, `batches`. */
export interface BackfillInput {
  readonly pipeline: string
  /** First calendar date, `2026-07-01`. */
  readonly from?: string
  /** Last calendar date; it belongs to the range. */
  readonly to?: string
  /** Single dates, at most a thousand. */
  readonly dates?: readonly string[]
  /** Single batches, at most a thousand: by their ids, where a date alone says too little. */
  readonly batches?: readonly string[]
  /**
   * `missing` (default): the night of each date that has no published night yet, or one that found nothing new.
   * `rebuild`: the published batches of each date are computed again and published under ids of their own.
   */
  readonly mode?: BackfillMode
  /**
   * So many nights at once, default 1. Landing and publishing of one pipeline stand in line all the same; with more than
   * one a batch may take rows that the night of a later date has landed. Rebuilds are one at a time.
   */
  readonly parallel?: number
  /** `at-end` (default): the pipeline's tables are maintained once, after the last date, where any was published. */
  readonly maintain?: 'at-end' | 'never'
  /** What a failed date does to those after it. Default `continue`. */
  readonly onFailure?: 'continue' | 'pause'
  /** As for buildFeatures, passed on to every night; a rebuild goes by the definition as it is now. */
  readonly onChange?: OnChange
  /** Folder or `s3://bucket/prefix` of a date's documents; `{date}` in it stands for `2026-07-01`. */
  readonly folder?: string
  /** Carried by the backfill itself when it continues as new, and by a retry of one that has ended; left out by hand. */
  readonly state?: BackfillState
}

export type BackfillMode = 'missing' | 'rebuild'

/**
 * `done`: its marker was there before this backfill came to it. `none`: the schedule has no night on that date, or it has no
 * batch to rebuild. The others are what became of it here.
 */
export type DateState =
  'waiting' | 'running' | 'published' | 'no_changes' | 'done' | 'none' | 'failed' | 'cancelled'

export type DateCounts = Readonly<Record<DateState, number>>

/** All there is to know of a backfill, small however many dates it has. Times in ms since 1970. */
export interface BackfillState {
  /** States of all dates, run-length encoded (schemas/backfill-states). */
  readonly states: string
  /** The first hundred that failed and were not tried again since. */
  readonly failures: readonly FailedDate[]
  readonly startedAtMs: number
  readonly pause?: BackfillPause
}

export interface FailedDate {
  /** Date or batch, as the input names it. */
  readonly date: string
  readonly workflowId?: string
  /** Cut to 300 characters. */
  readonly cause: string
}

export interface BackfillPause {
  readonly reason: string
  readonly sinceMs: number
}

export interface RunningDate {
  readonly date: string
  readonly batch: string
  readonly workflowId: string
}

/** Answer of a backfill's query `status`. */
export interface BackfillStatus extends RunStatus {
  readonly mode: BackfillMode
  /** First and last date. */
  readonly from: string
  readonly to: string
  readonly total: number
  readonly counts: DateCounts
  readonly running: readonly RunningDate[]
  readonly failures: readonly FailedDate[]
  readonly startedAtMs: number
  readonly pause?: BackfillPause
}

/** Argument of a backfill's query `dates`. */
export interface DatesQuery {
  readonly state?: DateState
  /** How many of those that match are left out first. Default 0. */
  readonly offset?: number
  /** At most 1,000, default 100. */
  readonly limit?: number
}

/** A page of dates, in order; its size does not depend on how many there are. */
export interface DatesPage {
  /** All that match. */
  readonly total: number
  readonly rows: readonly BackfilledDate[]
}

export interface BackfilledDate {
  readonly date: string
  readonly state: DateState
  /** The date's child workflow; of a date with several batches while it runs. */
  readonly workflowId?: string
  /** As far as the backfill remembers it: the lake tells all (`firn backfill dates`). */
  readonly batch?: string
  readonly cause?: string
}

/** How a backfill ends. */
export interface BackfillResult {
  readonly status: 'done' | 'no_changes' | 'failed' | 'cancelled'
  readonly pipeline: string
  readonly mode: BackfillMode
  readonly from: string
  readonly to: string
  readonly total: number
  readonly counts: DateCounts
  readonly failures: readonly FailedDate[]
}

/** Asks for the batches of some dates and what is known of them; the answer is as long as the question. */
export interface ListBackfillInput {
  readonly pipeline: string
  readonly mode: BackfillMode
  /** Calendar dates, or batch ids: at most a few hundred. */
  readonly keys: readonly string[]
  /** A night that found nothing new counts for nothing: these read folders of their own. */
  readonly ownFolders: boolean
}

export interface BackfillRow {
  readonly key: string
  /** `due` has to run; what the others mean: `DateState`. */
  readonly state: 'due' | 'done' | 'none'
  /** What is to run, in order. */
  readonly batches: readonly string[]
}
