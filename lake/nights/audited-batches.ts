import { ifFound } from '../../iceberg/error.js'
import { and, eq, gtEq } from '../../iceberg/expr/expression.js'
import { quoteText } from '../../engine/duckdb/sql-text.js'
import { queryTable } from '../../engine/query-table.js'
import type { LakeDeps } from '../../schemas/lake-deps.js'
import { auditIdentifier } from '../../schemas/lake-tables.js'
import type { Pipeline } from '../../schemas/pipeline.js'

/** Batches of a pipeline since an instant that have an audit row, whatever it says; suffixes left out. */
export async function auditedBatches(
  deps: Pick<LakeDeps, 'catalog' | 'engine'>,
  { name, namespace }: Pipeline,
  sinceMs: number,
): Promise<ReadonlySet<string>> {
  const audit = await ifFound(deps.catalog.loadTable(auditIdentifier(namespace)))
  if (audit === undefined) return new Set()
  const rows = await queryTable(
    { engine: deps.engine, io: deps.catalog.io, metadata: audit.metadata },
    {
      name: 'audit',
      filter: and(eq('processing_name', name), gtEq('processing_timestamp', BigInt(sinceMs) * 1000n)),
      sql: `SELECT DISTINCT left(processing_batch_id, 16) AS batch FROM audit
        WHERE processing_name = ${quoteText(name)} AND processing_timestamp >= make_timestamptz(${sinceMs * 1000})`,
    },
  )
  return new Set(rows.map((row) => row['batch'] as string))
}
