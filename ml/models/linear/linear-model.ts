import { z } from 'zod'
import { FirnError } from '../../../schemas/error.js'
import type { EstimatorDefinition, ModelTask } from '../../../schemas/model-definitions.js'
import type { LearningPoint } from '../../../schemas/model-messages.js'
import type { FittedEstimator, Inputs, StoredEstimator } from '../estimator.js'
import { logistic, softmax } from '../trees/predict-trees.js'

const FORMAT = 'firn-linear-1'

/** See docs/model-format.md: trainers of other languages write it too. */
const headerSchema = z.object({
  format: z.literal(FORMAT),
  task: z.enum(['binary-classification', 'multiclass-classification', 'regression']),
  columns: z.array(z.string()),
  /** Classes of a multiclass model, else 1. */
  outputs: z.number().int().positive(),
  curve: z
    .array(z.object({ epoch: z.number(), loss: z.number(), valLoss: z.number().optional() }))
    .default([]),
})

export interface LinearModel {
  readonly task: ModelTask
  readonly columns: readonly string[]
  readonly outputs: number
  /** Row-major [outputs, columns + 1]: coefficients, then the intercept. */
  readonly coefficients: Float64Array
  readonly curve: readonly LearningPoint[]
}

export function fittedLinear(kind: EstimatorDefinition['kind'], model: LinearModel): FittedEstimator {
  return {
    predict: (inputs) => Promise.resolve(predictLinear(model, inputs)),
    store: () => Promise.resolve(storeLinear(kind, model)),
    curve: model.curve,
  }
}

export function restoreLinear(stored: StoredEstimator): Promise<FittedEstimator> {
  return Promise.resolve(stored).then(readLinear)
}

function readLinear({ kind, header, weights }: StoredEstimator): FittedEstimator {
  const parsed = headerSchema.safeParse(header)
  const values = parsed.success ? parsed.data.outputs * (parsed.data.columns.length + 1) : 0
  if (!parsed.success || weights.length !== 8 * values) {
    const what = parsed.success
      ? `the header tells of ${values} numbers of 8 bytes, and there are ${weights.length} bytes`
      : `its header is not that of ${FORMAT}: ${parsed.error.message}`
    throw new FirnError(
      'invalid-input',
      `the stored linear model cannot be read: ${what}. Write it as docs/model-format.md says, or train again.`,
    )
  }
  const view = new DataView(weights.buffer, weights.byteOffset, weights.byteLength)
  const coefficients = Float64Array.from({ length: values }, (_, i) => view.getFloat64(8 * i, true))
  const curve = parsed.data.curve.map(({ epoch, loss, valLoss }) => ({
    epoch,
    loss,
    ...(valLoss !== undefined && { valLoss }),
  }))
  return fittedLinear(kind, { ...parsed.data, coefficients, curve })
}

/** Raw numbers of all rows, before any link: row-major [rows, outputs]. */
export function linearScores(
  { coefficients, outputs }: Pick<LinearModel, 'coefficients' | 'outputs'>,
  { rows, columns, x }: Inputs,
): Float64Array {
  const width = columns.length
  const scores = new Float64Array(rows * outputs)
  for (let row = 0; row < rows; row += 1) {
    for (let output = 0; output < outputs; output += 1) {
      const first = output * (width + 1)
      let sum = coefficients[first + width] ?? 0
      for (let i = 0; i < width; i += 1) sum += (coefficients[first + i] ?? 0) * (x[row * width + i] ?? 0)
      scores[row * outputs + output] = sum
    }
  }
  return scores
}

function predictLinear(model: LinearModel, inputs: Inputs): Float64Array {
  const scores = linearScores(model, inputs)
  if (model.task === 'regression') return scores
  if (model.task === 'binary-classification') return scores.map(logistic)
  for (let row = 0; row < inputs.rows; row += 1) softmax(scores, row * model.outputs, model.outputs)
  return scores
}

function storeLinear(kind: EstimatorDefinition['kind'], model: LinearModel): StoredEstimator {
  const { task, columns, outputs, coefficients, curve } = model
  const weights = new Uint8Array(8 * coefficients.length)
  const view = new DataView(weights.buffer)
  coefficients.forEach((value, i) => {
    view.setFloat64(8 * i, value, true)
  })
  return { kind, header: { format: FORMAT, task, columns, outputs, curve }, weights }
}
