import type { SplitCount, TrainedModel, TrainingPin, DatasetInfo } from '../../schemas/model-messages.js'
import type { ModelVersion } from '../registry/version-store.js'

/** Where a version comes from and what it was used for. Plain JSON; 64-bit ids are decimal strings. */
export interface VersionLineage extends VersionOrigin {
  /** Scorings by this version, oldest first. */
  readonly predictions: readonly PredictionTrace[]
}

/** All of it that is known once the version is registered. */
export interface VersionOrigin extends TrainingTrace, InputsTrace {
  readonly format: 1
}

/** What the registry keeps of a training. */
export interface TrainingTrace {
  readonly model: string
  readonly version: number
  readonly uri: string
  readonly runId: string
  readonly workflow: ModelVersion['workflow']
  readonly registeredAt: string
  readonly pin: TrainingPin
  readonly data: Pick<
    DatasetInfo,
    'digest' | 'orderedDigest' | 'rowsDigest' | 'testDigest' | 'rows' | 'features' | 'signature'
  > & {
    readonly splits: Readonly<Record<string, SplitCount>>
    readonly training_row_count: number
    /** Of classifications into two: share of the training rows of class 1. */
    readonly positive_rate?: number
    /** Name of the feature service and fingerprint of all that its columns mean. */
    readonly feature_set_version: string
    readonly definitionFingerprint: string
    readonly fingerprints: Readonly<Record<string, string>>
    readonly inputExample?: Readonly<Record<string, unknown>>
  }
  readonly trained: Pick<
    TrainedModel,
    | 'artifactLocation'
    | 'weightsDigest'
    | 'metrics'
    | 'baseline'
    | 'baselineName'
    | 'baselines'
    | 'folds'
    | 'environment'
  >
}

/** What a training read, back to the raw objects. */
export interface InputsTrace {
  readonly split?: SplitTrace
  readonly inputs: readonly InputTrace[]
  /** How many batches the inputs can hold rows of; of more than 10,000 the newest are listed. */
  readonly batchCount: number
  readonly batches: readonly BatchTrace[]
  readonly sources: readonly SourceTrace[]
  /** What can't be told, in words. */
  readonly unknown: readonly string[]
}

export interface SplitTrace {
  readonly version: string
  readonly seed: number
  /** In words. */
  readonly method: string
}

export interface InputTrace {
  /** `namespace.name` */
  readonly table: string
  readonly snapshot: string
  /** Tag by which the version holds the snapshot. */
  readonly tag: string
  readonly isTagged: boolean
  /** Whether the table still has the snapshot. */
  readonly isThere: boolean
  /** Batch that the snapshot's newest rows came with; null: nobody recorded it. */
  readonly batch: string | null
}

export interface BatchTrace {
  readonly batch: string
  readonly processingName: string
  readonly namespace: string
  readonly inputFrom: number
  readonly inputTo: number
  readonly fingerprint: string | null
  readonly workflowId: string | null
  readonly runId: string | null
}

/** Rows of a source's ledger that batches read, and the raw objects that these name. */
export interface SourceTrace {
  readonly source: string
  /** `raw.<source>` */
  readonly ledger: string
  /** Ledger rows, end exclusive. */
  readonly rows: readonly (readonly [from: number, end: number])[]
  readonly objectCount: number
  readonly records: number
  readonly deadLetters: number
  /** SHA-256 over every object's path, digest and offsets, in the order of `objects`. */
  readonly digest: string
  readonly ranges: readonly RangeTrace[]
  /** Empty where there are more than 10,000: then `ranges` and `digest` say it. */
  readonly objects: readonly ObjectTrace[]
  /** Offsets that were never landed, and why. */
  readonly gaps: readonly GapTrace[]
}

/** By incarnation and partition. Offsets from `first` up to `next`, exclusive. */
export interface RangeTrace {
  readonly incarnation: string
  readonly partition: number
  readonly first: string
  readonly next: string
  readonly objects: number
  readonly records: number
}

export interface ObjectTrace extends Omit<RangeTrace, 'objects'> {
  readonly path: string
  readonly sha256: string
}

export interface GapTrace extends Pick<RangeTrace, 'incarnation' | 'partition' | 'first' | 'next'> {
  readonly reason: string
}

export interface PredictionTrace {
  readonly model: string
  readonly version: number
  readonly batch: string
  readonly table: string
  readonly rows: number
  readonly snapshot: string | null
  /** What its features were read at. */
  readonly featuresTag: string
  readonly snapshots: Readonly<Record<string, string>>
  readonly workflowId: string | null
}
