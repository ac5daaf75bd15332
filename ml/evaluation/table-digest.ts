import { createHash } from 'node:crypto'
import type { TrainingTable } from '../datasets/training-table.js'

/** SHA-256 of all that a training can see of a table, to tell whether two trainings are the same. */
export function tableDigest(table: TrainingTable): string {
  const { entities, groups, splits, labels, classes, columns } = table
  const hash = createHash('sha256')
  // JSON keeps texts and columns apart; numbers go in as they lie in memory.
  const addTexts = (what: string, texts: readonly (string | null)[]): void => {
    hash.update(JSON.stringify([what, texts.length]))
    for (let from = 0; from < texts.length; from += TEXTS_AT_ONCE) {
      hash.update(JSON.stringify(texts.slice(from, from + TEXTS_AT_ONCE)))
    }
  }
  addTexts('entities', entities)
  addTexts('groups', groups)
  addTexts('splits', splits ?? [])
  addTexts('classes', classes ?? [])
  hash.update(labels)
  for (const column of columns) {
    hash.update(JSON.stringify([column.kind, column.values.length]))
    if (column.kind === 'category') addTexts(column.name, column.values)
    else hash.update(JSON.stringify(column.name)).update(column.values)
  }
  return hash.digest('hex')
}

/** One text of millions of rows would be longer than a string can be. */
const TEXTS_AT_ONCE = 100_000
