import type { LoadedTable } from '../../iceberg/catalog/catalog.js'
import { formatIdentifier } from '../../iceberg/catalog/catalog.js'
import { alwaysTrue } from '../../iceberg/expr/expression.js'
import type { DataFile } from '../../iceberg/spec/data-file.js'
import { ancestorsOf, headOf } from '../../iceberg/spec/refs.js'
import { currentSchema } from '../../iceberg/spec/schema.js'
import { partitionMatcher } from '../../iceberg/write/partition-match.js'
import type { Change } from '../../iceberg/write/table-change.js'
import { quoteName } from '../../engine/duckdb/sql-text.js'
import { computeOnce, type Basis, type ComputedChange } from '../../engine/table/compute-change.js'
import { replaceRows } from '../../engine/table/delete-rows.js'
import { addTarget, planTarget } from '../../engine/table/target-rows.js'
import type { Condition } from '../../engine/table/table.js'
import { FirnError } from '../../schemas/error.js'
import type { LakeDeps } from '../../schemas/lake-deps.js'
import { definitionOf, loadedTable, stageOf } from '../features/batch-state.js'
import { tasksOf } from '../staging/staged-tasks.js'
import { isByKey } from './choose-tables.js'
import { idRelations, rowsOfBatches, type Rebuild, type RowsOfBatches } from './open-rebuild.js'
import { dropsRest, readsSourceAlone } from './rebuild-relations.js'

/**
 * The rows of a table that the batch made before go, those that are staged come: one change, from the table as it is now.
 * Errors: `rebuild-needed` where others changed rows that the staged ones were computed from.
 */
export async function replaceBatch(deps: LakeDeps, rebuild: Rebuild, table: string): Promise<Change> {
  const { batch } = rebuild
  const loaded = loadedTable(batch, table)
  const { files } = stageOf(batch, table)
  const isPartitions = definitionOf(batch, table).write === 'overwrite-partitions'
  if (isPartitions || isByKey(batch.pipeline, table)) refuseChanged(rebuild, table, loaded)
  const rows = rowsOfBatches(rebuild, table)
  const { change } = await computeOnce(
    { ...deps, identifier: loaded.identifier },
    {},
    loaded,
    (basis): Promise<ComputedChange> =>
      isPartitions
        ? replacePartitions(deps, rebuild, { table, basis, rows })
        : goneRows(deps, rebuild, { table, basis, rows }).then((where) =>
            replaceRows(basis, where, files, STRICT),
          ),
  )
  return change
}

const STRICT = { isolation: 'serializable' } as const

interface Target {
  readonly table: string
  readonly basis: Basis
  readonly rows: RowsOfBatches | undefined
}

/** Which rows go: the batch's own, and where later batches are built again after it, rows of those with its keys. */
async function goneRows(
  deps: LakeDeps,
  rebuild: Rebuild,
  { table, basis, rows }: Target,
): Promise<Condition> {
  const { batch, plan } = rebuild
  if (rows === undefined) throw new FirnError('invalid-input', `rows of ${table} do not say their batch`)
  const takesKeys = plan.mode === 'forward' && isByKey(batch.pipeline, table)
  if (rows.filter !== alwaysTrue && !takesKeys && !isByKey(batch.pipeline, table)) return rows.filter
  const relations = await idRelations(deps, rebuild)
  if (!takesKeys) return { sql: rows.ofBatch, relations }
  const key = definitionOf(batch, table).key.map(quoteName).join(', ')
  const staged = {
    kind: 'scan',
    name: '_staged',
    schema: currentSchema(basis.metadata),
    tasks: tasksOf(stageOf(batch, table).files),
  } as const
  const sql = `${rows.ofBatch} OR (${rows.ofLater} AND (${key}) IN (SELECT (${key}) FROM _staged))`
  return { sql, relations: [...relations, staged] }
}

/** The partitions that are staged are replaced; of the others, rows of the batch go where nothing else can be in them. */
async function replacePartitions(
  deps: LakeDeps,
  rebuild: Rebuild,
  { table, basis, rows }: Target,
): Promise<ComputedChange> {
  const { files } = stageOf(rebuild.batch, table)
  const plain: Change = { kind: 'overwrite-partitions', files, basis: basis.head }
  const added = { added: 0, updated: 0, deleted: 0 }
  const relation = partitionMatcher(basis.metadata['partition-specs'], files)
  const isInside = (file: DataFile): boolean => files.length > 0 && relation(file) === 'inside'
  const session = await basis.session()
  for (const known of await idRelations(deps, rebuild)) await session.addRelation(known)
  if (rebuild.plan.mode === 'alone' && readsSourceAlone(rebuild, table))
    await refuseLaterRows(rebuild, { table, basis, rows }, isInside)
  if (rows === undefined || !dropsRest(rebuild, table)) return { change: plain, rows: added }
  return await replaceRows(basis, { sql: rows.ofBatch }, files, { ...STRICT, whole: isInside })
}

/** A partition that is computed from a batch's input alone holds the rows of whoever wrote it last: not of this batch. */
async function refuseLaterRows(
  rebuild: Rebuild,
  { table, basis, rows }: Target,
  isInside: (file: DataFile) => boolean,
): Promise<void> {
  if (rebuild.later.length === 0) return
  const tasks = (await planTarget(basis, alwaysTrue)).filter(({ file }) => isInside(file))
  if (tasks.length === 0) return
  const session = await basis.session()
  const now = await addTarget(basis, '_replaced', tasks)
  const { rows: found } = await session.query(
    `SELECT 1 AS hit FROM ${now} WHERE ${rows?.ofLater ?? 'true'} LIMIT 1`,
  )
  if (found.length === 0) return
  throw new FirnError(
    'invalid-input',
    `table ${table}: partitions that batch ${rebuild.plan.rebuilds} writes from its input alone ${rows === undefined ? 'may have been' : 'have been'} written by later batches since, whose rows would be lost: rebuild it with --forward, which builds those again too`,
    { context: { table, batch: rebuild.plan.rebuilds } },
  )
}

/** What was staged may be replaced only by what it was computed from: others' compactions are no change of rows. */
function refuseChanged(rebuild: Rebuild, table: string, { metadata, identifier }: LoadedTable): void {
  const basis = stageOf(rebuild.batch, table).basisSnapshotId
  const head = headOf(metadata)
  for (const snapshot of head === undefined ? [] : ancestorsOf(metadata, head['snapshot-id'])) {
    if (String(snapshot['snapshot-id']) === basis) return
    if (snapshot.summary?.operation !== 'replace') break
  }
  if (head === undefined && basis === null) return
  const name = formatIdentifier(identifier)
  throw new FirnError(
    'rebuild-needed',
    `${name} was changed by others while batch ${rebuild.plan.rebuilds} was computed again`,
    { context: { tables: [name] } },
  )
}
