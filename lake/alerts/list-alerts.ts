import { ifFound } from '../../iceberg/error.js'
import { and, eq } from '../../iceberg/expr/expression.js'
import { quoteText } from '../../engine/duckdb/sql-text.js'
import type { RowValue } from '../../engine/engine.js'
import { queryTable } from '../../engine/query-table.js'
import type { LakeDeps } from '../../schemas/lake-deps.js'
import { ALERTS } from '../../schemas/lake-tables.js'

export interface RaisedAlert {
  readonly key: string
  readonly kind: string
  readonly pipeline: string | null
  readonly batch: string | null
  readonly subject: string | null
  readonly message: string
  /** `sent`, `none` or `failed: …` */
  readonly webhook: string | null
  readonly workflowId: string | null
  /** ISO 8601. */
  readonly raisedAt: string
}

/** The newest alerts, newest first. */
export async function listAlerts(
  deps: Pick<LakeDeps, 'catalog' | 'engine'>,
  selection: { readonly pipeline?: string; readonly kind?: string; readonly limit: number },
): Promise<readonly RaisedAlert[]> {
  const table = await ifFound(deps.catalog.loadTable(ALERTS))
  if (table === undefined) return []
  const columns = { pipeline: selection.pipeline, kind: selection.kind }
  const wanted = Object.entries(columns).filter((entry): entry is [string, string] => entry[1] !== undefined)
  const where = wanted.map(([column, value]) => `${column} = ${quoteText(value)}`).join(' AND ') || 'true'
  const rows = await queryTable(
    { engine: deps.engine, io: deps.catalog.io, metadata: table.metadata },
    {
      name: 'alerts',
      filter: and(...wanted.map(([column, value]) => eq(column, value))),
      sql: `SELECT * FROM alerts WHERE ${where} ORDER BY raised_at DESC, alert_key LIMIT ${selection.limit}`,
    },
  )
  const text = (value: RowValue | undefined): string | null => (typeof value === 'string' ? value : null)
  return rows.map((row) => ({
    key: text(row['alert_key']) ?? '',
    kind: text(row['kind']) ?? '',
    pipeline: text(row['pipeline']),
    batch: text(row['processing_batch_id']),
    subject: text(row['subject']),
    message: text(row['message']) ?? '',
    webhook: text(row['webhook']),
    workflowId: text(row['workflow_id']),
    raisedAt: new Date(Number((row['raised_at'] as bigint) / 1000n)).toISOString(),
  }))
}
