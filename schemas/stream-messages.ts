import type { LandingAnswer, PartitionRange } from './messages.js'
import type { RunStatus } from './workflow-names.js'

/** Lands a topic without end, in micro-batches, and keeps the pipeline's window tables. */
export interface StreamSourceInput {
  readonly pipeline: string
  readonly source?: string
  /** A micro-batch is planned once this many records wait … Default 100,000. */
  readonly maxRecords?: number
  /** … or about this many bytes … Default 64 MiB. */
  readonly maxBytes?: number
  /** … or the oldest of them has waited this long. Default 5 s. */
  readonly maxAgeMs?: number
  /** How often the open windows are written anew, at least 30 s. Default 30 s. */
  readonly windowEveryMs?: number
  /** A partition without a record for this long does not hold the watermark back. Default 60 s. */
  readonly idleMs?: number
  readonly accept?: readonly LandingAnswer[]
  /** Carried by the stream itself when it continues as new; left out by hand. */
  readonly state?: StreamState
}

/** What the signal `resume` may say; answers given before are replaced. */
export interface ResumeStream {
  readonly accept?: readonly LandingAnswer[]
}

/** Times in ms since 1970. */
export interface StreamState {
  readonly landed: StreamTotals
  /** By partition: largest event time, and when it last had something to wait for. */
  readonly partitions: Readonly<Record<string, StreamPartition>>
  /** The least event time that is still expected; never goes back. */
  readonly watermarkMs?: number
  /** Records between the ledger and the log's end, as last seen. */
  readonly lag?: number
  readonly windows: {
    readonly refreshedAtMs?: number
    /** Watermark and batches landed, as of the last refresh. */
    readonly watermarkMs?: number
    readonly batches?: number
    /** The window tables of the source, as the last refresh named them. */
    readonly tables?: readonly string[]
    readonly publishedAtMs?: number
    /** Why the last refresh or publish failed; it is tried again, and landing goes on. */
    readonly error?: string
  }
  readonly maintenance: {
    readonly startedAtMs?: number
    readonly batches?: number
    /** Another run of maintenance was in the way: not before. */
    readonly againAtMs?: number
    readonly error?: string
  }
  /** The source's name, and that it was there, as the first plan or look at it told. */
  readonly source?: string
  /** Answers that no plan has used up, and up to where the one on bad records holds. */
  readonly accept?: readonly LandingAnswer[]
  readonly acceptUntil?: readonly PartitionRange[]
  readonly pause?: StreamPause
  readonly retry?: StreamRetry
  /** A drain was asked for; `until` once its first plan has said what is there. */
  readonly drain?: { readonly until?: readonly PartitionRange[] }
}

export interface StreamTotals {
  readonly batches: number
  readonly records: number
  readonly deadLetters: number
  readonly bytes: number
  readonly deadLetterKinds?: Readonly<Record<string, number>>
}

export interface StreamPartition {
  /** Absent: nothing with an event time was landed of it by this stream. */
  readonly maxEventTimeMs?: number
  readonly seenAtMs: number
}

export interface StreamPause {
  /** Kind of the error that needs an answer, or `asked`: by signal. */
  readonly kind: string
  readonly reason: string
  /** Command that answers. */
  readonly answer: string
  readonly sinceMs: number
}

export interface StreamRetry {
  readonly attempt: number
  readonly kind: string
  readonly reason: string
  readonly nextAtMs: number
}

/** Answer of a stream's query `status`. */
export interface StreamStatus extends RunStatus {
  readonly source?: string
  readonly landed: StreamTotals
  readonly lag?: number
  readonly watermarkMs?: number
  /** Partitions that do not hold the watermark back. */
  readonly idlePartitions: readonly number[]
  readonly windows: StreamState['windows']
  readonly maintenance: StreamState['maintenance']
  readonly pause?: StreamPause
  readonly retry?: StreamRetry
}

/** How a drained stream ends. */
export interface StreamResult {
  readonly pipeline: string
  readonly source: string
  readonly landed: StreamTotals
  readonly lag?: number
  readonly watermarkMs?: number
}
