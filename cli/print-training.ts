import type { TrainModelResult } from '../schemas/messages.js'
import { print, printTable } from './output.js'

/** A model's metrics beside its baseline's, fold by fold, and what it was trained on. */
export function printTraining({ model, version, pin, dataset, trained }: TrainModelResult): void {
  print(
    `${model} v${version}: trained on ${dataset.rows} rows × ${dataset.features} features at tag ${pin.tag} (${trained.backend}, seed ${pin.seed})`,
  )
  const rows = trained.folds.map((fold) => [
    `without ${fold.group}`,
    fold.rows,
    fold.model.auc,
    fold.model.f1,
    fold.model.logLoss,
    fold.baseline.auc,
    fold.baseline.f1,
    fold.baseline.logLoss,
  ])
  const { metrics, baseline } = trained
  const mean = [
    'mean',
    dataset.rows,
    metrics.auc,
    metrics.f1,
    metrics.logLoss,
    baseline.auc,
    baseline.f1,
    baseline.logLoss,
  ]
  printTable(['held out', 'rows', 'AUC', 'F1', 'log loss', 'baseline AUC', 'F1', 'log loss'], [...rows, mean])
  if (trained.baselineName !== undefined) print(`baseline: ${trained.baselineName}`)
  printTable(['pinned table', 'snapshot'], Object.entries(pin.snapshots))
  print(`weights ${trained.weightsDigest}`)
  print(`data    ${dataset.digest}`)
}
