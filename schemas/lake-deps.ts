import type { Engine } from '../engine/engine.js'
import type { SparkEngine } from '../engine/spark/spark-job.js'
import type { Catalog } from '../iceberg/catalog/catalog.js'
import type { S3ConnectionOptions, S3Credentials } from '../iceberg/io/s3-client.js'
import type { DeleteRewriter, Rewriter } from '../iceberg/maintain/rewriter.js'
import type { SnapshotId } from '../iceberg/spec/snapshot.js'
import type { MaintenanceTriggers } from './maintenance.js'
import type { Webhook } from './alerts.js'
import type { EngineName, Pipeline } from './pipeline.js'
import type { Topics } from './topics.js'

/** What the cores of lake/ and ml/ are handed by the composition root. Clock and ids come from here, nowhere else. */
export interface LakeDeps {
  readonly catalog: Catalog
  readonly engine: Engine
  readonly rewriter: Rewriter & DeleteRewriter
  /** Root location of raw objects, staging and tables, e.g. `file:///…/.firn/warehouse`. */
  readonly warehouse: string
  readonly pipelines: ReadonlyMap<string, Pipeline>
  /** Milliseconds since 1970. */
  readonly now: () => number
  readonly newSnapshotId: () => SnapshotId
  readonly newUuid: () => string
  /** Topics of the configured broker; absent where none is configured. */
  readonly topics?: Topics
  /** How prefixes that are landed from are reached. Default: by the environment alone. */
  readonly sourceStore?: SourceStore
  /** Where alerts are posted to; absent where no address is set. */
  readonly webhook?: Webhook
  /** Where it is set up: what builds the tables that say `engine: 'spark'`. */
  readonly spark?: SparkEngine
  readonly settings: LakeSettings
}

/** Plain data, for a thread to be handed. Credentials come from the SDK's chain where none are given. */
export interface SourceStore extends Omit<S3ConnectionOptions, 'credentials'> {
  readonly credentials?: S3Credentials
}

export interface LakeSettings {
  /** How long staged files of an unfinished batch are safe. Default 7 days. */
  readonly stagingLeaseMs: number
  /** Batch tags live this long; after `tagThinAfterMs` only the last of a day. Default 400 and 7 days. */
  readonly tagRetentionMs: number
  readonly tagThinAfterMs: number
  /** Snapshots on main younger than this stay. Default 5 days (Iceberg's own). */
  readonly snapshotMaxAgeMs: number
  /** Files younger than this are never orphans. Default 3 days. */
  readonly orphanMinAgeMs: number
  /** Raw objects that all pipelines of their source have built are removed at this age. Absent: never. */
  readonly rawRetentionMs?: number
  /** Bytes of documents above which a batch is built in parts of about that size. Absent: 1 GiB. */
  readonly partBytes?: number
  /** Folder files younger than this wait: they may still be written. Default 0 for a folder named by hand. */
  readonly settleMs: number
  /** When maintenance is due, where it is not by the defaults. A table's own properties come first. */
  readonly maintenance?: Partial<MaintenanceTriggers>
  /** What builds the tables of every pipeline, whatever their definitions say. */
  readonly engine?: EngineName
  /** Folder that holds one folder a topic, where a landing names none itself. */
  readonly landingRoot?: string
}

/** Long work calls it with a short text; activities turn it into heartbeats, the CLI into progress. */
export type OnProgress = (message: string) => void

/** How long work is followed and stopped. */
export interface RunControl {
  readonly onProgress?: OnProgress
  /** Aborting ends the work with an error of kind `cancelled`. */
  readonly signal?: AbortSignal
}
