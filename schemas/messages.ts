import type {
  DueStep,
  MaintainedFile,
  MaintenanceDetail,
  MaintenanceOutcome,
  MaintenanceStep,
} from './maintenance.js'
import type { DefinitionChange, OnChange } from './definition-change.js'
import type { ScoreBatchResult } from './model-messages.js'
import type { MissedNight } from './night-messages.js'
import type { CheckResult, PublishResult, RunInfo } from './publish.js'

/**
 * What workflows and activities say to each other. Plain JSON, small: locations, ids and counts, never rows or file
 * lists. 64-bit ids are decimal strings. Every workflow takes exactly one of these objects.
 */

// ---------------------------------------------------------------- landing
export interface LandSourceInput {
  readonly pipeline: string
  /** Default: the pipeline's only source. */
  readonly source?: string
  /**
   * Folder of JSON documents, or `s3://bucket/prefix`. Default: the source's topic where Kafka is configured, else the
   * landing root's folder of that name.
   */
  readonly from?: string
  /** Batch id; default: the workflow's logical instant. */
  readonly batch?: string
  /** Answers to what paused the source; an error that pauses it says which one fits. */
  readonly accept?: readonly LandingAnswer[]
  /** Carried by the landing itself when it continues as new; left out by hand. */
  readonly state?: LandSourceState
}

export interface LandSourceState {
  readonly until: readonly PartitionRange[]
  readonly landed: LandResult
}

/**
 * What only a person can decide about a topic: `lost-offsets` (records that retention removed before they were landed
 * are gone), `all-bad` (the records that all break the contract go to the dead letters), `incarnation:<12 hex digits>`
 * (the topic was deleted and made again, or its broker was restored: land it from its beginning under that name).
 */
export type LandingAnswer = 'lost-offsets' | 'all-bad' | `incarnation:${string}`

/** A range fixed before it is read. */
export type LandingPlan = FileLandingPlan | TopicLandingPlan

/** New files of a folder or a prefix; their list is at `planLocation`. Plans of 0.1 have no `kind`. */
export interface FileLandingPlan {
  readonly kind?: 'files'
  readonly pipeline: string
  readonly source: string
  readonly batch: string
  readonly from: string
  readonly incarnation: string
  readonly files: number
  readonly bytes: number
  /** First and one past the last assigned offset. */
  readonly first: number
  readonly end: number
  /** Absent: nothing new. */
  readonly planLocation?: string
  readonly accept?: readonly LandingAnswer[]
  /** Files that changed after they were landed, files that still settle; at most ten. */
  readonly warnings?: readonly string[]
}

/** Offsets of one partition, `end` exclusive. */
export interface PartitionRange {
  readonly partition: number
  readonly first: number
  readonly end: number
}

/** Offsets of a topic. Temporal's history is the only record of it. */
export interface TopicLandingPlan {
  readonly kind: 'topic'
  readonly pipeline: string
  readonly source: string
  readonly batch: string
  readonly topic: string
  /** 12 hex digits of the topic's identity: offsets count per incarnation. */
  readonly incarnation: string
  /** What is fetched, by partition; none: nothing new. */
  readonly ranges: readonly PartitionRange[]
  /** Indexes of `ranges` that one fetch takes; fetches run side by side, on any worker. */
  readonly slices: readonly (readonly number[])[]
  /** Offsets that no record comes from any more; ledger rows without records say so. */
  readonly gaps: readonly (PartitionRange & { readonly reason: GapReason })[]
  /** Records of all partitions between the ledger and the log's end when it was planned. */
  readonly pending: number
  /**
   * Every partition of the topic, from where the ledger stands (before `ranges` and `gaps`) to the log's end; empty ranges
   * too. The first plan's are the `until` of a bounded landing's further plans, which do not cut these.
   */
  readonly seen: readonly PartitionRange[]
  readonly accept?: readonly LandingAnswer[]
  readonly warnings?: readonly string[]
}

/** `retention`: removed before it was landed, accepted as lost. `start`: where the landing of a partition begins. */
export type GapReason = 'retention' | 'start'

/** Objects are written, nothing is visible; the ledger rows are at `stagedLocation`. */
export interface FetchedLanding {
  readonly stagedLocation: string
  readonly objects: number
  readonly records: number
  readonly deadLetters: number
  readonly bytes: number
}

export interface LandResult {
  readonly source: string
  readonly batch: string
  readonly files: number
  readonly objects: number
  readonly records: number
  readonly deadLetters: number
  readonly bytes: number
  /** Ledger rows up to here exist, exclusive. */
  readonly rowNumberEnd: number
  readonly ledgerSnapshotId: string | null
  /** Topics only: records between the ledger after this landing and the log's end as its last plan saw it. */
  readonly lag?: number
  /** Largest event time, ms since 1970; absent where nothing was landed. */
  readonly maxEventTimeMs?: number
  /** Topics only: the partitions that something was landed of. */
  readonly partitions?: readonly LandedPartition[]
  /** Dead letters of this landing by error kind; absent where there are none. */
  readonly deadLetterKinds?: Readonly<Record<string, number>>
  readonly warnings?: readonly string[]
}

export interface LandedPartition {
  readonly partition: number
  readonly records: number
  /** Absent where only dead letters were landed of it. */
  readonly maxEventTimeMs?: number
}

/** When a stream lands next: so many records, about so many bytes, or the oldest waiting so long; at most `waitMs`. */
export interface AwaitRecordsInput {
  readonly pipeline: string
  readonly source?: string
  readonly maxRecords: number
  readonly maxBytes: number
  readonly maxAgeMs: number
  readonly waitMs: number
}

export interface DueRecords {
  readonly due: boolean
  /** Records that wait. */
  readonly pending: number
}

// ---------------------------------------------------------------- windows
/** Brings the window tables of a source up to its ledger. */
export interface WindowRefreshInput {
  readonly pipeline: string
  /** Default: the pipeline's only source. */
  readonly source?: string
  /** Names the refresh: asked again for the same one, the recorded result comes back. */
  readonly batch: string
  /** The least event time that is still expected, as the caller knows it now; absent: not known. ms since 1970. */
  readonly watermarkMs?: number
}

export interface WindowRefreshResult {
  readonly source: string
  readonly batch: string
  /** `none`: the pipeline has no window table of this source. `nothing-new`: no ledger rows since the last refresh. */
  readonly status: 'refreshed' | 'nothing-new' | 'none'
  /** All ledger rows before this one are in the windows. */
  readonly rowEnd: number
  /** By which the next refresh judges what is late; never falls. ms since 1970. */
  readonly watermarkMs?: number
  readonly tables: readonly RefreshedWindows[]
}

export interface RefreshedWindows {
  /** `namespace.name` */
  readonly table: string
  /** Windows that were computed anew, and their rows. */
  readonly windows: number
  readonly rows: number
  /** New records of windows that were closed: in the raw layer, not in the table. */
  readonly late: number
  readonly snapshotId: string | null
}

/** Tags the window tables of a source as they are and writes their audit row; meant for once an hour. */
export interface WindowPublishInput {
  readonly pipeline: string
  /** Default: the pipeline's only source. */
  readonly source?: string
  readonly batch: string
  readonly run: RunInfo
}

export interface WindowPublishResult {
  /** `no_changes`: nothing was refreshed since the last one, nothing was written. */
  readonly status: 'published' | 'no_changes'
  readonly batch: string
  readonly publish?: PublishResult
}

// ---------------------------------------------------------------- features
export interface BuildFeaturesInput {
  readonly pipeline: string
  /** Batch id; default: the workflow's logical instant. */
  readonly batch?: string
  /** Skip the failed batch named here: its range is not built again. Recorded in the audit row. */
  readonly skip?: string
  /** What becomes of published rows where the definition of their table has changed. Absent: then nothing is built. */
  readonly onChange?: OnChange
}

export type BuildPlan =
  | {
      readonly kind: 'nothing-new'
      readonly pipeline: string
      readonly batch: string
      readonly inputTo: number
      /** Of a dry run. */
      readonly change?: DefinitionChange
    }
  /** The definition has changed: these published batches are to be computed again, one after another, then it is planned anew. */
  | {
      readonly kind: 'rebuild-first'
      readonly pipeline: string
      readonly batch: string
      readonly batches: readonly string[]
      readonly change: DefinitionChange
    }
  | { readonly kind: 'already-published'; readonly pipeline: string; readonly result: PublishResult }
  | PlannedBuild

export interface PlannedBuild {
  readonly kind: 'build'
  readonly pipeline: string
  /** Maybe with a suffix: see contracts on the same id with more input. */
  readonly batch: string
  readonly inputFrom: number
  readonly inputTo: number
  /** No batch of this pipeline was published before. */
  readonly first: boolean
  readonly fingerprint: string
  /** Absent: DuckDB builds every table. */
  readonly engine?: 'spark'
  /** Groups of tables (unqualified) to build one after another; tables of one group share a session. */
  readonly groups: readonly (readonly string[])[]
  readonly tag: string
  /** Into how many parts a large range is cut, which several workers build at once. Absent: 1. */
  readonly parts?: number
  /** Snapshot of the audit table that last changed what is published: what is staged holds only as long as it is the last. */
  readonly after?: string | null
  /** From this batch on, rows are made by another definition. */
  readonly change?: DefinitionChange
}

export interface BuiltTables {
  readonly tables: readonly { readonly table: string; readonly rows: number; readonly files: number }[]
  readonly duplicates: number
}

/** A step of a batch in parts: first the record ids of every part, then the tables whose rows are each of one record. */
export type PartStep = 'ids' | 'tables'

export interface CheckedBatch {
  readonly passed: boolean
  readonly results: readonly CheckResult[]
}

export interface PublishBatchInput {
  readonly plan: PlannedBuild
  readonly checks: CheckedBatch
  readonly run: RunInfo
}

export interface BuildFeaturesResult {
  readonly status: 'published' | 'failed' | 'no_changes'
  readonly batch: string
  readonly publish?: PublishResult
  readonly checks?: CheckedBatch
}

// ---------------------------------------------------------------- maintenance
export interface MaintainLakeInput {
  /** Default: every pipeline's tables and the lake's own. */
  readonly pipeline?: string
  /** Only these, such as `raw.events`; what is not there is left out. */
  readonly tables?: readonly string[]
  readonly dryRun?: boolean
  /** Only what is due by its triggers; default: everything that there is to do. */
  readonly due?: boolean
  /** Only these steps. */
  readonly only?: readonly MaintenanceStep[]
}

export interface MaintenanceReport {
  readonly dryRun: boolean
  readonly tables: readonly TableMaintenance[]
}

export interface TableMaintenance {
  readonly table: string
  readonly compactedFiles: number
  readonly writtenFiles: number
  /** Delete files that went: merged, applied by compaction, or without a data file. Absent in reports of 0.1. */
  readonly rewrittenDeleteFiles?: number
  readonly writtenDeleteFiles?: number
  readonly rewrittenManifests?: number
  readonly writtenManifests?: number
  readonly expiredSnapshots: number
  readonly droppedTags: readonly string[]
  readonly deletedFiles: number
  readonly deletedBytes: number
  readonly orphans: number
  /** Bytes kept alive only by tags and branches; 0 of runs of what is due, which don't look. */
  readonly taggedBytes: number
  /** Of a ledger: what became of its source's raw objects and landing plans. */
  readonly raw?: RawMaintenance
  /** Why something was left alone, in words. */
  readonly notes: readonly string[]
  /** Maintenance of this table failed with this message; the other tables were still maintained. */
  readonly error?: string
  /** What follows is absent in reports of 0.1. */
  readonly outcome?: MaintenanceOutcome
  readonly startedAtMs?: number
  readonly durationMs?: number
  /** The steps that were done, or would be. */
  readonly due?: readonly DueStep[]
  /** By compaction and the merging of delete files. */
  readonly bytesRead?: number
  readonly bytesWritten?: number
  /** Files that should have gone and could not. */
  readonly failedFiles?: number
  readonly detail?: MaintenanceDetail
}

/** Files that landing left behind, or that are past the retention of raw objects. Counts are of files that went, or would. */
export interface RawMaintenance {
  /** Raw objects that no ledger row names. */
  readonly orphans: number
  /** Raw objects that are built and past their retention. */
  readonly retired: number
  /** Landing plans that are landed or out of date. */
  readonly plans: number
  readonly bytes: number
  /** The first hundred of those that stayed after all, then of those that went. */
  readonly files: readonly MaintainedFile[]
}

// ---------------------------------------------------------------- the night
export interface NightlyInput {
  readonly pipeline: string
  readonly from?: string
  /** `2026-07-01`; the batch is that date at the schedule's time of day (02:00Z by default). */
  readonly date?: string
  readonly batch?: string
  /** Models to score with, default all that have a READY version. */
  readonly models?: readonly string[]
  /** As for buildFeatures. */
  readonly onChange?: OnChange
  readonly maintain?: boolean
}

export interface NightlyResult {
  readonly batch: string
  readonly land: LandResult
  readonly build: BuildFeaturesResult
  readonly scores: readonly ScoreBatchResult[]
  /** Models whose trainers were asked for a training, which goes on beside the night. */
  readonly trainings: readonly string[]
  readonly maintenance?: MaintenanceReport
  /** Dates of its schedule that had no night; absent where there are none. */
  readonly missed?: readonly MissedNight[]
}
