import type { LoadedTable } from '../../iceberg/catalog/catalog.js'
import { formatIdentifier, parseIdentifier } from '../../iceberg/catalog/catalog.js'
import { isIcebergError } from '../../iceberg/error.js'
import { planScan } from '../../iceberg/scan/plan-scan.js'
import type { ScanTarget } from '../../iceberg/scan/scan-plan.js'
import { inspectSql } from '../../engine/duckdb/inspect-sql.js'
import type { QueryResult } from '../../engine/engine.js'
import { FirnError } from '../../schemas/error.js'
import type { LakeDeps } from '../../schemas/lake-deps.js'
import { nearNames } from './near-names.js'
import { tableNames } from './table-names.js'

export interface SqlRequest {
  /** One SELECT; tables are named `namespace.table`. */
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
  const names = await readNames(sql)
  const tables = await loadNamed(deps, names)
  const session = await deps.engine.openSession()
  try {
    for (const table of tables) {
      const { metadata } = table
      const target = targetOf(table, at)
      const plan = await planAt(deps, table, target)
      await session.addRelation({
        kind: 'scan',
        name: formatIdentifier(table.identifier),
        schema: plan.schema,
        tasks: metadata.snapshots.length === 0 ? [] : plan.tasks,
      })
    }
    return await session.query(sql, limit === undefined ? {} : { limit })
  } finally {
    await session.close()
  }
}

async function readNames(sql: string): Promise<readonly string[]> {
  const { statementType, tables, tableFunctions } = await inspectSql(sql)
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
  return tables
}

async function loadNamed(deps: LakeDeps, names: readonly string[]): Promise<readonly LoadedTable[]> {
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

function targetOf(table: LoadedTable, at: string | undefined): ScanTarget {
  if (at === undefined) return { kind: 'head' }
  const { metadata } = table
  if (metadata.refs[at] !== undefined || !/^\d+$/.test(at)) {
    return metadata.snapshots.length === 0 ? { kind: 'head' } : { kind: 'ref', ref: at }
  }
  return { kind: 'snapshot', snapshotId: BigInt(at) }
}

async function planAt(deps: LakeDeps, table: LoadedTable, target: ScanTarget) {
  try {
    return await planScan({ metadata: table.metadata, io: deps.catalog.io, target })
  } catch (error) {
    const isMissing = isIcebergError(error, 'not-found') && target.kind !== 'head'
    if (!isMissing) throw error
    const name = formatIdentifier(table.identifier)
    throw new FirnError('not-found', `table ${name}: ${error.message}`, { cause: error })
  }
}
