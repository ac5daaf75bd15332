import type { LoadedTable } from '../../iceberg/catalog/catalog.js'
import { formatIdentifier, parseIdentifier } from '../../iceberg/catalog/catalog.js'
import { isIcebergError } from '../../iceberg/error.js'
import { metadataTable } from '../../iceberg/inspect/metadata-table.js'
import { planScan } from '../../iceberg/scan/plan-scan.js'
import type { ScanTarget } from '../../iceberg/scan/scan-plan.js'
import { inspectSql, type SqlInspection } from '../../engine/duckdb/inspect-sql.js'
import type { QueryResult, Relation, Row } from '../../engine/engine.js'
import { FirnError } from '../../schemas/error.js'
import type { LakeDeps } from '../../schemas/lake-deps.js'
import { nearNames } from './near-names.js'
import { tableNames } from './table-names.js'

export interface SqlRequest {
  /** One SELECT; tables are named `namespace.table`, what they say of themselves `namespace.table$snapshots`. */
  readonly sql: string
  /** Tag, branch or snapshot id to read every table at. */
  readonly at?: string
  /** Largest number of rows; more is an EngineError `too-many-rows`. */
  readonly limit?: number
}

/** Table functions that make rows from their arguments alone; all others could reach files or the engine's insides. */
const HARMLESS_FUNCTIONS = new Set(['unnest', 'range', 'generate_series', 'json_each', 'json_tree'])

/**
 * Runs one SELECT over the lake's tables, all of them as one catalog read shows them, or all at one tag. It sees these
 * relations and nothing else: no files, no settings. Errors: FirnError `invalid-input`, `not-found`; EngineError.
 */
export async function runSql(deps: LakeDeps, { sql, at, limit }: SqlRequest): Promise<QueryResult> {
  const { tables: names, rowsNeeded } = await inspect(sql)
  const tables = await loadNamed(deps, names)
  const isBranch = at !== undefined && tables.some(({ table }) => table.metadata.refs[at]?.type === 'branch')
  const session = await deps.engine.openSession()
  try {
    for (const { table, metadataTable: name } of tables) {
      const { metadata } = table
      const target = targetOf(table, at, isBranch)
      if (name !== undefined) {
        await session.addRelation(await metadataRelation(deps, table, name, target))
        continue
      }
      const plan = await planAt(deps, table, target, rowsNeeded)
      await session.addRelation({
        kind: 'scan',
        name: formatIdentifier(table.identifier),
        schema: plan.schema,
        tasks: metadata.snapshots.length === 0 ? [] : plan.tasks,
        metadata,
      })
    }
    return await session.query(sql, limit === undefined ? {} : { limit })
  } finally {
    await session.close()
  }
}

async function inspect(sql: string): Promise<SqlInspection> {
  const inspection = await inspectSql(sql)
  const { statementType, tableFunctions } = inspection
  if (statementType !== 'select') {
    throw new FirnError('invalid-input', 'only a SELECT can be run here: SQL does not change the lake')
  }
  const refused = tableFunctions.filter((name) => !HARMLESS_FUNCTIONS.has(name.toLowerCase()))
  if (refused.length > 0) {
    throw new FirnError(
      'invalid-input',
      `${refused.join(', ')} can't be used here: SQL reads the lake's tables only, named namespace.table`,
    )
  }
  return inspection
}

interface NamedTable {
  readonly table: LoadedTable
  /** `snapshots` where the text says `namespace.table$snapshots`. */
  readonly metadataTable: string | undefined
}

/** Each table once, whatever of it is named; all as one catalog read shows them. */
async function loadNamed(deps: LakeDeps, names: readonly string[]): Promise<readonly NamedTable[]> {
  const wanted = names.map((name) => {
    const dollar = name.lastIndexOf('$')
    return dollar < 0 ? { name } : { name: name.slice(0, dollar), metadataTable: name.slice(dollar + 1) }
  })
  const distinct = [...new Set(wanted.map(({ name }) => name))]
  const loaded = await loadTables(deps, distinct)
  return wanted.flatMap(({ name, metadataTable: of }) => {
    const table = loaded[distinct.indexOf(name)]
    return table === undefined ? [] : [{ table, metadataTable: of }]
  })
}

async function loadTables(deps: LakeDeps, names: readonly string[]): Promise<readonly LoadedTable[]> {
  try {
    return await deps.catalog.loadTables(names.map(parseIdentifier))
  } catch (error) {
    if (!isIcebergError(error, 'not-found') && !isIcebergError(error, 'invalid-argument')) throw error
  }
  const known = await tableNames(deps)
  const unknown = names.filter((name) => !known.includes(name))
  if (unknown.length === 0) return await deps.catalog.loadTables(names.map(parseIdentifier))
  const hints = unknown.map((name) => `there is no table ${name}${nearNames(name, known)}`)
  throw new FirnError('not-found', hints.join('; '), { context: { unknown } })
}

/** A metadata table's rows in memory: as many as there are files, snapshots or manifests. */
async function metadataRelation(
  deps: LakeDeps,
  table: LoadedTable,
  name: string,
  target: ScanTarget,
): Promise<Relation> {
  const { metadata, metadataLocation, identifier } = table
  const io = deps.catalog.io
  try {
    const { schema, rows } = metadataTable(name.toLowerCase(), { metadata, metadataLocation, io, target })
    const found: Row[] = []
    for await (const row of rows()) found.push(row)
    return { kind: 'rows', name: `${formatIdentifier(identifier)}$${name}`, schema, rows: found }
  } catch (error) {
    if (!isIcebergError(error, 'not-found')) throw error
    throw new FirnError('not-found', `table ${formatIdentifier(identifier)}: ${error.message}`, {
      cause: error,
    })
  }
}

/** A branch begins at main where it is first written: a table without it is read there. */
function targetOf(table: LoadedTable, at: string | undefined, isBranch: boolean): ScanTarget {
  if (at === undefined) return { kind: 'head' }
  const { metadata } = table
  if (isBranch && metadata.refs[at] === undefined) return { kind: 'head' }
  if (metadata.refs[at] !== undefined || !/^\d+$/.test(at)) {
    return metadata.snapshots.length === 0 ? { kind: 'head' } : { kind: 'ref', ref: at }
  }
  return { kind: 'snapshot', snapshotId: BigInt(at) }
}

async function planAt(deps: LakeDeps, table: LoadedTable, target: ScanTarget, limit: number | undefined) {
  const scan = { metadata: table.metadata, io: deps.catalog.io, target, metrics: 'filter' } as const
  try {
    return await planScan({ ...scan, ...(limit !== undefined && { limit }) })
  } catch (error) {
    const isMissing = isIcebergError(error, 'not-found') && target.kind !== 'head'
    if (!isMissing) throw error
    const name = formatIdentifier(table.identifier)
    throw new FirnError('not-found', `table ${name}: ${error.message}`, { cause: error })
  }
}
