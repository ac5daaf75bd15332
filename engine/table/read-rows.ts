import { alwaysTrue } from '../../iceberg/expr/expression.js'
import type { Expression } from '../../iceberg/expr/expression.js'
import { planFiles, planScan } from '../../iceberg/scan/plan-scan.js'
import type { FileScanTask, ScanTarget } from '../../iceberg/scan/scan-plan.js'
import type { TableMetadata } from '../../iceberg/spec/table-metadata.js'
import type { FileIO } from '../../iceberg/io/file-io.js'
import { quoteName } from '../duckdb/sql-text.js'
import type { Row, ScanRelation } from '../engine.js'
import type { TableContext } from './compute-change.js'
import { expressionSql } from './expression-sql.js'
import type { ReadOptions } from './table.js'

/** Rows in JavaScript: for a few. More than `limit` (default 10,000, then an error) belongs into SQL. */
export async function readRows(context: TableContext, options: ReadOptions): Promise<readonly Row[]> {
  const { filter = alwaysTrue, select, limit, at } = options
  const { metadata } = await context.catalog.loadTable(context.identifier)
  const { io } = context.catalog
  const relation = await scanRelation(metadata, io, '_firn_read', { filter, ...(at && { at }) }, limit)
  if (relation.tasks.length === 0) return []
  const session = await context.engine.openSession(options.session)
  try {
    await session.addRelation(relation)
    const columns = select === undefined ? '*' : select.map(quoteName).join(', ')
    const where = expressionSql(relation.schema, filter)
    const most = limit === undefined ? '' : `LIMIT ${limit}`
    const { rows } = await session.query(
      `SELECT ${columns} FROM "_firn_read" WHERE ${where} ${most}`,
      limit === undefined ? {} : { limit },
    )
    return rows
  } finally {
    await session.close()
  }
}

/** With a limit and no filter no more files are planned than hold that many rows. */
export async function scanRelation(
  metadata: TableMetadata,
  io: FileIO,
  name: string,
  query: { readonly filter?: Expression; readonly at?: ScanTarget },
  limit?: number,
): Promise<ScanRelation> {
  const { filter = alwaysTrue, at } = query
  const request = { metadata, io, filter, metrics: 'filter' as const, ...(at && { target: at }) }
  if (limit === undefined || filter.kind !== 'true') {
    const { schema, tasks } = await planScan(request)
    return { kind: 'scan', name, schema, tasks, metadata }
  }
  const { schema } = await planScan({ ...request, filter: { kind: 'false' } })
  const tasks: FileScanTask[] = []
  let rows = 0
  for await (const task of planFiles(request)) {
    tasks.push(task)
    // Of a file that deletes apply to no row is certain.
    rows += task.deletes.length === 0 ? task.file.recordCount : 0
    if (rows >= limit) break
  }
  return { kind: 'scan', name, schema, tasks, metadata }
}
