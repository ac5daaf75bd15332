import { ifFound } from '../../iceberg/error.js'
import { and, eq, gtEq, lt } from '../../iceberg/expr/expression.js'
import { quoteText } from '../../engine/duckdb/sql-text.js'
import type { Row, RowValue } from '../../engine/engine.js'
import { queryTable } from '../../engine/query-table.js'
import type { LakeDeps } from '../../schemas/lake-deps.js'
import { auditIdentifier } from '../../schemas/lake-tables.js'
import type { Pipeline } from '../../schemas/pipeline.js'
import type { AuditStatus } from '../publish/audit.js'

/** What the lake's audit table says of one batch. */
export interface BatchRecord {
  /** Maybe with a number at its end: what was built later of the same instant. */
  readonly batch: string
  readonly status: AuditStatus
  /** Absent where it changed no table. */
  readonly tag?: string
  /** By table (`namespace.name`): decimal snapshot ids. */
  readonly snapshotIds: Readonly<Record<string, string>>
  readonly rows: number
  readonly reason?: string
  readonly workflowId?: string
  readonly runId?: string
}

/** Calendar dates in UTC, both included. */
export interface DateRange {
  readonly from: string
  readonly to: string
}

/** The records of a pipeline's batches on these dates, in order of the instants. */
export async function readBatchHistory(
  deps: Pick<LakeDeps, 'catalog' | 'engine'>,
  { name, namespace }: Pick<Pipeline, 'name' | 'namespace'>,
  { from, to }: DateRange,
): Promise<readonly BatchRecord[]> {
  const audit = await ifFound(deps.catalog.loadTable(auditIdentifier(namespace)))
  if (audit === undefined) return []
  // An id goes on with T after its date, which Z follows.
  const [first, end] = [from.replaceAll('-', ''), `${to.replaceAll('-', '')}Z`]
  const source = { engine: deps.engine, io: deps.catalog.io, metadata: audit.metadata }
  const rows = await queryTable(source, {
    name: 'audit',
    filter: and(
      eq('processing_name', name),
      and(gtEq('processing_batch_id', first), lt('processing_batch_id', end)),
    ),
    sql: `SELECT processing_batch_id, status, table_names, table_versions, record_counts, snapshot_ids, reason,
                 workflow_id, run_id
          FROM audit
          WHERE processing_name = ${quoteText(name)} AND processing_batch_id >= ${quoteText(first)}
            AND processing_batch_id < ${quoteText(end)}
          ORDER BY substr(processing_batch_id, 1, 16), input_to, length(processing_batch_id), processing_batch_id,
                   started_at, status`,
  })
  return rows.map(recordOf)
}

function recordOf(row: Row): BatchRecord {
  const tables = texts(row['table_names'])
  const versions = texts(row['table_versions'])
  const snapshotIds = texts(row['snapshot_ids'])
  const tag = versions.find((version) => version !== '' && version !== 'no_changes')
  const [reason, workflowId, runId] = ['reason', 'workflow_id', 'run_id'].map((name) => text(row[name]))
  return {
    batch: text(row['processing_batch_id']),
    status: text(row['status']) as AuditStatus,
    rows: texts(row['record_counts']).reduce((sum, count) => sum + Number(count), 0),
    snapshotIds: Object.fromEntries(
      tables.flatMap((table, i) => (snapshotIds[i] ? [[table, snapshotIds[i]] as const] : [])),
    ),
    ...(tag === undefined ? {} : { tag }),
    ...(reason ? { reason } : {}),
    ...(workflowId ? { workflowId } : {}),
    ...(runId ? { runId } : {}),
  }
}

function text(value: RowValue | undefined): string {
  return typeof value === 'string' || typeof value === 'bigint' || typeof value === 'number'
    ? value.toString()
    : ''
}

function texts(value: RowValue | undefined): readonly string[] {
  return Array.isArray(value) ? (value as readonly RowValue[]).map(text) : []
}
