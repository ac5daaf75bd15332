import type { Expression } from '../expr/expression.js'
import type { DataFile } from '../spec/data-file.js'
import type { Snapshot } from '../spec/snapshot.js'
import type { Schema } from '../spec/type.js'

/** One data file to read, the delete files that apply to it, and what is left of the filter for its rows. */
export interface FileScanTask {
  readonly file: DataFile
  readonly sequenceNumber: number
  readonly deletes: readonly DataFile[]
  readonly residual: Expression
}

/** Which state of a table to read: `ref` is a tag or a branch. Default: the head of `main`. */
export type ScanTarget =
  | { readonly kind: 'head' }
  | { readonly kind: 'ref'; readonly ref: string }
  | { readonly kind: 'snapshot'; readonly snapshotId: bigint }
  | { readonly kind: 'timestamp'; readonly timestampMs: number }

/** The files to read, each with its deletes and what is left of the filter, and the schema to read them with. */
export interface ScanPlan {
  /** Absent on an empty table. */
  readonly snapshot?: Snapshot
  /** The schema to read with: the table's for a branch, the snapshot's for a tag or an id. */
  readonly schema: Schema
  readonly tasks: readonly FileScanTask[]
}
