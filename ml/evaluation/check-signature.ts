import { FirnError } from '../../schemas/error.js'
import type { TrainingTable } from '../datasets/training-table.js'
import { inputColumns, type FittedPreprocessing, type InputColumn } from './preprocess.js'

/** What a model asks of a table. */
export interface Signed {
  readonly preprocessing: FittedPreprocessing
  readonly offset?: string
  readonly ignored: readonly string[]
}

/** Columns that a model reads: its inputs, then the offset. */
export function signatureOf({ preprocessing, offset }: Signed): readonly InputColumn[] {
  return offset === undefined
    ? preprocessing.inputs
    : [...preprocessing.inputs, { name: offset, kind: 'number' }]
}

/**
 * `contract-broken` with every difference: a column that is missing, of another kind or size, or more than the model
 * knows. Columns are found by their names, so their order is free.
 */
export function checkSignature(model: Signed, table: Pick<TrainingTable, 'columns'>): void {
  const wanted = new Map(signatureOf(model).map((column) => [column.name, column]))
  const found = inputColumns(table)
  const foundByName = new Map(found.map((column) => [column.name, column]))
  const differences = [...wanted.values()].flatMap((column) => {
    const other = foundByName.get(column.name)
    if (other === undefined) return [`${column.name} (${inWords(column)}) is missing`]
    if (inWords(other) === inWords(column)) return []
    return [`${column.name} is ${inWords(other)}, was ${inWords(column)} in training`]
  })
  const unknown = found.filter(({ name }) => !wanted.has(name) && !model.ignored.includes(name))
  differences.push(...unknown.map(({ name }) => `${name} was not there in training`))
  if (foundByName.size < found.length) differences.push('a column occurs twice')
  if (differences.length === 0) return
  throw new FirnError(
    'contract-broken',
    `these features are not the ones that the model was trained on: ${differences.join('; ')}. Score with the feature service of its training, or train a new version.`,
    { context: { differences } },
  )
}

function inWords({ kind, size }: InputColumn): string {
  return size === undefined ? `a ${kind} column` : `a ${kind} column of ${size}`
}
