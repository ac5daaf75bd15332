import { ifFound } from '../../iceberg/error.js'
import { and, eq, startsWith } from '../../iceberg/expr/expression.js'
import { quoteText } from '../../engine/duckdb/sql-text.js'
import { queryTable } from '../../engine/query-table.js'
import type { LakeDeps } from '../../schemas/lake-deps.js'
import { CHECK_RESULTS } from '../../schemas/lake-tables.js'
import type { CheckResult } from '../../schemas/publish.js'

export interface BatchChecks {
  readonly batch: string
  readonly passed: boolean
  /** Those that found rows first, blocking ones before warnings. */
  readonly checks: readonly CheckResult[]
}

/** The stored results of a pipeline's checks, newest batch first; `batch` with its further builds (`<batch>-2`, …). */
export async function listChecks(
  deps: Pick<LakeDeps, 'catalog' | 'engine'>,
  selection: { readonly pipeline: string; readonly batch?: string; readonly limit: number },
): Promise<readonly BatchChecks[]> {
  const table = await ifFound(deps.catalog.loadTable(CHECK_RESULTS))
  if (table === undefined) return []
  const { pipeline, batch, limit } = selection
  const own = `processing_name = ${quoteText(pipeline)}`
  const ofBatch = batch === undefined ? '' : ` AND starts_with(processing_batch_id, ${quoteText(batch)})`
  const rows = await queryTable(
    { engine: deps.engine, io: deps.catalog.io, metadata: table.metadata },
    {
      name: 'results',
      filter: and(
        eq('processing_name', pipeline),
        ...(batch === undefined ? [] : [startsWith('processing_batch_id', batch)]),
      ),
      sql: `SELECT * FROM results WHERE ${own}${ofBatch}
        QUALIFY dense_rank() OVER (ORDER BY left(processing_batch_id, 16) DESC, length(processing_batch_id) DESC,
          processing_batch_id DESC) <= ${limit}
        ORDER BY left(processing_batch_id, 16) DESC, length(processing_batch_id) DESC, processing_batch_id DESC,
          passed, severity, check_name`,
    },
  )
  const batches = new Map<string, CheckResult[]>()
  for (const row of rows) {
    const id = row['processing_batch_id'] as string
    const sample = row['sample']
    const check: CheckResult = {
      name: row['check_name'] as string,
      severity: row['severity'] === 'warning' ? 'warning' : 'blocking',
      passed: row['passed'] === true,
      failingRows: Number(row['failing_rows']),
      ...(typeof sample === 'string' ? { sample } : {}),
    }
    batches.set(id, [...(batches.get(id) ?? []), check])
  }
  return [...batches].map(([id, checks]) => ({
    batch: id,
    passed: checks.every(({ passed, severity }) => passed || severity === 'warning'),
    checks,
  }))
}
