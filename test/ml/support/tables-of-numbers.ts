import type { EstimatorDefinition, ModelTask } from '../../../schemas/model-definitions.js'
import type { Checkpoints, Inputs, StoredEstimator, TrainingInputs } from '../../../ml/models/estimator.js'
import { estimatorOf } from '../../../ml/models/find-estimator.js'
import { seededRandom } from '../../../ml/training/seeded-random.js'

export const TASKS: readonly (readonly [ModelTask, number])[] = [
  ['regression', 1],
  ['binary-classification', 2],
  ['multiclass-classification', 3],
]

/** A table by rows; `null` is missing. */
export function tableOf(rows: readonly (readonly (number | null)[])[], y: readonly number[]): TrainingInputs {
  const columns = (rows[0] ?? []).map((_, i) => `c${i}`)
  return {
    rows: rows.length,
    columns,
    x: Float64Array.from(rows.flatMap((row) => row.map((value) => value ?? NaN))),
    y: Float64Array.from(y),
  }
}

/** Continuous columns but the last, which has five values; one value in ten of the first two is missing. */
export function drawTable(
  seed: number,
  options: {
    readonly rows: number
    readonly classes?: number
    readonly missing?: number
    readonly steps?: number
  },
): TrainingInputs {
  const { rows, classes = 1, missing = 0.1, steps = 1e6 } = options
  const random = seededRandom(seed)
  const table = Array.from({ length: rows }, () =>
    Array.from({ length: 5 }, (_, i) => {
      const value = Math.floor((random() * 4 - 2) * steps) / steps
      if (i === 4) return Math.floor(random() * 5)
      return i < 2 && random() < missing ? null : value
    }),
  )
  const labels = table.map(([a, b, c, d, e]) => {
    const value =
      (a ?? 0.7) * (b ?? -1) + Math.sin(3 * (c ?? 0)) + 0.3 * (d ?? 0) + 0.4 * (e ?? 0) - 0.8 + random() - 0.5
    if (classes === 1) return value
    return classes === 2 ? Number(value > 0) : Math.min(classes - 1, Math.max(0, Math.floor(value + 1)))
  })
  return tableOf(table, labels)
}

/** The rows of these numbers, in this order. */
export function takeRows(table: TrainingInputs, rows: readonly number[]): TrainingInputs {
  const width = table.columns.length
  return {
    ...table,
    rows: rows.length,
    x: Float64Array.from(rows.flatMap((row) => [...table.x.subarray(row * width, (row + 1) * width)])),
    y: Float64Array.from(rows, (row) => table.y[row]!),
    ...(table.weights && { weights: Float64Array.from(rows, (row) => table.weights![row]!) }),
  }
}

export function shuffledRows(count: number, seed: number): number[] {
  const random = seededRandom(seed)
  return Array.from({ length: count }, (_, row) => ({ row, key: random() }))
    .sort((a, b) => a.key - b.key)
    .map(({ row }) => row)
}

export interface FitTest {
  readonly train: TrainingInputs
  readonly validation?: TrainingInputs
  readonly seed?: number
  readonly onEpoch?: (epoch: number) => void
  readonly checkpoints?: Checkpoints
}

/** Fits as a training does. */
export async function fitTable(
  definition: EstimatorDefinition,
  [task, classes]: readonly [ModelTask, number],
  { seed = 1, onEpoch, ...options }: FitTest,
) {
  const estimator = await estimatorOf(definition.kind)
  return estimator.fit({
    ...options,
    task,
    classes,
    definition,
    seed,
    onEpoch: (point) => onEpoch?.(point.epoch),
  })
}

/** The bytes of a model: header and weights. */
export function bytesOf({ header, weights }: StoredEstimator): string {
  return `${JSON.stringify(header)} ${Buffer.from(weights).toString('hex')}`
}

/** Each row asked for alone. */
export async function predictOneByOne(
  predict: (inputs: Inputs) => Promise<Float64Array>,
  table: TrainingInputs,
): Promise<number[]> {
  const answers: number[] = []
  for (let row = 0; row < table.rows; row += 1) answers.push(...(await predict(takeRows(table, [row]))))
  return answers
}
