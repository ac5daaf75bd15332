import type { Metrics, TrainModelResult } from '../schemas/model-messages.js'
import { print, printTable } from './output.js'

/** A model's metrics beside its baseline's, fold by fold, and what it was trained on. */
export function printTraining({ model, version, runId, pin, dataset, trained }: TrainModelResult): void {
  const what = version === undefined ? `${model} (not registered, run ${runId})` : `${model} v${version}`
  print(
    `${what}: ${pin.estimator} on ${dataset.rows} rows × ${dataset.features} features at tag ${pin.tag} (${trained.environment.backend}, seed ${pin.seed})`,
  )
  const names = Object.keys(trained.metrics).filter((name) => !name.startsWith('train/'))
  printTable(
    ['metric', 'model', trained.baselineName],
    names.map((name) => [name, trained.metrics[name], trained.baseline[name]]),
  )
  const shown = foldMetrics(trained.folds[0]?.metrics)
  if (shown.length > 0) {
    printTable(
      ['held out', 'rows', ...shown, ...shown.map((name) => `baseline ${name}`)],
      trained.folds.map(({ fold, rows, metrics, baseline }) => [
        ...[fold, rows],
        ...shown.map((name) => metrics[name]),
        ...shown.map((name) => baseline[name]),
      ]),
    )
  }
  printTable(['pinned table', 'snapshot'], Object.entries(pin.snapshots))
  print(`weights ${trained.weightsDigest}`)
  print(`data    ${dataset.digest}`)
}

function foldMetrics(metrics: Metrics = {}): readonly string[] {
  return ['roc_auc', 'f1', 'log_loss', 'mae', 'rmse']
    .filter((name) => metrics[name] !== undefined)
    .slice(0, 3)
}
