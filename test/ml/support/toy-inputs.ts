import type {
  Checkpoints,
  FitOptions,
  StoredEstimator,
  TrainingInputs,
} from '../../../ml/models/estimator.js'
import { seededRandom } from '../../../ml/training/seeded-random.js'
import type { CnnDefinition, DenseDefinition, ModelTask } from '../../../schemas/model-definitions.js'

export const DENSE: DenseDefinition = {
  kind: 'dense',
  hidden: [8, 4],
  epochs: 6,
  batchSize: 16,
  learningRate: 0.02,
  dropout: 0.2,
  l2: 0.001,
}

export const CNN: CnnDefinition = {
  kind: 'cnn',
  shape: [8, 8, 1],
  convolutions: [{ filters: 4, size: 3 }],
  hidden: [8],
  epochs: 6,
  batchSize: 16,
  learningRate: 0.02,
  dropout: 0.1,
}

/** Rows of five numbers whose label follows from them, but for a little noise. */
export function toyRows(task: ModelTask, rows: number, seed = 1): TrainingInputs {
  const random = seededRandom(seed)
  const columns = ['a', 'b', 'c', 'd', 'e']
  const x = Float64Array.from({ length: rows * columns.length }, () => 2 * random() - 1)
  const y = Float64Array.from({ length: rows }, (_, row) => {
    const [a = 0, b = 0, c = 0] = x.subarray(row * columns.length)
    const value = 2 * a - b + a * c + 0.2 * (random() - 0.5)
    if (task === 'regression') return 1000 + 50 * value
    if (task === 'binary-classification') return value > 0 ? 1 : 0
    return value < -0.5 ? 0 : value < 0.5 ? 1 : 2
  })
  return { rows, columns, x, y }
}

/** Pictures of 8 × 8: a bright line that lies (0) or stands (1), somewhere, in noise. */
export function toyPictures(rows: number, seed = 1): TrainingInputs {
  const random = seededRandom(seed)
  const x = Float64Array.from({ length: rows * 64 }, () => 0.4 * random())
  const y = Float64Array.from({ length: rows }, () => (random() < 0.5 ? 0 : 1))
  y.forEach((standing, row) => {
    const at = Math.floor(random() * 8)
    for (let i = 0; i < 8; i += 1) x[row * 64 + (standing === 1 ? 8 * i + at : 8 * at + i)]! += 0.5
  })
  return { rows, columns: Array.from({ length: 64 }, (_, i) => `picture[${i}]`), x, y }
}

export function denseOptions(
  changes: Partial<FitOptions<DenseDefinition>> = {},
): FitOptions<DenseDefinition> {
  const task = changes.task ?? 'binary-classification'
  return {
    task,
    classes: { 'binary-classification': 2, 'multiclass-classification': 3, regression: 1 }[task],
    definition: DENSE,
    train: toyRows(task, 100),
    seed: 0,
    onEpoch: () => undefined,
    ...changes,
  }
}

/** Keeps each state it is given. */
export class MemoryCheckpoints implements Checkpoints {
  readonly states: Uint8Array[] = []
  readonly load = () => Promise.resolve(this.states.at(-1))
  readonly save = (state: Uint8Array) => {
    this.states.push(Uint8Array.from(state))
    return Promise.resolve()
  }
}

/** Header and weights as one text, to compare. */
export function bytesOf({ kind, header, weights }: StoredEstimator): string {
  return JSON.stringify([kind, header, Buffer.from(weights).toString('hex')])
}
