import type { Data, RecordBatch } from 'apache-arrow'
import { isPrimitive } from '../../iceberg/spec/type.js'
import { FirnError } from '../../schemas/error.js'
import type { DatasetColumn } from './dataset-columns.js'
import { FEATURE_PREFIX, typeText } from './dataset-columns.js'
import { numbersOf } from './read-numbers.js'
import { columnOf, textsOf } from './read-texts.js'
import type { FeatureColumn } from './training-table.js'

export interface FeatureCollector {
  /** `start`: the batch's first row in the data set. */
  add(batch: RecordBatch, start: number): void
  finish(): FeatureColumn
}

/** One feature's values out of all batches. Errors: FirnError `training-failed` where no model can take it. */
export function collectFeature(
  column: DatasetColumn,
  rows: number,
  onWarning?: (text: string) => void,
): FeatureCollector {
  const { type } = column
  if (!isPrimitive(type)) return collectTensor(column, rows)
  if (type === 'string') return collectCategories(column)
  if (type === 'uuid') return collectUuids(column)
  return collectNumbers(column, rows, onWarning)
}

function collectNumbers(
  column: DatasetColumn,
  rows: number,
  onWarning: ((text: string) => void) | undefined,
): FeatureCollector {
  const values = new Float64Array(rows)
  const name = featureName(column)
  let inexact = 0
  return {
    add(batch, start) {
      const data = dataOf(batch, column)
      const read = numbersOf(column.type, data)
      if (read === undefined) throw noFeature(column)
      for (let row = 0; row < batch.numRows; row++) {
        const value = data.getValid(row) ? read(row) : NaN
        values[start + row] = Number.isFinite(value) ? value : NaN
        if (column.type === 'long' && Math.abs(value) > Number.MAX_SAFE_INTEGER) inexact++
      }
    },
    finish() {
      if (inexact > 0) {
        onWarning?.(
          `feature "${name}": ${inexact} of ${rows} values are beyond ±2^53 and were rounded to the nearest double; an id is better a string`,
        )
      }
      return { kind: 'number', name, values }
    },
  }
}

function collectCategories(column: DatasetColumn): FeatureCollector {
  const values: (string | null)[] = []
  return {
    add(batch) {
      const text = textsOf(batch, column.name)
      for (let row = 0; row < batch.numRows; row++) values.push(text(row))
    },
    finish: () => ({ kind: 'category', name: featureName(column), values }),
  }
}

function collectUuids(column: DatasetColumn): FeatureCollector {
  const values: (string | null)[] = []
  return {
    add(batch) {
      const data = dataOf(batch, column)
      const bytes = Buffer.from((data.values as Uint8Array).slice())
      for (let row = 0; row < batch.numRows; row++) {
        const hex = bytes.toString('hex', row * 16, row * 16 + 16)
        const parts = [0, 8, 12, 16, 20].map((from, index) => hex.slice(from, [8, 12, 16, 20, 32][index]))
        values.push(data.getValid(row) ? parts.join('-') : null)
      }
    },
    finish: () => ({ kind: 'category', name: featureName(column), values }),
  }
}

/** Lists of numbers, flattened, all of one length. */
function collectTensor(column: DatasetColumn, rows: number): FeatureCollector {
  const { type } = column
  const name = featureName(column)
  let values = new Float32Array(0)
  let size: number | undefined
  return {
    add(batch, start) {
      const data = dataOf(batch, column)
      const offsets = data.valueOffsets as Int32Array
      const [child] = data.children
      const read =
        isPrimitive(type) || type.type !== 'list' || child === undefined
          ? undefined
          : numbersOf(type.element, child)
      if (read === undefined || child === undefined) throw noFeature(column)
      for (let row = 0; row < batch.numRows; row++) {
        const from = offsets[row] as number
        const length = (offsets[row + 1] as number) - from
        if (!data.getValid(row)) throw badTensor(name, start + row, 'is null')
        if (size === undefined) values = new Float32Array(rows * (size = length))
        if (length !== size)
          throw badTensor(name, start + row, `has ${length} elements, the first row ${size}`)
        for (let index = 0; index < length; index++) {
          const value = child.getValid(from + index) ? read(from + index) : NaN
          if (!Number.isFinite(value)) throw badTensor(name, start + row, `has no number at ${index}`)
          values[(start + row) * size + index] = value
        }
      }
    },
    finish: () => ({ kind: 'tensor', name, size: size ?? 0, values }),
  }
}

function featureName({ name }: DatasetColumn): string {
  return name.slice(FEATURE_PREFIX.length)
}

function dataOf(batch: RecordBatch, column: DatasetColumn): Data {
  const data = columnOf(batch, column.name)
  if (data === undefined) throw noFeature(column)
  return data
}

function noFeature(column: DatasetColumn): FirnError {
  return new FirnError(
    'training-failed',
    `feature "${featureName(column)}" is of type ${typeText(column.type)}, which no model takes: cast it to a number, a string or a list of numbers in its view's SQL`,
  )
}

function badTensor(name: string, row: number, what: string): FirnError {
  return new FirnError(
    'training-failed',
    `feature "${name}", row ${row}: the list ${what}. A model takes lists of one length without gaps: fill them in the view's SQL, or leave such rows out of the label view.`,
  )
}
