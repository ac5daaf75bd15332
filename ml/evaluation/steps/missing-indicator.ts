import type { PreprocessingStep } from '../../../schemas/model-definitions.js'
import { chosenColumns, type Fitting, type Frame, type FrameColumn } from './frame.js'

/** Columns that had nulls in training; each gets a 0/1 column `missing(<name>)` at the end. */
export interface MissingIndicatorParameters {
  readonly columns: readonly string[]
}

export function fitMissingIndicator(
  step: Extract<PreprocessingStep, { step: 'missing-indicator' }>,
  { frame }: Fitting,
): MissingIndicatorParameters {
  const chosen = new Set(chosenColumns(frame, step, ['number', 'category']))
  const withNulls = frame.columns.filter((column) => chosen.has(column.name) && missingIn(column).includes(1))
  return { columns: withNulls.map(({ name }) => name) }
}

export function applyMissingIndicator({ columns }: MissingIndicatorParameters, frame: Frame): Frame {
  const indicators = columns.flatMap((name) =>
    frame.columns
      .filter((column) => column.name === name)
      .map((column): FrameColumn => ({
        kind: 'number',
        name: `missing(${name})`,
        values: missingIn(column),
        flag: true,
      })),
  )
  return { rows: frame.rows, columns: [...frame.columns, ...indicators] }
}

function missingIn(column: FrameColumn): Float64Array {
  if (column.kind === 'category') {
    return Float64Array.from(column.values, (value) => (value === null ? 1 : 0))
  }
  return Float64Array.from(column.values, (value) => (Number.isNaN(value) ? 1 : 0))
}
