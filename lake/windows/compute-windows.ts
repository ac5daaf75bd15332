import { quoteName } from '../../engine/duckdb/sql-text.js'
import type { EngineSession } from '../../engine/engine.js'
import { deleteRows } from '../../engine/table/delete-rows.js'
import { tableTarget } from '../../engine/table-target.js'
import { formatIdentifier } from '../../iceberg/catalog/catalog.js'
import { isIn } from '../../iceberg/expr/expression.js'
import { headOf } from '../../iceberg/spec/refs.js'
import { currentSchema } from '../../iceberg/spec/schema.js'
import type { DataFile } from '../../iceberg/spec/data-file.js'
import type { Change } from '../../iceberg/write/table-change.js'
import { FirnError } from '../../schemas/error.js'
import type { LakeDeps } from '../../schemas/lake-deps.js'
import type { Pipeline } from '../../schemas/pipeline.js'
import { sqlOf } from '../define/dependencies.js'
import { WINDOW_END } from '../define/window-problems.js'
import type { WindowRecords } from './window-records.js'
import type { WindowTable } from './window-table.js'

/** A table's windows computed anew; the files are written, nothing is visible. */
export interface ComputedWindows {
  readonly table: WindowTable
  readonly change: Change
  readonly windows: number
  readonly rows: number
  readonly late: number
}

/**
 * Runs a table's SQL over the records of the windows and replaces exactly these windows' rows. Their new rows lie in files of
 * their own, apart from those of other windows that had to be written again: those are closed soon, and not touched any more.
 */
export async function computeWindows(
  deps: LakeDeps,
  pipeline: Pipeline,
  table: WindowTable,
  records: WindowRecords,
): Promise<ComputedWindows> {
  const { session, windowEndsMs, late } = records
  const common = { table, late, windows: windowEndsMs.length }
  if (windowEndsMs.length === 0) return { ...common, rows: 0, change: { kind: 'append', files: [] } }
  const rows = await computeRows(session, pipeline, table, windowEndsMs)
  const { metadata } = table.loaded
  const written = await session.write(`SELECT * FROM ${rows}`, {
    ...tableTarget(metadata),
    orderBy: table.definition.key,
  })
  return {
    ...common,
    rows: written.rows,
    change: await replaceWindows(deps, table, windowEndsMs, written.files),
  }
}

/** The new rows as a table of the session, one a key, each of a window that is computed; gives back its name, quoted. */
async function computeRows(
  session: EngineSession,
  pipeline: Pipeline,
  { name, definition, loaded }: WindowTable,
  windowEndsMs: readonly number[],
): Promise<string> {
  const work = `_firn_rows_${name}`
  const rows = quoteName(work)
  await session.addRelation({ kind: 'query', name: work, sql: sqlOf(pipeline, definition.sql ?? '') })
  const columns = definition.key.map(quoteName).join(', ')
  const isNull = definition.key.map((column) => `${quoteName(column)} IS NULL`).join(' OR ')
  const ends = windowEndsMs.map((endMs) => endMs * 1000).join(', ')
  const { rows: found } = await session.query(
    `SELECT count(*) FILTER (WHERE ${isNull})::DOUBLE AS without,
       count(*) FILTER (WHERE epoch_us(${WINDOW_END}) NOT IN (${ends}))::DOUBLE AS strange,
       (SELECT count(*) FROM (SELECT 1 FROM ${rows} GROUP BY ${columns} HAVING count(*) > 1))::DOUBLE AS doubled
     FROM ${rows}`,
  )
  const problems = [
    [found[0]?.['without'], `have no value in a column of the key (${definition.key.join(', ')})`],
    [
      found[0]?.['strange'],
      `have a ${WINDOW_END} that is not the _window_end of any record: give _window_end AS ${WINDOW_END}`,
    ],
    [found[0]?.['doubled'], `keys (${definition.key.join(', ')}) come more than once: group by the key`],
  ] as const
  const wrong = problems.filter(([count]) => Number(count ?? 0) > 0)
  if (wrong.length === 0) return rows
  throw new FirnError(
    'check-failed',
    `window table ${formatIdentifier(loaded.identifier)}: of the rows that its SQL gives ` +
      `${wrong.map(([count, what]) => `${Number(count)} ${what}`).join('; ')}. Nothing was written.`,
  )
}

async function replaceWindows(
  deps: LakeDeps,
  { loaded, mode }: WindowTable,
  windowEndsMs: readonly number[],
  files: readonly DataFile[],
): Promise<Change> {
  const { metadata, identifier } = loaded
  const head = headOf(metadata)?.['snapshot-id'] ?? null
  const filter = isIn(
    WINDOW_END,
    windowEndsMs.map((endMs) => BigInt(endMs) * 1000n),
  )
  const added: Change = {
    ...{ kind: 'row-delta', removed: [], added: files, deletes: [], deletedFrom: [] },
    ...{ filter, isolation: 'serializable', basis: head },
  }
  if (head === null) return added
  const session = await deps.engine.openSession()
  try {
    const { change } = await deleteRows(
      {
        context: { ...deps, identifier },
        metadata,
        schema: currentSchema(metadata),
        head,
        target: { kind: 'head' },
        session: () => Promise.resolve(session),
      },
      filter,
      { mode, isolation: 'serializable' },
    )
    return change.kind === 'row-delta' ? { ...change, added: [...change.added, ...files] } : added
  } finally {
    await session.close()
  }
}
