import { quoteName } from '../duckdb/sql-text.js'
import { assignedColumns } from './assignments.js'
import type { Basis, ComputedChange } from './compute-change.js'
import { planCondition } from './condition-sql.js'
import { changeSettings } from './delete-rows.js'
import { PLACE } from '../row-place.js'
import { applyDelta } from './row-delta.js'
import type { Update } from './table.js'
import { addTarget, columnList, planTarget } from './target-rows.js'

const CHANGED = '_firn_changed'

/** Rows that `where` means are replaced by themselves with new values. */
export async function updateRows(basis: Basis, update: Update): Promise<ComputedChange> {
  const { schema } = basis
  const condition = await planCondition(basis, update.where)
  const values = assignedColumns(schema, update.set, (name) => `target.${quoteName(name)}`)
  const tasks = await planTarget(basis, condition.filter)
  const settings = changeSettings(basis.metadata, 'update', update)
  if (tasks.length === 0) return { change: { kind: 'none' }, rows: { added: 0, updated: 0, deleted: 0 } }
  const target = await addTarget(basis, '_firn_target', tasks)
  const columns = schema.fields.map(({ name }, index) => `${values[index] ?? ''} AS ${quoteName(name)}`)
  await (
    await basis.session()
  ).addRelation({
    kind: 'query',
    name: CHANGED,
    sql: `SELECT target.${PLACE}, ${columns.join(', ')} FROM ${target} AS target WHERE ${condition.sql}`,
  })
  const { change, goneRows } = await applyDelta(basis, {
    tasks,
    whole: [],
    gone: CHANGED,
    fresh: [`SELECT ${columnList(schema)} FROM ${CHANGED}`],
    filter: condition.filter,
    ...settings,
  })
  return { change, rows: { added: 0, updated: goneRows, deleted: 0 } }
}
