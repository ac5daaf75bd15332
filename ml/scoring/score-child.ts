import type { Metrics } from '../../schemas/model-messages.js'
import { loadTrainingTable } from '../datasets/load-training-table.js'
import { restoreModel, type StoredModel } from '../evaluation/stored-model.js'
import { estimatorOf } from '../models/find-estimator.js'
import { serveJob } from '../process/serve-job.js'
import type { ModelTask } from '../../schemas/model-definitions.js'

export interface ScoreJob {
  /** Of the data set's file on this host. */
  readonly path: string
  readonly orderedDigest: string
  readonly task: ModelTask
  readonly stored: StoredModel
}

/** By row, in the data set's order. */
export interface ScoreJobResult {
  readonly entities: readonly string[]
  readonly times: BigInt64Array
  /** Probabilities, values, or row-major [rows, classes] probabilities. */
  readonly predictions: Float64Array
  readonly classes: readonly string[]
  readonly metrics: Metrics
}

serveJob(async (job): Promise<ScoreJobResult> => {
  const { path, orderedDigest, task, stored } = job as ScoreJob
  const table = await loadTrainingTable(path, { orderedDigest, task, labels: 'optional' })
  const model = await restoreModel(stored, estimatorOf)
  const predictions = await model.predict(table)
  const { entities, times } = table
  model.dispose()
  return {
    ...{ entities, times, predictions },
    classes: stored.header.classes,
    metrics: metricsOf(task, predictions, table.rows),
  }
})

/** From here on a probability counts as a high risk. */
const HIGH_RISK = 0.8

function metricsOf(task: ModelTask, predictions: Float64Array, rows: number): Metrics {
  const mean = predictions.reduce((sum, value) => sum + value, 0) / predictions.length
  return {
    scored_count: rows,
    ...(task === 'multiclass-classification' ? {} : { mean_prediction: mean }),
    ...(task === 'binary-classification'
      ? { high_risk_count: predictions.filter((value) => value >= HIGH_RISK).length }
      : {}),
  }
}
