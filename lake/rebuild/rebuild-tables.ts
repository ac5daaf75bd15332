import type { EngineSession, WrittenFiles } from '../../engine/engine.js'
import { quoteName, quoteText } from '../../engine/duckdb/sql-text.js'
import { tableTarget } from '../../engine/table-target.js'
import { FirnError } from '../../schemas/error.js'
import type { LakeDeps, RunControl } from '../../schemas/lake-deps.js'
import type { BuiltTables } from '../../schemas/messages.js'
import type { RebuildPlan } from '../../schemas/rebuild-messages.js'
import { sqlOf } from '../define/dependencies.js'
import { definitionFingerprint } from '../define/fingerprint.js'
import { attachBatch, LANDED } from '../features/batch-relations.js'
import { definitionOf, loadedTable, stageOf } from '../features/batch-state.js'
import { sessionGroups } from '../features/build-tables.js'
import { stageRows } from '../features/stage-rows.js'
import { stageOnSpark, type SparkBuildKind } from '../spark/build-on-spark.js'
import { engineRuns } from '../spark/engine-of.js'
import { BATCH_COLUMN, isByKey } from './choose-tables.js'
import { ALL_IDS, openRebuild, rowsOfBatches, type Rebuild } from './open-rebuild.js'
import { planSparkRebuild } from './plan-spark-rebuild.js'
import {
  attachIds,
  attachLanded,
  attachNow,
  attachReads,
  kindOf,
  NEW_IDS,
  ofOthers,
} from './rebuild-relations.js'

/**
 * Runs the SQL of the tables that are built again over the input of their batch, and stages what it gives under the
 * rebuild's id; nothing is visible yet. What another attempt has staged for the same plan is used as it is. Errors: as
 * `buildTables`.
 */
export async function rebuildTables(
  deps: LakeDeps,
  plan: RebuildPlan,
  control: RunControl = {},
): Promise<BuiltTables> {
  const rebuild = await openRebuild(deps, plan)
  const { batch } = rebuild
  if (definitionFingerprint(batch.pipeline).pipeline !== plan.build.fingerprint) {
    throw new FirnError(
      'stage-expired',
      `pipeline ${plan.build.pipeline} has another definition than the rebuild of ${plan.rebuilds} was planned with; plan it again`,
    )
  }
  const wanted = plan.tables.map(({ table }) => table)
  await stageRebuilt(deps, rebuild, wanted, control)
  return {
    tables: wanted.map((table) => {
      const { rows, files } = stageOf(batch, table)
      return { table, rows, files: files.length }
    }),
    duplicates: stageOf(batch, batch.idsTable).duplicates,
  }
}

/** Each table by its engine; the ids, which are seldom new, by DuckDB. */
async function stageRebuilt(
  deps: LakeDeps,
  rebuild: Rebuild,
  tables: readonly string[],
  control: RunControl,
): Promise<void> {
  const { batch } = rebuild
  const onSpark: SparkBuildKind = {
    plan: (_, ...of) => planSparkRebuild(deps, rebuild, ...of),
    appends: true,
  }
  const reads = (table: string): readonly string[] => batch.graph.reads(table).tables
  for (const run of engineRuns(deps, batch.pipeline, tables, reads)) {
    const isSpark = run.engine === 'spark'
    for (const group of sessionGroups(batch, isSpark ? [] : run.tables, (table) => kindOf(rebuild, table)))
      await buildGroup(deps, rebuild, group, control)
    if (isSpark) await stageOnSpark(deps, batch, run.tables, control, onSpark)
  }
}

async function buildGroup(
  deps: LakeDeps,
  rebuild: Rebuild,
  tables: readonly string[],
  { onProgress, signal }: RunControl,
): Promise<void> {
  const { batch, plan } = rebuild
  const session = await deps.engine.openSession(signal === undefined ? {} : { signal })
  try {
    // The rows are the batch's own, whatever this run of it is called.
    await attachBatch(session, { plan: { ...plan.build, batch: plan.rebuilds } })
    await attachIds(deps, session, rebuild)
    const isFirst = !batch.stages.has(batch.idsTable)
    if (isFirst || tables.some((table) => batch.graph.reads(table).source)) {
      onProgress?.(`reading rows ${plan.build.inputFrom} to ${plan.build.inputTo} of ${batch.source}`)
      await attachLanded(deps, session, rebuild)
      if (isFirst) await stageIds(deps, session, rebuild)
    }
    const attached = new Set<string>()
    for (const table of tables) {
      if (signal?.aborted === true)
        throw new FirnError('cancelled', `the rebuild of ${plan.rebuilds} was stopped as asked`)
      await attachReads(deps, session, rebuild, table, attached)
      const { metadata } = loadedTable(batch, table)
      const written = await session.write(await rowsSql(deps, session, rebuild, table, attached), {
        ...tableTarget(metadata),
        orderBy: definitionOf(batch, table).key,
      })
      await stageRows(deps, batch, table, written)
      onProgress?.(`${table}: ${written.rows} rows in ${written.files.length} files`)
    }
  } finally {
    await session.close()
  }
}

/** Insert-new by key leaves out keys that rows of other batches have; those of later ones only where they stay. */
async function rowsSql(
  deps: LakeDeps,
  session: EngineSession,
  rebuild: Rebuild,
  table: string,
  attached: Set<string>,
): Promise<string> {
  const { batch, plan } = rebuild
  const { sql = '', key } = definitionOf(batch, table)
  const text = sqlOf(batch.pipeline, sql)
  const rows = rowsOfBatches(rebuild, table)
  if (!isByKey(batch.pipeline, table) || rows === undefined) return text
  const now = await attachNow(deps, session, rebuild, table, attached)
  const columns = key.map(quoteName).join(', ')
  const others = ofOthers(rebuild, table, { later: plan.mode === 'alone' })
  return `SELECT * FROM (\n${text}\n) AS _rows
    ANTI JOIN (SELECT ${columns} FROM ${now} WHERE ${others}) AS _others USING (${columns})`
}

/**
 * The batch's record ids are as they were. Only where none are recorded, since no table asked for them when it was built,
 * are they added.
 */
async function stageIds(deps: LakeDeps, session: EngineSession, rebuild: Rebuild): Promise<void> {
  const { batch, plan } = rebuild
  const id = quoteText(plan.rebuilds)
  const { rows } = await session.query(
    `SELECT (SELECT count(*) FROM ${LANDED}) AS landed, (SELECT count(*) FROM ${NEW_IDS}) AS fresh,
       (SELECT count(*) FROM ${ALL_IDS} WHERE ${BATCH_COLUMN} = ${id}) AS recorded`,
  )
  const count = (name: string): number => Number(rows[0]?.[name] ?? 0)
  const isRecorded = count('recorded') > 0 || batch.graph.onlyNew.size === 0
  const { metadata } = loadedTable(batch, batch.idsTable)
  const written: WrittenFiles = isRecorded
    ? { files: [], rows: 0 }
    : await session.write(`SELECT record_id, ${id} AS ${BATCH_COLUMN} FROM ${NEW_IDS}`, {
        ...tableTarget(metadata),
        orderBy: ['record_id'],
      })
  const duplicates = count('landed') - count('fresh')
  await stageRows(deps, batch, batch.idsTable, { ...written, duplicates })
}
