import type { FileScanTask } from '../scan/scan-plan.js'
import type { DataFile } from '../spec/data-file.js'
import type { PartitionSpec, SortField } from '../spec/partition-spec.js'
import type { TableMetadata } from '../spec/table-metadata.js'
import type { Schema, Value } from '../spec/type.js'

/** The port through which maintenance moves rows; an engine implements it. Memory is bounded by the engine. */
export interface Rewriter {
  /** Reads the live rows of `tasks` (deletes applied) and writes them as new files of `spec`, in their order or sorted. */
  rewrite(request: RewriteRequest): Promise<readonly DataFile[]>
}

/** The same for delete files. */
export interface DeleteRewriter {
  /** Reads position deletes and writes those of live files anew, each once and sorted. */
  rewriteDeletes(request: RewriteDeletesRequest): Promise<readonly DataFile[]>
}

/** Rows of the tasks to write anew, deletes applied, into files of one partition spec. */
export interface RewriteRequest {
  readonly tasks: readonly FileScanTask[]
  /** Where columns dropped since and the name mapping are looked up. */
  readonly metadata?: TableMetadata
  readonly schema: Schema
  readonly spec: PartitionSpec
  /** Folder that new files go to, `<table location>/data`. */
  readonly dataLocation: string
  readonly targetFileSizeBytes: number
  /** Default: the rows stay in the order of the tasks. */
  readonly sortBy?: readonly SortField[]
  /** The table's sort order that `sortBy` is, for the new files to name. */
  readonly sortOrderId?: number
}

/** Position deletes to write anew, each position once, in the order of file and position. */
export interface RewriteDeletesRequest {
  /** Parquet files of position deletes of one partition. */
  readonly deletes: readonly DataFile[]
  /** Locations of the data files whose deletes are still needed. */
  readonly dataFiles: readonly string[]
  /** One new file for each data file, or one for all. */
  readonly perDataFile: boolean
  readonly specId: number
  readonly partition: readonly (Value | null)[]
  readonly dataLocation: string
}
