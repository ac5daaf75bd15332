import { FirnError } from '../../../schemas/error.js'
import type { FeatureColumn, TrainingTable } from '../../datasets/training-table.js'
import { takeNumbers } from '../take-numbers.js'

/** Some rows of a table between two preprocessing steps. */
export interface Frame {
  readonly rows: number
  readonly columns: readonly FrameColumn[]
}

export type FrameColumn = FeatureColumn & {
  /** A 0/1 column that a step made: later steps leave it alone unless they name it. */
  readonly flag?: true
}

export type NumberColumn = Extract<FrameColumn, { kind: 'number' }>
export type CategoryColumn = Extract<FrameColumn, { kind: 'category' }>

/** What a step is fitted on: training rows only. */
export interface Fitting {
  readonly frame: Frame
  /** [rows] of the frame. */
  readonly labels: Float64Array
  /** Of a multiclass label, in their order; empty for other tasks. */
  readonly classes: readonly string[]
  readonly seed: number
}

/** The columns of these rows, in the table's order. */
export function frameOf(table: Pick<TrainingTable, 'columns'>, rows: Int32Array): Frame {
  return { rows: rows.length, columns: table.columns.map((column) => takeRows(column, rows)) }
}

/** Columns that a step works on: those it names, else all of its kinds but flags; `invalid-input` for what it can't take. */
export function chosenColumns(
  frame: Frame,
  step: { readonly step: string; readonly columns?: readonly string[] },
  kinds: readonly FrameColumn['kind'][],
): readonly string[] {
  const suitable = frame.columns.filter(({ kind }) => kinds.includes(kind))
  if (step.columns === undefined) return suitable.filter(({ flag }) => flag !== true).map(({ name }) => name)
  const names = new Set(suitable.map(({ name }) => name))
  const wrong = step.columns.filter((name) => !names.has(name))
  if (wrong.length === 0) return step.columns
  throw new FirnError(
    'invalid-input',
    `preprocessing step ${step.step} names ${wrong.join(', ')}, but the columns it can take at that point are: ${[...names].join(', ') || 'none'}. Correct its columns or the order of the steps.`,
  )
}

/** The frame with each of these columns replaced by what is made of it, in its place. */
export function mapColumns<Parameters>(
  frame: Frame,
  parameters: ReadonlyMap<string, Parameters>,
  make: (column: FrameColumn, parameters: Parameters) => readonly FrameColumn[],
): Frame {
  const columns = frame.columns.flatMap((column) => {
    const own = parameters.get(column.name)
    return own === undefined ? [column] : make(column, own)
  })
  return { rows: frame.rows, columns }
}

export function byName<Column extends { readonly name: string }>(
  columns: readonly Column[],
): ReadonlyMap<string, Column> {
  return new Map(columns.map((column) => [column.name, column]))
}

export function numbersOf(frame: Frame, name: string): Float64Array {
  const column = columnOf(frame, name)
  if (column.kind !== 'number') throw wrongKind(column, 'numbers')
  return column.values
}

export function categoriesOf(frame: Frame, name: string): readonly (string | null)[] {
  const column = columnOf(frame, name)
  if (column.kind !== 'category') throw wrongKind(column, 'categories')
  return column.values
}

/** A number column changed value by value. */
export function mapNumbers(column: FrameColumn, change: (value: number) => number): FrameColumn {
  if (column.kind !== 'number') throw wrongKind(column, 'numbers')
  return { ...column, values: column.values.map(change) }
}

function columnOf(frame: Frame, name: string): FrameColumn {
  const column = frame.columns.find((candidate) => candidate.name === name)
  if (column !== undefined) return column
  throw new FirnError(
    'contract-broken',
    `the model's preprocessing needs the column ${name}, which is missing`,
  )
}

function wrongKind(column: FrameColumn, wanted: string): FirnError {
  return new FirnError(
    'contract-broken',
    `column ${column.name} is of kind ${column.kind} where preprocessing needs ${wanted}`,
  )
}

function takeRows(column: FeatureColumn, rows: Int32Array): FeatureColumn {
  if (column.kind === 'category') {
    return { ...column, values: Array.from(rows, (row) => column.values[row] ?? null) }
  }
  if (column.kind === 'number') {
    return { ...column, values: takeNumbers(column.values, rows) }
  }
  const values = new Float32Array(rows.length * column.size)
  rows.forEach((row, at) => {
    values.set(column.values.subarray(row * column.size, (row + 1) * column.size), at * column.size)
  })
  return { ...column, values }
}
