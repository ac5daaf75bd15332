import type { DataFile } from '../spec/data-file.js'
import type { PartitionSpec } from '../spec/partition-spec.js'
import type { Schema } from '../spec/type.js'
import type { FileScanTask } from '../scan/scan-plan.js'

/** The port through which maintenance moves rows; an engine implements it. Memory is bounded by the engine. */
export interface Rewriter {
  /** Reads the live rows of `tasks` (deletes applied) and writes them, in their order, as new files of `spec`. */
  rewrite(request: RewriteRequest): Promise<readonly DataFile[]>
}

export interface RewriteRequest {
  readonly tasks: readonly FileScanTask[]
  readonly schema: Schema
  readonly spec: PartitionSpec
  /** Folder that new files go to, `<table location>/data`. */
  readonly dataLocation: string
  readonly targetFileSizeBytes: number
}
