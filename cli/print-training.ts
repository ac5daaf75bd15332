import type {
  FoldMetrics,
  SearchModelResult,
  TrainedModel,
  TrainerStatus,
  TrainModelResult,
} from '../schemas/model-messages.js'
import { print, printTable } from './output.js'

/** Of a fold these are shown; all are in the JSON. */
const FOLD_METRICS = ['roc_auc', 'f1', 'log_loss', 'accuracy', 'mae', 'rmse', 'r2'] as const
const FOLD_METRICS_MAX = 3

/** A model's metrics beside its baseline's, fold by fold, and what it was trained on. */
export function printTraining({ model, version, runId, pin, dataset, trained }: TrainModelResult): void {
  const name = version === undefined ? `${model} (not registered)` : `${model} v${version}`
  print(
    `${name}: ${pin.estimator} trained on ${dataset.rows} rows × ${dataset.features} features at tag ${pin.tag} (${trained.environment.backend}, seed ${pin.seed})`,
  )
  const splits = Object.entries(dataset.splits).map(([split, { rows }]) => `${split} ${rows}`)
  if (pin.split !== undefined) print(`split ${pin.split}: ${splits.join(', ')}`)
  printMetrics(trained)
  if (trained.folds.length > 0) printFolds(trained.folds)
  printTable(['pinned table', 'snapshot'], Object.entries(pin.snapshots))
  print(`weights ${trained.weightsDigest}`)
  print(`data    ${dataset.digest}`)
  print(`run     ${runId}`)
}

/** The trials, the best of them marked, then what was registered of it. */
export function printSearch({ metric, trials, best, result }: SearchModelResult): void {
  printTable(
    ['', metric, 'parameters', ''],
    trials.map(({ parameters, value, runId, error }) => [
      runId !== undefined && runId === best.runId ? '*' : '',
      value,
      JSON.stringify(parameters),
      error ?? '',
    ]),
  )
  printTraining(result)
}

/** How a trainer stands. */
export function printTrainer(status: TrainerStatus): void {
  const { pipeline, model, running, pending, trained, failed, lastVersion, lastError } = status
  const does = running
    ? 'is training'
    : pending === undefined
      ? 'waits for the signal train'
      : 'is about to train'
  print(
    `trainer of ${pipeline} ${model}: ${does}${running && pending !== undefined ? ', and once more after it' : ''}`,
  )
  print(
    `trained ${trained}, failed ${failed}${lastVersion === undefined ? '' : `, last version ${lastVersion}`}`,
  )
  if (lastError !== undefined) print(`last error: ${lastError}`)
}

function printMetrics({ metrics, baseline, baselineName }: TrainedModel): void {
  printTable(
    ['metric', 'model', `baseline: ${baselineName}`],
    Object.entries(metrics).map(([key, value]) => [key, value, baseline[key]]),
  )
}

function printFolds(folds: readonly FoldMetrics[]): void {
  const shown = FOLD_METRICS.filter((key) => folds.some(({ metrics }) => key in metrics)).slice(
    0,
    FOLD_METRICS_MAX,
  )
  printTable(
    ['held out', 'rows', ...shown.flatMap((key) => [key, 'baseline'])],
    folds.map(({ fold, rows, metrics, baseline }) => [
      fold,
      rows,
      ...shown.flatMap((key) => [metrics[key], baseline[key]]),
    ]),
  )
}
