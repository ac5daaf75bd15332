import { FirnError } from '../../schemas/error.js'
import type { ModelTask } from '../../schemas/model-definitions.js'
import { loadTrainingTable } from '../datasets/load-training-table.js'
import { restoreModel, type StoredModel } from '../evaluation/stored-model.js'
import { estimatorOf } from '../models/find-estimator.js'
import { serveJob } from '../process/serve-job.js'
import type { MeasuredRows } from './model-artifact.js'

/** A model of another trainer and what that says of its test rows. */
export interface CheckJob {
  /** Of the data set's file on this host. */
  readonly path: string
  readonly orderedDigest: string
  readonly task: ModelTask
  readonly stored: StoredModel
  readonly measured?: MeasuredRows
}

/** Sums in another order differ in their last digits; a wrong threshold or category by far more. */
const TOLERANCE = 1e-9

/** Firn scores the rows that the trainer measured and must say the same; without test rows it must be able to score. */
serveJob(async (job): Promise<void> => {
  const { path, orderedDigest, task, stored, measured } = job as CheckJob
  const table = await loadTrainingTable(path, { orderedDigest, task })
  const model = await restoreModel(stored, estimatorOf)
  const tested = Int32Array.from(table.splits?.keys() ?? []).filter((row) => table.splits?.[row] === 'test')
  if (measured?.on !== 'test') {
    await model.predict(table)
    return
  }
  const entities = Array.from(tested, (row) => table.entities[row])
  if (JSON.stringify(entities) !== JSON.stringify(measured.entities)) {
    throw differs(
      `measured ${measured.entities.length} rows, not the ${tested.length} test rows in their order`,
    )
  }
  const predictions = await model.predict(table, tested)
  const perRow = predictions.length / Math.max(tested.length, 1)
  const at = predictions.findIndex((value, i) => !isClose(value, measured.predictions[i]))
  if (at >= 0 || predictions.length !== measured.predictions.length) {
    throw differs(
      `says ${measured.predictions[at] ?? 'nothing'} of ${entities[Math.floor(at / perRow)] ?? 'no row'}, where Firn computes ${predictions[at] ?? 'nothing'}`,
    )
  }
})

function isClose(value: number, said: number | undefined): boolean {
  return said !== undefined && Math.abs(value - said) <= TOLERANCE * Math.max(1, Math.abs(value))
}

function differs(what: string): FirnError {
  return new FirnError(
    'contract-broken',
    `the trainer ${what}: its model does not mean the same to Firn. Correct how the trainer writes preprocessing or estimator (docs/model-format.md).`,
  )
}
