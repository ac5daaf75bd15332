import { inspectSql } from '../../engine/duckdb/inspect-sql.js'
import { quoteName, quoteText } from '../../engine/duckdb/sql-text.js'
import type { EngineSession } from '../../engine/engine.js'
import { formatIdentifier, parseIdentifier, type TableIdentifier } from '../../iceberg/catalog/catalog.js'
import type { FileIO } from '../../iceberg/io/file-io.js'
import { planScan } from '../../iceberg/scan/plan-scan.js'
import { currentSchema } from '../../iceberg/spec/schema.js'
import type { TableMetadata } from '../../iceberg/spec/table-metadata.js'
import { FirnError } from '../../schemas/error.js'
import type { LakeDeps } from '../../schemas/lake-deps.js'
import type { ResolvedRows } from './resolved-view.js'

/** A table as of one snapshot. */
export interface PinnedTable {
  readonly metadata: TableMetadata
  /** Undefined: nothing was written to it yet. */
  readonly snapshotId: string | undefined
  readonly io: FileIO
}

/** By `namespace.table`. */
export type PinnedTables = ReadonlyMap<string, PinnedTable>

/** Tables at given snapshots (`namespace.table` → snapshot id), in one catalog read. */
export async function pinnedTables(
  { catalog }: Pick<LakeDeps, 'catalog'>,
  snapshots: Readonly<Record<string, string>>,
): Promise<PinnedTables> {
  const tables = await catalog.loadTables(Object.keys(snapshots).map(parseIdentifier))
  return new Map(
    tables.map(({ identifier, metadata }) => {
      const name = formatIdentifier(identifier)
      return [name, { metadata, snapshotId: snapshots[name], io: catalog.io }]
    }),
  )
}

/**
 * Makes a view's rows a relation of the session. Those of a table are read where they are used; those of SQL are computed
 * once. SQL sees the tables that it says it reads, by their plain names, its parameters, and nothing else of the session.
 * The tables themselves become relations `namespace.table`, each once.
 */
export async function addRows(
  session: EngineSession,
  {
    name,
    rows,
    tables,
  }: { readonly name: string; readonly rows: ResolvedRows; readonly tables: PinnedTables },
): Promise<void> {
  if (rows.kind === 'table') {
    await addTable(session, rows.table, tables)
    const sql = `SELECT * FROM ${relationSql(formatIdentifier(rows.table))}`
    await session.addRelation({ kind: 'query', name, sql, lazy: true })
    return
  }
  await refuseOtherNames(name, rows)
  for (const table of rows.reads) await addTable(session, table, tables)
  await session.addRelation({ kind: 'query', name, sql: isolatedSql(rows) })
}

/** A relation's name as SQL says it; it may hold one dot. */
export function relationSql(name: string): string {
  return name.split('.').map(quoteName).join('.')
}

type SqlRows = Extract<ResolvedRows, { readonly kind: 'sql' }>

/** Names that the text can mean are those of expressions around it, so that views of one session don't see each other's. */
function isolatedSql({ sql, reads, parameters }: SqlRows): string {
  const relations = reads.map(
    (table) =>
      `${quoteName(table.name)} AS NOT MATERIALIZED (SELECT * FROM ${relationSql(formatIdentifier(table))})`,
  )
  const columns = Object.entries(parameters ?? {}).map(
    ([parameter, value]) => `${parameterSql(value)} AS ${quoteName(parameter)}`,
  )
  if (columns.length > 0) relations.push(`parameters AS (SELECT ${columns.join(', ')})`)
  const text = `SELECT * FROM (\n${sql}\n)`
  return relations.length === 0 ? text : `WITH ${relations.join(',\n')}\n${text}`
}

/** Whole numbers are BIGINT, others DOUBLE: without a cast SQL would take 0.25 for a decimal. */
function parameterSql(value: number | string): string {
  if (typeof value === 'string') return `CAST(${quoteText(value)} AS VARCHAR)`
  return `CAST(${quoteText(String(value))} AS ${Number.isSafeInteger(value) ? 'BIGINT' : 'DOUBLE'})`
}

async function refuseOtherNames(name: string, { sql, reads, parameters }: SqlRows): Promise<void> {
  const { statementType, tables, tableFunctions } = await inspectSql(sql)
  if (statementType !== 'select') {
    throw new FirnError(
      'config',
      `the SQL of ${name} must be one SELECT: views read, they don't change anything.`,
    )
  }
  const known = [...reads.map((table) => table.name), ...(parameters === undefined ? [] : ['parameters'])]
  const others = tables.filter((table) => !known.includes(table))
  if (others.length > 0) {
    throw new FirnError(
      'config',
      `the SQL of ${name} reads ${others.join(', ')}, but says that it reads ${known.join(', ') || 'nothing'}. Add what is missing to \`reads\`, by its plain name.`,
    )
  }
  const refused = tableFunctions.filter((called) => !ROW_MAKERS.has(called.toLowerCase()))
  if (refused.length === 0) return
  throw new FirnError(
    'config',
    `the SQL of ${name} calls ${refused.join(', ')}: a view reads tables of its pipeline only, so that they can be pinned. Land that data as a table.`,
  )
}

/** Table functions that make rows from their arguments alone. */
const ROW_MAKERS = new Set(['unnest', 'range', 'generate_series', 'json_each', 'json_tree'])

const added = new WeakMap<EngineSession, Map<string, PinnedTable>>()

async function addTable(session: EngineSession, table: TableIdentifier, tables: PinnedTables): Promise<void> {
  const name = formatIdentifier(table)
  const pinned = tables.get(name)
  if (pinned === undefined) {
    const known = [...tables.keys()].sort().join(', ') || 'none'
    throw new FirnError(
      'definition-changed',
      `table ${name} is read now, but is not pinned; pinned are: ${known}. Pin again.`,
    )
  }
  const here = added.get(session) ?? new Map<string, PinnedTable>()
  added.set(session, here)
  const before = here.get(name)
  if (before === undefined) {
    here.set(name, pinned)
    await session.addRelation({ kind: 'scan', name, ...(await scanOf(pinned)), metadata: pinned.metadata })
  } else if (before.snapshotId !== pinned.snapshotId) {
    throw new FirnError(
      'config',
      `table ${name} is in this session at snapshot ${String(before.snapshotId)} and can't be at ${String(pinned.snapshotId)} as well. Open another session.`,
    )
  }
}

async function scanOf({ metadata, io, snapshotId }: PinnedTable) {
  if (snapshotId === undefined) return { schema: currentSchema(metadata), tasks: [] }
  const target = { kind: 'snapshot', snapshotId: BigInt(snapshotId) } as const
  const { schema, tasks } = await planScan({ metadata, io, target, metrics: 'filter' })
  return { schema, tasks }
}
