import type { EngineSession } from '../../engine/engine.js'
import { quoteName } from '../../engine/duckdb/sql-text.js'
import { tableTarget } from '../../engine/table-target.js'
import { FirnError } from '../../schemas/error.js'
import type { LakeDeps, RunControl } from '../../schemas/lake-deps.js'
import type { BuiltTables, PlannedBuild } from '../../schemas/messages.js'
import { sqlOf } from '../define/dependencies.js'
import { definitionFingerprint } from '../define/fingerprint.js'
import { attachBatch, attachCurrent, attachSource, attachUpstream } from './batch-relations.js'
import { definitionOf, loadedTable, openBatch, stageOf, type Batch } from './batch-state.js'
import { stageRows, stageSourceIds } from './stage-rows.js'

/**
 * Runs the SQL of some tables of a batch and stages their files; nothing is visible yet. What another attempt has staged
 * for the same plan is used as it is, so this can be killed and run again anywhere. Errors: EngineError of the SQL,
 * FirnError `stage-expired` (a table that these read is no longer staged: plan again), `cancelled`.
 */
export async function buildTables(
  deps: LakeDeps,
  plan: PlannedBuild,
  tables: readonly string[],
  control: RunControl = {},
): Promise<BuiltTables> {
  const batch = await openBatch(deps, plan)
  const wanted = batch.graph.order.filter((table) => tables.includes(table))
  await stageTables(deps, batch, wanted, control)
  return {
    tables: wanted.map((table) => {
      const { rows, files } = stageOf(batch, table)
      return { table, rows, files: files.length }
    }),
    duplicates: stageOf(batch, batch.idsTable).duplicates,
  }
}

/** Stages the tables of a batch, or of a part of one, that are not staged; `tables` in dependency order. */
export async function stageTables(
  deps: LakeDeps,
  batch: Batch,
  tables: readonly string[],
  control: RunControl,
): Promise<void> {
  const { pipeline, plan } = batch
  if (definitionFingerprint(pipeline).pipeline !== plan.fingerprint) {
    throw new FirnError(
      'stage-expired',
      `pipeline ${plan.pipeline} has another definition than batch ${plan.batch} was planned with; plan it again`,
    )
  }
  const { onlyNew } = batch.graph
  for (const group of sessionGroups(batch, tables, (table) => onlyNew.has(table)))
    await buildGroup(deps, batch, group, control)
}

/**
 * Tables that see the same relations (of one `kind`), one after another, share a session: the raw documents are parsed
 * once. To a table that reads itself its name means something else than to its readers, so a session ends with it.
 */
export function sessionGroups(
  batch: Batch,
  wanted: readonly string[],
  kind: (table: string) => unknown,
): readonly (readonly string[])[] {
  const groups: string[][] = []
  const { reads } = batch.graph
  for (const table of wanted) {
    if (batch.stages.has(table)) continue
    const group = groups.at(-1)
    const last = group?.at(-1)
    const fits = last !== undefined && kind(last) === kind(table) && !reads(last).itself
    if (fits) group?.push(table)
    else groups.push([table])
  }
  // The ids belong to every batch, also to one whose tables are all staged already.
  return groups.length === 0 && !batch.stages.has(batch.idsTable) ? [[]] : groups
}

async function buildGroup(
  deps: LakeDeps,
  batch: Batch,
  tables: readonly string[],
  { onProgress, signal }: RunControl,
): Promise<void> {
  const session = await deps.engine.openSession(signal === undefined ? {} : { signal })
  try {
    await attachBatch(session, batch)
    const readsSource = tables.some((table) => batch.graph.reads(table).source)
    if (readsSource || !batch.stages.has(batch.idsTable)) {
      onProgress?.(`reading rows ${batch.plan.inputFrom} to ${batch.plan.inputTo} of ${batch.source}`)
      await attachSource(deps, session, batch)
      await stageSourceIds(deps, session, batch)
    }
    const attached = new Set<string>()
    for (const table of tables) {
      stopIfAsked(batch, signal)
      const { rows, files } = await buildTable(deps, session, batch, table, attached)
      onProgress?.(`${table}: ${rows} rows in ${files} files`)
    }
  } finally {
    await session.close()
  }
}

async function buildTable(
  deps: LakeDeps,
  session: EngineSession,
  batch: Batch,
  table: string,
  attached: Set<string>,
): Promise<{ readonly rows: number; readonly files: number }> {
  await attachUpstream(deps, session, batch, table, attached)
  const { metadata } = loadedTable(batch, table)
  const written = await session.write(await rowsSql(deps, session, batch, table), {
    ...tableTarget(metadata),
    orderBy: definitionOf(batch, table).key,
  })
  const { rows, files } = await stageRows(deps, batch, table, written)
  return { rows, files: files.length }
}

/** Insert-new without `newBy` leaves out the rows whose key the table has already. */
async function rowsSql(deps: LakeDeps, session: EngineSession, batch: Batch, table: string): Promise<string> {
  const { sql = '', write, key } = definitionOf(batch, table)
  const text = sqlOf(batch.pipeline, sql)
  if (write !== 'insert-new' || batch.graph.onlyNew.has(table)) return text
  const current = await attachCurrent(deps, session, batch, table)
  const columns = key.map(quoteName).join(', ')
  return `SELECT * FROM (\n${text}\n) AS _rows ANTI JOIN ${current} USING (${columns})`
}

function stopIfAsked(batch: Batch, signal: AbortSignal | undefined): void {
  if (signal?.aborted !== true) return
  throw new FirnError(
    'cancelled',
    `batch ${batch.plan.batch} was stopped as asked; what is staged stays usable`,
  )
}
