import type { EstimatorDefinition, ModelDefinition } from './model-definitions.js'
import type { RunInfo } from './publish.js'

/**
 * What workflows and activities say to each other about models. Plain JSON, small. 64-bit ids are decimal strings;
 * metrics are keyed as MLflow's users know them (`test/roc_auc`, `cv_auc_mean`), and what is undefined is left out.
 */

export type Metrics = Readonly<Record<string, number>>

export interface TrainModelInput {
  readonly pipeline: string
  readonly model: string
  /** Tag to train on; default: the pipeline's newest batch tag. */
  readonly at?: string
  readonly seed?: number
  /** Which of the model's estimators; default the first. */
  readonly estimator?: string
  /** Another feature service than the model's: same rows, same split, other features. */
  readonly service?: string
  /** Parameters of the estimator to change, such as a search tries. */
  readonly parameters?: Readonly<Record<string, number | string>>
  /** `false`: measured and recorded as a run, no version is registered. Default true. */
  readonly register?: boolean
  /** Run that this one is a part of (a search). */
  readonly parentRunId?: string
}

/** The state a training reads: resolved once, then only this is used. Enough to train the same again. */
export interface TrainingPin {
  readonly pipeline: string
  readonly model: string
  readonly tag: string
  readonly seed: number
  /** `namespace.table` → snapshot id; with the splits' table where the model has a split. */
  readonly snapshots: Readonly<Record<string, string>>
  readonly service: string
  readonly labels: string
  readonly split?: string
  readonly estimator: string
  /** The estimator's definition with the parameters asked for. */
  readonly definition: EstimatorDefinition
  /** The rest of the model's definition that decides what is trained. */
  readonly settings: Pick<
    ModelDefinition,
    'task' | 'validation' | 'classWeights' | 'calibration' | 'offset' | 'baselineOnly'
  >
  /** Rows observed after this instant don't take part: the tag's logical instant. ISO-8601, UTC. */
  readonly asOf: string
}

/** A data set: what its rows are, by digest. The file is scratch and can be made again from the pin. */
export interface DatasetInfo {
  readonly location: string
  readonly rows: number
  readonly features: number
  /** SHA-256 over names, types and all rows, whatever their order, file layout and chunks. */
  readonly digest: string
  /** The same over the rows in their order. */
  readonly orderedDigest: string
  /** Of keys, times, labels and splits alone: equal where two feature services were given the same rows. */
  readonly rowsDigest: string
  /** Of keys, times and labels of the test rows (all rows without a split): metrics are comparable where it is equal. */
  readonly testDigest: string
  /** By split (`all` without one): rows, and rows by class for classifications. */
  readonly splits: Readonly<Record<string, SplitCount>>
  /** SHA-256 of everything that gives the columns their meaning: views, service, label view, split definition. */
  readonly definitionFingerprint: string
  /** By view and label view: its own fingerprint, so that a change can be named. */
  readonly fingerprints: Readonly<Record<string, string>>
  readonly signature: ModelSignature
  /** By table, SHA-256 over the bytes of the pinned snapshot's files; without tables of more than 1 GiB. */
  readonly inputs?: Readonly<Record<string, string>>
}

export interface SplitCount {
  readonly rows: number
  readonly classes?: Readonly<Record<string, number>>
}

/** Names and types in order, as MLflow's signature has them. */
export interface ModelSignature {
  readonly inputs: readonly ColumnType[]
  readonly output: ColumnType
}

export interface ColumnType {
  readonly name: string
  readonly type: 'double' | 'string' | 'tensor'
  readonly nullable: boolean
  /** Of a tensor. */
  readonly shape?: readonly number[]
}

/** What weights may depend on beside data, seed and definition. */
export interface TrainingEnvironment {
  /** `tfjs-node`, `tfjs` (pure JavaScript), `firn` (no library: linear models, trees), or an external trainer's name. */
  readonly backend: string
  /** Library → version. */
  readonly libraries: Readonly<Record<string, string>>
  readonly platform: string
  /** CPU model and the instruction sets that kernels choose by. */
  readonly cpu: string
  readonly threads: Readonly<Record<string, string>>
  /** Git commit of the code, with `-dirty` where it was changed; absent outside a repository. */
  readonly codeVersion?: string
}

export interface LearningPoint {
  readonly epoch: number
  readonly loss: number
  readonly valLoss?: number
}

/** Where a training stands: heartbeat details, and what its status shows. */
export interface TrainingProgress extends LearningPoint {
  /** What is being fitted, e.g. `without adam` or `all rows`. */
  readonly phase: string
  /** Epochs there will be, or fewer where it stops early. */
  readonly epochs: number
}

export interface FoldMetrics {
  readonly fold: string
  readonly rows: number
  readonly metrics: Metrics
  readonly baseline: Metrics
}

export interface TrainedModel {
  readonly artifactLocation: string
  readonly weightsDigest: string
  readonly metrics: Metrics
  /** Of the best naive guess, under the same keys. */
  readonly baseline: Metrics
  /** Which guess that is, e.g. `rate by optimizer`. */
  readonly baselineName: string
  /** All naive guesses. */
  readonly baselines: Readonly<Record<string, Metrics>>
  readonly folds: readonly FoldMetrics[]
  readonly environment: TrainingEnvironment
  /** At most 200 points. */
  readonly curve: readonly LearningPoint[]
}

export interface TrainModelResult {
  readonly pipeline: string
  readonly model: string
  readonly runId: string
  /** Absent with `register: false`. */
  readonly version?: number
  readonly pin: TrainingPin
  readonly dataset: DatasetInfo
  readonly trained: TrainedModel
}

export interface TrainerInput {
  readonly pipeline: string
  readonly model: string
  /** Carried by the trainer itself when it continues as new; left out by hand. */
  readonly state?: TrainerState
}

/** What the signal `train` may say; requests that wait together are trained once, with the last one's values. */
export interface TrainRequest {
  readonly at?: string
  readonly seed?: number
  readonly estimator?: string
  readonly service?: string
  /** Search the model's `search` space first and register the best. */
  readonly search?: boolean
}

export interface TrainerState {
  readonly pending?: TrainRequest
  /** Trainings that ended, well or not. */
  readonly trained: number
  readonly failed: number
  readonly lastVersion?: number
  readonly lastError?: string
  /** Of the training that runs, else of the last one. */
  readonly curve?: readonly LearningPoint[]
}

export interface TrainerStatus extends TrainerState {
  readonly pipeline: string
  readonly model: string
  readonly running: boolean
}

export interface SearchModelInput {
  readonly pipeline: string
  readonly model: string
  /** Tag to train on; default: the pipeline's newest batch tag. */
  readonly at?: string
  readonly seed?: number
  readonly service?: string
}

/** What the trials of a search are, fixed before the first. */
export interface SearchPlan {
  readonly at: string
  readonly estimator: string
  readonly metric: string
  readonly lowerIsBetter: boolean
  readonly trials: readonly SearchTrial['parameters'][]
}

export interface SearchTrial {
  readonly parameters: Readonly<Record<string, number | string>>
  readonly runId?: string
  /** Null: failed, or undefined on these rows. */
  readonly value: number | null
  readonly error?: string
}

export interface SearchModelResult {
  readonly runId: string
  readonly metric: string
  readonly trials: readonly SearchTrial[]
  readonly best: SearchTrial
  readonly result: TrainModelResult
}

/** A training as the activity that does it is asked for it. */
export interface TrainingRequest {
  readonly pin: TrainingPin
  readonly dataset: DatasetInfo
  /** Of the registry's run. */
  readonly runId: string
  readonly parentRunId?: string
  readonly run: RunInfo
  /** Workflows that hear the learning curve as it grows. */
  readonly tell: readonly string[]
}

/** Update `promote` of the trainer, and `firn models promote`. */
export interface PromoteRequest {
  readonly version: number
  /** Default `champion`. */
  readonly alias?: string
  /** Who asks; recorded. */
  readonly by?: string
  readonly reason?: string
  /** Promotes although the gate says no; recorded as such. */
  readonly force?: boolean
}

/** What the gate found on the pinned test rows (without a split: on the folds). */
export interface PromoteResult {
  readonly model: string
  readonly version: number
  readonly alias: string
  readonly promoted: boolean
  readonly forced: boolean
  readonly metric: string
  readonly challenger: number | null
  readonly champion: { readonly version: number; readonly value: number | null } | null
  readonly baseline: { readonly name: string; readonly value: number | null }
  /** Each reason against, in words; empty where it was promoted on its merits. */
  readonly problems: readonly string[]
}

export interface ScoreBatchInput {
  readonly pipeline: string
  readonly model: string
  /** Default: the alias `champion`; where it is not given, the newest READY version. */
  readonly version?: number
  readonly alias?: string
  /** Tag to score at; default: the pipeline's newest batch tag. */
  readonly at?: string
  /** Batch id of the scoring run; default: the workflow's logical instant. */
  readonly batch?: string
}

export interface ScoreBatchResult {
  readonly status: 'published' | 'no_changes'
  readonly model: string
  readonly version: number
  readonly batch: string
  readonly rows: number
  readonly featuresTag: string
  readonly snapshotId: string | null
  /** MLflow's names: `scored_count`, `mean_prediction`, and for probabilities `high_risk_count` (≥ 0.8). */
  readonly metrics?: Metrics
}

/** `firn reproduce`: trains a version again from its pins and compares. */
export interface ReproduceInput {
  /** `models:/<name>/<version>` or `models:/<name>@<alias>` */
  readonly uri: string
  /** Another seed than the recorded one, to see it differ. */
  readonly seed?: number
}

/** A version as it was registered, as far as making it again goes. */
export interface RecordedVersion {
  readonly model: string
  readonly version: number
  readonly pin: TrainingPin
  readonly dataset: DatasetInfo
  readonly trained: TrainedModel
}

/** Made again, or why it cannot be. */
export type RebuiltDataset =
  | { readonly kind: 'built'; readonly dataset: DatasetInfo }
  | { readonly kind: 'unavailable'; readonly reason: string }

export type RetrainedModel =
  | {
      readonly kind: 'trained'
      readonly trained: Pick<TrainedModel, 'weightsDigest' | 'metrics' | 'environment'>
    }
  | { readonly kind: 'unavailable'; readonly reason: string }

export type PartVerdict = 'identical' | 'differs' | 'unavailable'

export interface ReproduceResult {
  /** `identical`, or which parts differ and why, in words. */
  readonly verdict: string
  readonly model: string
  readonly version: number
  readonly data: Part & { readonly digest: string | null; readonly recorded: string }
  readonly weights: Part & { readonly digest: string | null; readonly recorded: string }
  readonly metrics: Part & { readonly differences: Readonly<Record<string, readonly [number, number]>> }
}

export interface Part {
  readonly verdict: PartVerdict
  /** In words, e.g. `backend changed: tfjs-node, was tfjs`. */
  readonly reasons: readonly string[]
}
