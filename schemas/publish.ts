import type { DataFile } from '../iceberg/spec/data-file.js'
import type { Change } from '../iceberg/write/table-change.js'
import type { BatchId } from './batch.js'
import type { WriteMode } from './pipeline.js'

/** What one table gets from a publish. Files are written and durable; nothing of them is visible yet. */
export interface PublishTable {
  /** `namespace.name` */
  readonly table: string
  readonly write: WriteMode
  readonly files: readonly DataFile[]
  readonly rows: number
  /** Head that the rows were computed from; null: the table was empty. */
  readonly basisSnapshotId: string | null
  /** When the lease of staged files ends: checked just before the commit. */
  readonly leaseExpiresAtMs?: number
  /** Rows that go and rows that come, of a rebuild; `files` are among the latter. */
  readonly change?: Change
  /** The rows were committed before, by a stream: the table is tagged as it is. */
  readonly isCommitted?: true
}

/** The one call by which batches, predictions and streams become visible: one catalog transaction. */
export interface PublishRequest {
  /** Namespace whose `processing_metadata` holds the audit row. */
  readonly namespace: string
  /** `processing_name` of the audit row: the pipeline, or `<pipeline>.score.<model>`. With batch and range the marker's key. */
  readonly processingName: string
  readonly batch: BatchId
  readonly tables: readonly PublishTable[]
  /** Tag on every non-empty table of `tagTables` and of `tables`. */
  readonly tag: string
  /** Further tables (`namespace.name`) that get the tag where they are not empty, although nothing changes in them. */
  readonly tagTables: readonly string[]
  readonly inputFrom: number
  readonly inputTo: number
  readonly duplicates: number
  readonly fingerprint: string
  readonly sourceDataInfo: string
  readonly checks: readonly CheckResult[]
  readonly run: RunInfo
}

export interface CheckResult {
  readonly name: string
  readonly severity: 'blocking' | 'warning'
  readonly passed: boolean
  readonly failingRows: number
  /** JSON of a few of the rows that break the rule. */
  readonly sample?: string
}

/** Who did it and when; wall-clock times live here and in the audit row only. */
export interface RunInfo {
  readonly workflowId: string
  readonly runId: string
  readonly startedAtMs: number
}

export interface PublishedTable {
  readonly table: string
  readonly rows: number
  /** Tag name, or `no_changes`. */
  readonly version: string
  /** Decimal; null while the table is empty. */
  readonly snapshotId: string | null
}

/** The recorded result of a batch: equal whether it was just published or found as published before. */
export interface PublishResult {
  readonly status: 'published' | 'failed'
  readonly alreadyCommitted: boolean
  readonly batch: string
  readonly tag: string
  readonly tables: readonly PublishedTable[]
  readonly inputFrom: number
  readonly inputTo: number
  readonly duplicates: number
}

export type Publish = (request: PublishRequest) => Promise<PublishResult>
