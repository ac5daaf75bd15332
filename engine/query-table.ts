import type { Expression } from '../iceberg/expr/expression.js'
import type { FileIO } from '../iceberg/io/file-io.js'
import { planScan } from '../iceberg/scan/plan-scan.js'
import type { TableMetadata } from '../iceberg/spec/table-metadata.js'
import type { Engine, EngineSessionOptions, Row } from './engine.js'

/**
 * Runs a SELECT over one table's head, which the SQL calls `name`. `filter` chooses the files; the SQL must say the same
 * of the rows. Where no file is left there are no rows, not even of an aggregate.
 */
export async function queryTable(
  from: { readonly engine: Engine; readonly io: FileIO; readonly metadata: TableMetadata },
  query: {
    readonly name: string
    readonly filter: Expression
    readonly sql: string
    readonly limit?: number
    readonly session?: EngineSessionOptions
  },
): Promise<readonly Row[]> {
  const { name, filter, sql, limit } = query
  const { schema, tasks } = await planScan({
    metadata: from.metadata,
    io: from.io,
    filter,
    metrics: 'filter',
  })
  if (tasks.length === 0) return []
  const session = await from.engine.openSession(query.session)
  try {
    await session.addRelation({ kind: 'scan', name, schema, tasks, metadata: from.metadata })
    return (await session.query(sql, limit === undefined ? {} : { limit })).rows
  } finally {
    await session.close()
  }
}
