import { planScan } from '../../iceberg/scan/plan-scan.js'
import type { FileScanTask } from '../../iceberg/scan/scan-plan.js'
import type { DataFile } from '../../iceberg/spec/data-file.js'
import { currentSchema } from '../../iceberg/spec/schema.js'
import type { Schema } from '../../iceberg/spec/type.js'
import { partitionMatcher } from '../../iceberg/write/partition-match.js'
import type { EngineSession } from '../../engine/engine.js'
import { batchTimes, parseBatchId } from '../../schemas/batch.js'
import { FirnError } from '../../schemas/error.js'
import type { LakeDeps } from '../../schemas/lake-deps.js'
import { BATCH_COLUMNS, ENVELOPE_COLUMNS } from '../../schemas/lake-tables.js'
import { parseDocumentSchema, parseTableSchema } from '../../schemas/table-schema.js'
import { readLedger, type LedgerRow } from '../land/ledger.js'
import { refuseRemovedRaw } from '../land/raw-kept-from.js'
import { rawObjectsOf } from '../land/raw-objects.js'
import { tasksOf } from '../staging/staged-tasks.js'
import { definitionOf, loadedTable, stageOf, type Batch } from './batch-state.js'

/** Every record of the range, duplicates too. */
export const LANDED = '_landed'
/** Record ids that earlier batches have built. */
export const BUILT_IDS = '_built_ids'
/** Of a batch in parts: ids that a part has, and which part, though the record that counts is in another. */
export const LOST_IDS = parseTableSchema({ record_id: 'string!', part: 'int!' })

/** `batch`: one row that says which batch this is. */
export async function attachBatch(session: EngineSession, { plan }: Pick<Batch, 'plan'>): Promise<void> {
  const { batch, pipeline } = plan
  const { timestamp, date } = batchTimes(parseBatchId(batch))
  const row = { batch_id: batch, pipeline, processing_timestamp: timestamp, processing_date: date }
  await session.addRelation({
    kind: 'rows',
    name: 'batch',
    schema: parseTableSchema(BATCH_COLUMNS),
    rows: [row],
  })
}

/** The records of the range as landed, and the ids built before. */
export async function attachSource(deps: LakeDeps, session: EngineSession, batch: Batch): Promise<void> {
  await attachDocuments(deps, session, batch)
  if (batch.graph.onlyNew.size > 0 && !batch.stages.has(batch.idsTable))
    await attachBuiltIds(deps, session, batch)
}

/** The records of the range as landed. */
export async function attachDocuments(deps: LakeDeps, session: EngineSession, batch: Batch): Promise<void> {
  const { pipeline, source } = batch
  const definition = pipeline.sources[source]
  if (definition === undefined)
    throw new FirnError('not-found', `pipeline ${pipeline.name} has no source ${source}`)
  const ledger = batch.part?.rows ?? (await batchRows(deps, batch))
  await attachLanded(session, ledger, parseDocumentSchema(definition.schema))
}

/** Rows of the ledger that the batch reads. */
export async function batchRows(deps: LakeDeps, { ledger, plan }: Batch): Promise<readonly LedgerRow[]> {
  refuseRemovedRaw(ledger, plan.inputFrom)
  return await readLedger(deps, ledger, { rowFrom: plan.inputFrom, rowEnd: plan.inputTo })
}

/** Without `documents` only the envelopes are read. */
export async function attachLanded(
  session: EngineSession,
  rows: readonly LedgerRow[],
  documents: Schema = { type: 'struct', 'schema-id': 0, fields: [] },
): Promise<void> {
  await session.addRelation({
    kind: 'raw',
    name: LANDED,
    schema: documents,
    envelope: parseTableSchema(ENVELOPE_COLUMNS),
    objects: rawObjectsOf(rows),
  })
}

export async function attachBuiltIds(deps: LakeDeps, session: EngineSession, batch: Batch): Promise<void> {
  await attachScan(session, BUILT_IDS, batch, batch.idsTable, await currentTasks(deps, batch, batch.idsTable))
}

/**
 * The relations that a table's SQL names. To a table with `newBy`, its source is the records that are new and tables of
 * the same kind are what this batch adds to them; to any other, its source is the batch's records and a table is its
 * current state with what the batch adds. `attached`: what the session has already; it grows.
 */
export async function attachUpstream(
  deps: LakeDeps,
  session: EngineSession,
  batch: Batch,
  table: string,
  attached: Set<string>,
): Promise<void> {
  const { graph } = batch
  const { source, tables, itself } = graph.reads(table)
  const onlyNew = graph.onlyNew.has(table)
  if (source && !attached.has(batch.source)) {
    await attachRecords(session, batch, onlyNew)
    attached.add(batch.source)
  }
  const names = itself ? [...tables, table] : tables
  for (const name of names.filter((upstream) => !attached.has(upstream))) {
    const staged = name !== table && graph.order.includes(name) ? stageOf(batch, name).files : []
    const isAdded = onlyNew && graph.onlyNew.has(name) && name !== table
    const current = isAdded ? [] : await currentTasks(deps, batch, name)
    const tasks = [...withoutReplaced(batch, name, current, staged), ...tasksOf(staged)]
    await attachScan(session, name, batch, name, tasks)
    attached.add(name)
  }
}

/** The rows that a table has now, under a name of their own. */
export async function attachCurrent(
  deps: LakeDeps,
  session: EngineSession,
  batch: Batch,
  table: string,
): Promise<string> {
  const name = `_current_${table}`
  await attachScan(session, name, batch, table, await currentTasks(deps, batch, table))
  return name
}

export async function currentTasks(
  deps: Pick<LakeDeps, 'catalog'>,
  batch: Batch,
  table: string,
): Promise<readonly FileScanTask[]> {
  const { metadata } = loadedTable(batch, table)
  return (await planScan({ metadata, io: deps.catalog.io })).tasks
}

/** What is left of a table's files where a batch replaces the partitions that it writes. */
export function withoutReplaced(
  batch: Batch,
  table: string,
  current: readonly FileScanTask[],
  staged: Parameters<typeof partitionMatcher>[1],
): readonly FileScanTask[] {
  if (batch.graph.order.includes(table) && definitionOf(batch, table).write !== 'overwrite-partitions')
    return current
  const relation = partitionMatcher(loadedTable(batch, table).metadata['partition-specs'], staged)
  return current.filter((task) => relation(task.file) !== 'inside')
}

/** The records that count: of equal ones the first, in the order that they were landed in; to `onlyNew` none built before. */
async function attachRecords(session: EngineSession, batch: Batch, onlyNew: boolean): Promise<void> {
  const { duplicates, files } = stageOf(batch, batch.idsTable)
  const common = { kind: 'query' as const, name: batch.source }
  if (duplicates === 0) {
    await session.addRelation({ ...common, sql: `SELECT * FROM ${LANDED}`, lazy: true })
    return
  }
  if (onlyNew) await attachScan(session, '_new_ids', batch, batch.idsTable, tasksOf(files))
  if (batch.part !== undefined) await attachIdFiles(session, '_elsewhere', LOST_IDS, batch.part.lost)
  const kept = [
    ...(onlyNew ? ['SEMI JOIN _new_ids n ON n.record_id = l._record_id'] : []),
    ...(batch.part === undefined
      ? []
      : [`ANTI JOIN _elsewhere e ON e.record_id = l._record_id AND e.part = ${batch.part.number}`]),
  ].join(' ')
  await session.addRelation({ ...common, sql: firstLanded(kept) })
}

/** Of equal records the first, in the order that they were landed in. `kept`: joins of the records, which are `l`. */
export function firstLanded(kept: string): string {
  const order = 'ORDER BY l._offset, l._partition, l._path'
  return `SELECT l.* FROM ${LANDED} l ${kept} QUALIFY row_number() OVER (PARTITION BY l._record_id ${order}) = 1`
}

/** Ids of a batch in parts, which are files of no table. */
export async function attachIdFiles(
  session: EngineSession,
  name: string,
  schema: Schema,
  files: readonly DataFile[],
): Promise<void> {
  await session.addRelation({ kind: 'scan', name, schema, tasks: tasksOf(files) })
}

export async function attachScan(
  session: EngineSession,
  name: string,
  batch: Batch,
  table: string,
  tasks: readonly FileScanTask[],
): Promise<void> {
  const { metadata } = loadedTable(batch, table)
  await session.addRelation({ kind: 'scan', name, schema: currentSchema(metadata), tasks, metadata })
}
