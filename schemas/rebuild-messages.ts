import type { CheckedBatch, PlannedBuild } from './messages.js'
import type { WriteMode } from './pipeline.js'
import type { PublishResult, RunInfo } from './publish.js'

export interface RebuildBatchInput {
  readonly pipeline: string
  /** A published batch, by the id that its rows carry. */
  readonly batch: string
  /** Unqualified; those that read them are built again too. Default: all that batches build. */
  readonly tables?: readonly string[]
  /** Says what would be built again, and changes nothing. */
  readonly dryRun?: boolean
  /** Builds every later batch again as well, in order, as if all had been built so from here on. */
  readonly forward?: boolean
}

/**
 * Which rows a rebuild sees and leaves. `alone`: rows of all other batches stay as they are. `forward`: every later batch
 * is built again after it, so it sees what there was before it, and takes the keys that are its own from later ones.
 */
export type RebuildMode = 'alone' | 'forward'

export interface RebuildPlan {
  /** Stages and publishes under a free id, with the input of the batch that is built again; its one group: `tables`. */
  readonly build: PlannedBuild
  /** Batch whose rows are computed again; they go on carrying its id. */
  readonly rebuilds: string
  readonly mode: RebuildMode
  /** In dependency order. */
  readonly tables: readonly RebuiltTable[]
  /** Batches that are to be built again after this one. */
  readonly later: readonly string[]
  /** What somebody should know before. */
  readonly notes: readonly string[]
}

export interface RebuiltTable {
  /** Unqualified. */
  readonly table: string
  readonly write: WriteMode
  /** Tables that it reads and that are built again; none: it was asked for. */
  readonly because: readonly string[]
  /** Rows that it got when the batch was built last; null: it was not there then. */
  readonly rows: number | null
}

export interface PublishRebuildInput {
  readonly plan: RebuildPlan
  readonly checks: CheckedBatch
  readonly run: RunInfo
}

export interface PublishedRebuild {
  /** Id of the batch whose rows were replaced. */
  readonly batch: string
  readonly publish: PublishResult
  readonly checks: CheckedBatch
}

export interface RebuildBatchResult {
  /** `failed`: a blocking check failed at the last one; those before it are published. */
  readonly status: 'rebuilt' | 'failed' | 'planned'
  readonly plan: RebuildPlan
  /** The last hundred of those that were built again. */
  readonly rebuilt: readonly PublishedRebuild[]
  readonly count: number
}
