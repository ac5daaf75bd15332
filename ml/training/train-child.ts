import type {
  ColumnType,
  TrainedModel,
  TrainingEnvironment,
  TrainingPin,
} from '../../schemas/model-messages.js'
import { loadTrainingTable } from '../datasets/load-training-table.js'
import type { TrainingTable } from '../datasets/training-table.js'
import { trainAndEvaluate, type Evaluation } from '../evaluation/evaluate.js'
import { storeModel, type StoredModel } from '../evaluation/stored-model.js'
import { bindCheckpoints } from '../models/bind-checkpoints.js'
import { estimatorOf } from '../models/find-estimator.js'
import { describeEnvironment, environmentDigest } from '../process/describe-environment.js'
import { serveJob } from '../process/serve-job.js'
import { MEASURED_ROWS_MAX, type MeasuredRows, type ModelArtifact } from './model-artifact.js'

export interface TrainJob {
  /** Of the data set's file on this host. */
  readonly path: string
  readonly orderedDigest: string
  readonly pin: Pick<TrainingPin, 'definition' | 'settings' | 'seed'>
}

export interface TrainJobResult {
  readonly stored: StoredModel
  readonly environment: TrainingEnvironment
  readonly evaluation: Pick<
    TrainedModel,
    'metrics' | 'baseline' | 'baselineName' | 'baselines' | 'folds' | 'curve'
  >
  readonly plots: Evaluation['plots']
  readonly importance?: Readonly<Record<string, number>>
  readonly measured?: MeasuredRows
  readonly inputExample: ModelArtifact['inputExample']
}

serveJob(async (job, { onProgress, onTraining, checkpoints }): Promise<TrainJobResult> => {
  const { path, orderedDigest, pin } = job as TrainJob
  const { definition, settings, seed } = pin
  const table = await loadTrainingTable(path, { orderedDigest, task: settings.task })
  const estimator = await estimatorOf(definition.kind)
  const backend = await estimator.backend()
  if (backend.notice !== undefined) onProgress(backend.notice)
  const environment = await describeEnvironment(backend)
  const evaluation = await trainAndEvaluate({
    ...{ table, definition, settings, seed, fit: estimator.fit, onProgress: onTraining },
    ...(checkpoints === undefined
      ? {}
      : { checkpoints: bindCheckpoints(checkpoints, environmentDigest(environment)) }),
  })
  const { model, metrics, baseline, baselineName, baselines, folds, curve, plots } = evaluation
  const measured = await measuredRows(table, evaluation)
  const result: TrainJobResult = {
    stored: await storeModel(model),
    environment,
    evaluation: { metrics, baseline, baselineName, baselines, folds, curve },
    plots,
    ...(model.importance === undefined ? {} : { importance: model.importance }),
    ...(measured === undefined ? {} : { measured }),
    inputExample: firstRow(table),
  }
  model.dispose()
  return result
})

/** The test rows; without a split those held out of the folds. */
async function measuredRows(
  table: TrainingTable,
  { model, heldOut }: Evaluation,
): Promise<MeasuredRows | undefined> {
  const { splits } = table
  const tested = Int32Array.from(splits?.keys() ?? []).filter((row) => splits?.[row] === 'test')
  const [on, rows, predictions] =
    splits === undefined
      ? (['cv', heldOut?.rows, heldOut?.predictions] as const)
      : (['test', tested, await model.predict(table, tested)] as const)
  if (rows === undefined || predictions === undefined) return undefined
  if (rows.length === 0 || rows.length > MEASURED_ROWS_MAX) return undefined
  return {
    on,
    entities: Array.from(rows, (row) => table.entities[row] ?? ''),
    labels: Array.from(rows, (row) => table.labels[row] ?? NaN),
    predictions: [...predictions],
  }
}

function firstRow(table: TrainingTable): ModelArtifact['inputExample'] {
  return Object.fromEntries(
    table.columns.map((column): [ColumnType['name'], unknown] => {
      if (column.kind === 'tensor') return [column.name, [...column.values.subarray(0, column.size)]]
      const value = column.values[0] ?? null
      return [column.name, Number.isNaN(value) ? null : value]
    }),
  )
}
