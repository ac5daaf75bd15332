import { baselinesOf } from '../../ml/evaluation/baselines.js'
import { crossValidate } from '../../ml/evaluation/cross-validate.js'
import { foldsOf, type Fold } from '../../ml/evaluation/folds.js'
import { openPhases } from '../../ml/evaluation/phases.js'
import { estimatorOf } from '../../ml/models/find-estimator.js'
import type { TrainingTable } from '../../ml/datasets/training-table.js'
import type { EstimatorDefinition, ModelDefinition } from '../../schemas/model-definitions.js'

export type Measured = Pick<ModelDefinition, 'task' | 'offset' | 'calibration' | 'classWeights'>

/** One fold a group: every row is held out once. */
export function groupFolds(table: TrainingTable, { task }: Pick<Measured, 'task'>): readonly Fold[] {
  const rows = Int32Array.from({ length: table.rows }, (_, row) => row)
  return foldsOf(table, rows, { validation: { kind: 'leave-one-group-out' }, task, seed: 0 })
}

/** [rows]: what models say that were trained as `firn train` trains them, on the other folds alone. */
export async function heldOutPredictions(
  table: TrainingTable,
  of: { readonly settings: Measured; readonly definition: EstimatorDefinition; readonly seed: number },
): Promise<Float64Array> {
  const { definition, seed } = of
  const { fit } = await estimatorOf(definition.kind)
  const { task, offset, calibration, classWeights } = of.settings
  const settings = {
    task,
    ...(offset !== undefined && { offset }),
    ...(calibration !== undefined && { calibration }),
    ...(classWeights !== undefined && { classWeights }),
  }
  const fitter = { table, definition, settings, seed, fit, onProgress: () => undefined }
  const phases = openPhases(undefined, () => ({}))
  const results = await crossValidate(fitter, groupFolds(table, settings), { phases, hasSplit: false })
  return inTableOrder(table, results)
}

/** By name; [rows] each: the naive guesses of a training, fitted on the other folds. */
export function heldOutGuesses(
  table: TrainingTable,
  settings: Measured,
): Readonly<Record<string, Float64Array>> {
  const folds = groupFolds(table, settings)
  const alone = settings.offset === undefined ? [] : [settings.offset]
  return Object.fromEntries(
    baselinesOf(settings.task, table, alone).map(({ name, fit }) => {
      const held = folds.map((fold) => ({
        rows: fold.held,
        predictions: fit(table, fold.training)(fold.held),
      }))
      return [name, inTableOrder(table, held)]
    }),
  )
}

function inTableOrder(
  table: TrainingTable,
  parts: readonly { readonly rows: Int32Array; readonly predictions: Float64Array }[],
): Float64Array {
  const all = new Float64Array(table.rows).fill(NaN)
  for (const { rows, predictions } of parts) {
    rows.forEach((row, at) => {
      all[row] = predictions[at] ?? NaN
    })
  }
  return all
}
