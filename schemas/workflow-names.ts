/** What a client, a worker and a workflow have to spell alike. */

export const TASK_QUEUES = {
  /** Workflows, and activities on metadata and commits: seconds. */
  control: 'firn-control',
  /** DuckDB work, few at a time. */
  data: 'firn-data',
  /** Training, one at a time. */
  train: 'firn-train',
  /** Micro-batches and windows of streams, which a night's long work must not hold up. */
  stream: 'firn-stream',
  /** Waiting for records: many at a time, it costs nothing. */
  watch: 'firn-watch',
} as const

export type TaskQueueGroup = keyof typeof TASK_QUEUES

/** All of type Keyword; a worker registers them where the server lets it. */
export const SEARCH_ATTRIBUTES = {
  pipeline: 'FirnPipeline',
  batch: 'FirnBatch',
  stage: 'FirnStage',
  status: 'FirnStatus',
} as const

/** Memo that holds a workflow's input as JSON text: who starts the same again while it runs may join it. */
export const INPUT_MEMO = 'firnInput'

/** Name of the query that every workflow answers with a `RunStatus` (trainer and stream with more). */
export const STATUS_QUERY = 'status'
/** By which an activity that failed more than once tells its workflow that it is tried again. */
export const RETRIES_SIGNAL = 'activityRetries'

/** The argument of `RETRIES_SIGNAL`. */
export interface ActivityRetries {
  readonly activityId: string
  readonly activity: string
  /** The one that failed. */
  readonly attempt: number
}

/** Signal of the trainer; its argument is a `TrainRequest`, or nothing. */
export const TRAIN_SIGNAL = 'train'
/** Update of the trainer; its argument is a `PromoteRequest`. */
export const PROMOTE_UPDATE = 'promote'
/** By which a training tells its workflow, and the trainer, its loss by epoch; and how both are asked for it. */
export const LEARNING_SIGNAL = 'learning'
export const LEARNING_QUERY = 'learningCurve'
/** Signals of a stream; the argument of `resume` is a `ResumeStream`, or nothing. */
export const STREAM_SIGNALS = { pause: 'pause', resume: 'resume', drain: 'drain' } as const

/** Signals of a backfill, none with an argument; its query for a page of dates takes a `DatesQuery`, or nothing. */
export const BACKFILL_SIGNALS = {
  pause: 'pause',
  resume: 'resume',
  cancel: 'cancel',
  retryFailed: 'retryFailed',
} as const
export const DATES_QUERY = 'dates'
/** Query of a backfill for the input that starts an ended one again: what failed, was cancelled or never ran. */
export const RETRY_INPUT_QUERY = 'retryInput'

/**
 * Fixed workflow ids: Temporal runs at most one of each at a time, so landing, publishing and maintenance of one kind
 * stand in line. What happens in spite of that is caught by the commit rules, not here.
 */
export const workflowIds = {
  land: (pipeline: string, source?: string): string =>
    source === undefined ? `land-${pipeline}` : `land-${pipeline}-${source}`,
  stream: (pipeline: string, source: string): string => `stream-${pipeline}-${source}`,
  build: (pipeline: string): string => `build-${pipeline}`,
  score: (pipeline: string, model: string): string => `score-${pipeline}-${model}`,
  train: (pipeline: string, model: string): string => `train-${pipeline}-${model}`,
  search: (pipeline: string, model: string): string => `search-${pipeline}-${model}`,
  reproduce: (uri: string): string =>
    `reproduce-${uri.replace('models:/', '').replaceAll(/[^A-Za-z0-9]+/g, '-')}`,
  trainer: (pipeline: string, model: string): string => `trainer-${pipeline}-${model}`,
  maintain: (): string => 'maintain-lake',
  /** The schedule of a pipeline's nights, and how the ids of those it starts begin. */
  schedule: (pipeline: string): string => `nightly-${pipeline}`,
  /** Starting the same batch's night again while it runs joins it. */
  nightly: (pipeline: string, batch: string): string => `nightly-${pipeline}-${batch}`,
  rebuild: (pipeline: string): string => `rebuild-${pipeline}`,
  backfill: (pipeline: string, from: string, to: string): string => `backfill-${pipeline}-${from}-${to}`,
} as const

export type StepState = 'waiting' | 'running' | 'done' | 'failed' | 'skipped'

export interface StepStatus {
  readonly name: string
  readonly state: StepState
  /** A few words: counts, or why it failed. */
  readonly note?: string
  /** Id of the child workflow that does this step, whose own `status` tells more. */
  readonly workflowId?: string
}

/** Streams only: `paused` waits for a person, `retrying` for a service, `draining` lands what is there and ends. */
export type StreamCondition = 'paused' | 'retrying' | 'draining'

export interface RunStatus {
  readonly status: 'running' | 'done' | 'no_changes' | 'failed' | 'cancelled' | StreamCondition
  readonly pipeline?: string
  readonly batch?: string
  readonly steps: readonly StepStatus[]
}
