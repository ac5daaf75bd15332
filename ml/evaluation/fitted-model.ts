import { FirnError } from '../../schemas/error.js'
import type { ModelTask } from '../../schemas/model-definitions.js'
import type { LearningPoint } from '../../schemas/model-messages.js'
import type { TrainingTable } from '../datasets/training-table.js'
import type { FittedEstimator, Inputs } from '../models/estimator.js'
import { calibrate, type FittedCalibration } from './calibration.js'
import { checkSignature } from './check-signature.js'
import { applyPreprocessing, type FittedPreprocessing } from './preprocess.js'
import { takeNumbers } from './take-numbers.js'

/** What a model is made of. */
export interface ModelParts {
  readonly task: ModelTask
  /** Of a classification: names in the order of the labels' indexes; `0` and `1` of a binary one. */
  readonly classes: readonly string[]
  readonly preprocessing: FittedPreprocessing
  readonly estimator: FittedEstimator
  readonly calibration?: FittedCalibration
  /** Number column that is added to what the estimator says. */
  readonly offset?: string
  /** Columns that may be there and are not looked at: those for baselines only. */
  readonly ignored: readonly string[]
}

/** Preprocessing, estimator, calibration and offset as one thing. */
export interface FittedModel {
  readonly parts: ModelParts
  /**
   * [rows] probabilities of class 1, or values; of many classes row-major [rows, classes] probabilities. Default: all
   * rows. `contract-broken` where the table's columns are not the model's.
   */
  readonly predict: (table: ScoredTable, rows?: Int32Array) => Promise<Float64Array>
  readonly curve: readonly LearningPoint[]
  /** Input column → share of the total, where the estimator has one. */
  readonly importance?: Readonly<Record<string, number>>
  readonly dispose: () => void
}

export type ScoredTable = Pick<TrainingTable, 'rows' | 'columns'>

/** Rows that an estimator is always given at once: sums over blocks of other sizes could differ in their last bits. */
export const BLOCK_ROWS = 256
/** Numbers that are preprocessed at a time: 8 MB. */
const CHUNK_NUMBERS = 2 ** 20

export function assembleModel(parts: ModelParts): FittedModel {
  const { estimator, calibration, offset } = parts
  return {
    parts,
    predict: async (table, rows = allRows(table.rows)) => {
      checkSignature(parts, table)
      const said = await estimate(parts, table, rows)
      const calibrated = calibration === undefined ? said : calibrate(calibration, said)
      return offset === undefined ? calibrated : addOffset(calibrated, offsetsOf(table, offset, rows))
    },
    curve: estimator.curve,
    ...(estimator.importance !== undefined && { importance: estimator.importance }),
    dispose: () => estimator.dispose?.(),
  }
}

export function allRows(count: number): Int32Array {
  return Int32Array.from({ length: count }, (_, row) => row)
}

/** The offset's values of these rows; a row without one can't be predicted or learnt from. */
export function offsetsOf(
  table: Pick<TrainingTable, 'columns'>,
  offset: string,
  rows: Int32Array,
): Float64Array {
  const column = table.columns.find(({ name }) => name === offset)
  if (column?.kind !== 'number') {
    throw new FirnError(
      'invalid-input',
      `offset ${offset} is ${column === undefined ? 'no column of the features' : `a ${column.kind} column`}; it must be a number among: ${numberNames(table)}. Correct the model's offset or its feature service.`,
    )
  }
  const offsets = takeNumbers(column.values, rows)
  const first = offsets.findIndex((value) => Number.isNaN(value))
  if (first === -1) return offsets
  const missing = offsets.reduce((count, value) => count + (Number.isNaN(value) ? 1 : 0), 0)
  throw new FirnError(
    'contract-broken',
    `offset ${offset} is missing in ${missing} of ${rows.length} rows, the first one is row ${rows[first] ?? first}. Give it a value in its view's SQL, or leave such rows out of the label view.`,
  )
}

/** What the estimator says, asked in blocks of exactly `BLOCK_ROWS`, the last one filled up with its last row. */
async function estimate(
  { estimator, preprocessing, task, classes }: ModelParts,
  table: ScoredTable,
  rows: Int32Array,
): Promise<Float64Array> {
  const perRow = task === 'multiclass-classification' ? classes.length : 1
  const result = new Float64Array(rows.length * perRow)
  const width = applyPreprocessing(preprocessing, table, new Int32Array()).columns.length
  const chunkRows = BLOCK_ROWS * Math.max(1, Math.floor(CHUNK_NUMBERS / (BLOCK_ROWS * width)))
  for (let start = 0; start < rows.length; start += chunkRows) {
    const chunk = applyPreprocessing(preprocessing, table, rows.subarray(start, start + chunkRows))
    for (let from = 0; from < chunk.rows; from += BLOCK_ROWS) {
      const said = await estimator.predict(blockOf(chunk, from))
      const wanted = Math.min(BLOCK_ROWS, chunk.rows - from)
      result.set(said.subarray(0, wanted * perRow), (start + from) * perRow)
    }
  }
  return result
}

function blockOf({ rows, columns, x }: Inputs, from: number): Inputs {
  const width = columns.length
  const own = x.subarray(from * width, (from + BLOCK_ROWS) * width)
  if (from + BLOCK_ROWS <= rows) return { rows: BLOCK_ROWS, columns, x: own }
  const padded = new Float64Array(BLOCK_ROWS * width)
  padded.set(own)
  const last = own.subarray(own.length - width)
  for (let row = rows - from; row < BLOCK_ROWS; row += 1) padded.set(last, row * width)
  return { rows: BLOCK_ROWS, columns, x: padded }
}

function addOffset(values: Float64Array, offsets: Float64Array): Float64Array {
  return values.map((value, row) => value + (offsets[row] ?? NaN))
}

function numberNames({ columns }: Pick<TrainingTable, 'columns'>): string {
  const names = columns.filter(({ kind }) => kind === 'number').map(({ name }) => name)
  return names.join(', ') || 'none'
}
