import { createHash } from 'node:crypto'
import type { TrainingTable } from '../datasets/training-table.js'

/** SHA-256 of all that a training can see of a table, to tell whether two trainings are the same. */
export function tableDigest(table: TrainingTable): string {
  const { entities, groups, splits, labels, classes, columns } = table
  const hash = createHash('sha256')
  // JSON keeps texts and columns apart; numbers go in as they lie in memory.
  hash.update(JSON.stringify([entities, groups, splits ?? null, classes ?? null]))
  hash.update(labels)
  for (const column of columns) {
    hash.update(JSON.stringify([column.name, column.kind, column.values.length]))
    hash.update(column.kind === 'category' ? JSON.stringify(column.values) : column.values)
  }
  return hash.digest('hex')
}
