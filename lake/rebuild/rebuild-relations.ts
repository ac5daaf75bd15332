import type { EngineSession } from '../../engine/engine.js'
import { quoteName, quoteText } from '../../engine/duckdb/sql-text.js'
import type { LakeDeps } from '../../schemas/lake-deps.js'
import {
  attachDocuments,
  attachScan,
  currentTasks,
  firstLanded,
  LANDED,
  withoutReplaced,
} from '../features/batch-relations.js'
import { definitionOf, stageOf } from '../features/batch-state.js'
import { tasksOf } from '../staging/staged-tasks.js'
import { BATCH_COLUMN } from './choose-tables.js'
import { ALL_IDS, idRelations, isRebuilt, rowsOfBatches, type Rebuild } from './open-rebuild.js'

/**
 * What a table's SQL sees of another table: `added`, what the batch adds to it; `asOf`, that and what earlier batches made;
 * `current`, the rows of all batches, this one's as they are now made.
 */
export type View = 'added' | 'asOf' | 'current'

/** Record ids that the batch is the first to build. */
export const NEW_IDS = '_new_ids'

/** What tables that see the same share. */
export type Kind = 'new' | 'rows' | 'partitions'

export function kindOf({ batch }: Rebuild, table: string): Kind {
  if (batch.graph.onlyNew.has(table)) return 'new'
  return definitionOf(batch, table).write === 'overwrite-partitions' ? 'partitions' : 'rows'
}

/** The records of the batch's range as landed, and which of them it was the first to build. */
export async function attachLanded(deps: LakeDeps, session: EngineSession, rebuild: Rebuild): Promise<void> {
  const { batch, plan } = rebuild
  await attachDocuments(deps, session, batch)
  const others = `SELECT record_id FROM ${ALL_IDS} WHERE ${BATCH_COLUMN} <> ${quoteText(plan.rebuilds)}`
  await session.addRelation({
    kind: 'query',
    name: NEW_IDS,
    sql: `SELECT DISTINCT l._record_id AS record_id FROM ${LANDED} l
      ANTI JOIN (${others}) o ON o.record_id = l._record_id`,
  })
}

/** The relations that a table's SQL names. `attached`: what the session has already; it grows. */
export async function attachReads(
  deps: LakeDeps,
  session: EngineSession,
  rebuild: Rebuild,
  table: string,
  attached: Set<string>,
): Promise<void> {
  const { batch } = rebuild
  const { source, tables, itself } = batch.graph.reads(table)
  if (source && !attached.has(batch.source)) {
    await attachRecords(session, batch.source, kindOf(rebuild, table) === 'new')
    attached.add(batch.source)
  }
  for (const name of tables.filter((one) => one !== table && !attached.has(one))) {
    await attachView(deps, session, rebuild, { name, table: name, view: viewFor(rebuild, table, name) })
    attached.add(name)
  }
  if (!itself) return
  const now = await attachNow(deps, session, rebuild, table, attached)
  await session.addRelation({
    ...{ kind: 'query', name: table, lazy: true },
    sql: `SELECT * FROM ${now} WHERE ${ofOthers(rebuild, table, { later: false })}`,
  })
}

/** What a table sees of another one that it reads. */
export function viewFor(rebuild: Rebuild, table: string, name: string): View {
  const { batch, plan } = rebuild
  const kind = kindOf(rebuild, table)
  if (kind === 'new' && batch.graph.onlyNew.has(name)) return 'added'
  return kind === 'partitions' && plan.mode === 'alone' ? 'current' : 'asOf'
}

/** Of a table's rows now, those that other batches made; `later`: also those of later ones. */
export function ofOthers(rebuild: Rebuild, table: string, { later }: { readonly later: boolean }): string {
  const rows = rowsOfBatches(rebuild, table)
  if (rows === undefined) return 'true'
  return later ? `NOT (${rows.ofBatch})` : `NOT (${rows.ofBatch}) AND NOT (${rows.ofLater})`
}

/** A table under a name, as `view` says. */
export async function attachView(
  deps: LakeDeps,
  session: EngineSession,
  rebuild: Rebuild,
  { name, table, view }: { readonly name: string; readonly table: string; readonly view: View },
): Promise<void> {
  const { batch } = rebuild
  const staged = isRebuilt(rebuild, table) || table === batch.idsTable ? stageOf(batch, table).files : []
  const fresh = `_fresh_${name}`
  await attachScan(session, fresh, batch, table, tasksOf(staged))
  const kept = await keptSql(deps, session, rebuild, { name, table, view })
  await session.addRelation({
    ...{ kind: 'query', name, lazy: true },
    sql: `${kept} UNION ALL SELECT * FROM ${quoteName(fresh)}`,
  })
}

/** The rows of other batches that belong to the view, and those of the batch where it does not build this table again. */
async function keptSql(
  deps: LakeDeps,
  session: EngineSession,
  rebuild: Rebuild,
  { name, table, view }: { readonly name: string; readonly table: string; readonly view: View },
): Promise<string> {
  const { batch } = rebuild
  const current = await currentTasks(deps, batch, table)
  const tasks = replacesPartitions(rebuild, table)
    ? withoutReplaced(batch, table, current, stageOf(batch, table).files)
    : current
  const now = `_now_${name}`
  await attachScan(session, now, batch, table, tasks)
  return `SELECT * FROM ${quoteName(now)} WHERE ${keptOf(rebuild, table, view)}`
}

/** Whether the rows that are built again replace the partitions that they lie in. */
export function replacesPartitions(rebuild: Rebuild, table: string): boolean {
  return isRebuilt(rebuild, table) && kindOf(rebuild, table) === 'partitions'
}

/** Which of the rows that a table has now belong to a view, beside those that are built again. */
export function keptOf(rebuild: Rebuild, table: string, view: View): string {
  const { batch, plan } = rebuild
  const rows = rowsOfBatches(rebuild, table)
  const isNew = isRebuilt(rebuild, table)
  const isPartitions = batch.graph.order.includes(table) && kindOf(rebuild, table) === 'partitions'
  const conditions: string[] = []
  if (view === 'added') conditions.push(isNew ? 'false' : (rows?.ofBatch ?? 'false'))
  else {
    if (isNew && rows !== undefined && (!isPartitions || dropsRest(rebuild, table)))
      conditions.push(`NOT (${rows.ofBatch})`)
    const seesLater = view === 'current' || (isPartitions && plan.mode === 'alone')
    if (!seesLater && rows !== undefined) conditions.push(`NOT (${rows.ofLater})`)
  }
  return conditions.join(' AND ') || 'true'
}

/**
 * Whether rows of the batch go that lie in partitions that it does not write any more. They stay where others' rows may be in
 * them and nothing is going to write them again.
 */
export function dropsRest(rebuild: Rebuild, table: string): boolean {
  return rebuild.plan.mode === 'forward' || readsSourceAlone(rebuild, table)
}

export function readsSourceAlone({ batch }: Rebuild, table: string): boolean {
  return batch.graph.reads(table).tables.length === 0
}

/** The rows that a table has now, under a name of their own, quoted. */
export async function attachNow(
  deps: LakeDeps,
  session: EngineSession,
  rebuild: Rebuild,
  table: string,
  attached: Set<string>,
): Promise<string> {
  const name = `_before_${table}`
  if (!attached.has(name))
    await attachScan(session, name, rebuild.batch, table, await currentTasks(deps, rebuild.batch, table))
  attached.add(name)
  return quoteName(name)
}

export async function attachIds(deps: LakeDeps, session: EngineSession, rebuild: Rebuild): Promise<void> {
  for (const relation of await idRelations(deps, rebuild)) await session.addRelation(relation)
}

/** The records that count; to tables of new records only the new ones. */
async function attachRecords(session: EngineSession, name: string, onlyNew: boolean): Promise<void> {
  const kept = onlyNew ? `SEMI JOIN ${NEW_IDS} n ON n.record_id = l._record_id` : ''
  await session.addRelation({ kind: 'query', name, sql: firstLanded(kept) })
}
