import { FirnError } from '../../schemas/error.js'
import type { ModelTask } from '../../schemas/model-definitions.js'
import type { Metrics } from '../../schemas/model-messages.js'
import { BINARY_METRICS } from './binary-metrics.js'
import { MULTICLASS_METRICS } from './multiclass-metrics.js'
import { REGRESSION_METRICS } from './regression-metrics.js'

/** What predictions are worth beside the labels; `undefined` where the rows don't say. */
export type Metric = (labels: Float64Array, predictions: Float64Array, classes: number) => number | undefined

const METRICS: Readonly<Record<ModelTask, Readonly<Record<string, Metric>>>> = {
  'binary-classification': BINARY_METRICS,
  'multiclass-classification': MULTICLASS_METRICS,
  regression: REGRESSION_METRICS,
}

const LOWER_IS_BETTER: ReadonlySet<string> = new Set(['log_loss', 'brier', 'mae', 'rmse'])

/**
 * All metrics of the task, with scikit-learn's meanings; what is undefined on these rows is left out.
 * `predictions`: [rows] probabilities of class 1 or values; of many classes row-major [rows, classes] probabilities.
 */
export function measure(
  task: ModelTask,
  labels: Float64Array,
  predictions: Float64Array,
  classes: number,
): Metrics {
  const names = Object.keys(METRICS[task])
  return Object.fromEntries(
    names.flatMap((name) => {
      const value = measureOne(task, name, { labels, predictions, classes })
      return value === undefined ? [] : [[name, value]]
    }),
  )
}

/** One metric by name; `invalid-input` where the task has none of that name. */
export function measureOne(
  task: ModelTask,
  name: string,
  of: { readonly labels: Float64Array; readonly predictions: Float64Array; readonly classes: number },
): number | undefined {
  const metric = Object.hasOwn(METRICS[task], name) ? METRICS[task][name] : undefined
  if (metric === undefined) {
    throw new FirnError(
      'invalid-input',
      `${task} has no metric ${name}; it has ${Object.keys(METRICS[task]).join(', ')}. Correct the name.`,
    )
  }
  if (of.labels.length === 0) return undefined
  checkNumbers('labels', of.labels)
  checkNumbers('predictions', of.predictions)
  const value = metric(of.labels, of.predictions, of.classes)
  return value !== undefined && Number.isFinite(value) ? value : undefined
}

/** What models are compared by where nothing else is said. */
export function primaryMetric(task: ModelTask): string {
  return { 'binary-classification': 'roc_auc', 'multiclass-classification': 'log_loss', regression: 'mae' }[
    task
  ]
}

/** Whether the first value is better; a defined one is better than an undefined one. */
export function isBetter(metric: string, value: number | undefined, than: number | undefined): boolean {
  if (value === undefined) return false
  if (than === undefined) return true
  return LOWER_IS_BETTER.has(metric) ? value < than : value > than
}

/** `test` → `test/roc_auc`, as MLflow's users write it. */
export function prefixed(split: string, metrics: Metrics): Metrics {
  return Object.fromEntries(Object.entries(metrics).map(([name, value]) => [`${split}/${name}`, value]))
}

function checkNumbers(what: string, values: Float64Array): void {
  const wrong = values.findIndex((value) => !Number.isFinite(value))
  if (wrong === -1) return
  const count = values.reduce((sum, value) => sum + (Number.isFinite(value) ? 0 : 1), 0)
  throw new FirnError(
    'training-failed',
    `${count} of ${values.length} ${what} are no finite numbers, the first one at position ${wrong} is ${values[wrong]}. ${what === 'labels' ? 'Leave rows without a label out.' : 'The training diverged: try a lower learning rate, or scale the features.'}`,
  )
}
