import { ifFound } from '../../iceberg/error.js'
import { quoteText } from '../../engine/duckdb/sql-text.js'
import type { LakeDeps } from '../../schemas/lake-deps.js'
import { MAINTENANCE_RUNS } from '../../schemas/lake-tables.js'
import type { MaintenanceOutcome } from '../../schemas/maintenance.js'
import { runSql } from '../query/sql.js'
import { loadNamedTable } from '../query/table-names.js'

/** A row of `audit.maintenance_runs`. */
export interface RecordedRun {
  readonly runId: string
  readonly workflowId: string
  readonly table: string
  readonly startedAt: string
  readonly durationMs: number
  readonly outcome: MaintenanceOutcome
  readonly steps: readonly string[]
  readonly compactedFiles: number
  readonly writtenFiles: number
  readonly bytesRead: number
  readonly bytesWritten: number
  readonly rewrittenDeleteFiles: number
  readonly rewrittenManifests: number
  readonly expiredSnapshots: number
  readonly droppedRefs: readonly string[]
  readonly deletedFiles: number
  readonly deletedBytes: number
  readonly orphans: number
  readonly failedFiles: number
  readonly kept: readonly string[]
  readonly error: string | null
}

/** The newest runs, of one table or of all. FirnError `not-found` for a table that is neither there nor in the history. */
export async function listRuns(
  deps: LakeDeps,
  { table, limit }: { readonly table?: string; readonly limit: number },
): Promise<{ readonly total: number; readonly runs: readonly RecordedRun[] }> {
  const isThere = (await ifFound(deps.catalog.loadTable(MAINTENANCE_RUNS))) !== undefined
  const where = table === undefined ? '' : ` WHERE table_name = ${quoteText(table)}`
  const from = `FROM audit.maintenance_runs${where}`
  const total = isThere
    ? Number((await runSql(deps, { sql: `SELECT count(*) AS n ${from}` })).rows[0]?.['n'])
    : 0
  if (total === 0 && table !== undefined) await loadNamedTable(deps, table)
  if (total === 0) return { total, runs: [] }
  const sql = `SELECT * EXCLUDE (started_at), epoch_us(started_at) AS started_us ${from}
    ORDER BY started_us DESC, run_id, table_name LIMIT ${limit}`
  const { rows } = await runSql(deps, { sql })
  return { total, runs: rows.map(runOf) }
}

function runOf(row: Readonly<Record<string, unknown>>): RecordedRun {
  const text = (name: string): string => row[name] as string
  const count = (name: string): number => Number(row[name])
  const texts = (name: string): readonly string[] => (row[name] as readonly string[] | null) ?? []
  return {
    ...{ runId: text('run_id'), workflowId: text('workflow_id'), table: text('table_name') },
    startedAt: new Date(count('started_us') / 1000).toISOString(),
    durationMs: count('duration_ms'),
    outcome: text('outcome') as MaintenanceOutcome,
    steps: texts('steps'),
    ...{ compactedFiles: count('compacted_files'), writtenFiles: count('written_files') },
    ...{ bytesRead: count('bytes_read'), bytesWritten: count('bytes_written') },
    rewrittenDeleteFiles: count('rewritten_delete_files'),
    rewrittenManifests: count('rewritten_manifests'),
    expiredSnapshots: count('expired_snapshots'),
    droppedRefs: texts('dropped_refs'),
    ...{ deletedFiles: count('deleted_files'), deletedBytes: count('deleted_bytes') },
    ...{ orphans: count('orphans'), failedFiles: count('failed_files') },
    kept: texts('kept'),
    error: (row['error'] as string | null) ?? null,
  }
}
