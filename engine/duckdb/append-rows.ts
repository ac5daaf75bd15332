import type { DuckDBConnection, DuckDBValue } from '@duckdb/node-api'
import { DuckDBDataChunk } from '@duckdb/node-api'

/** DuckDB's vector size: no chunk holds more rows. */
const CHUNK_ROWS = 2048

export interface TableName {
  readonly database: string
  readonly schema: string
  readonly table: string
}

/** Takes rows as columns of equal length; any number of rows a call. */
export type AppendColumns = (columns: readonly ArrayLike<DuckDBValue>[]) => void

/** Fills a table that exists; what `fill` appends is there once this resolves. */
export async function appendRows(
  connection: DuckDBConnection,
  name: TableName,
  fill: (append: AppendColumns) => Promise<void> | void,
): Promise<void> {
  const appender = await connection.createAppender(name.table, name.schema, name.database)
  try {
    const types = Array.from({ length: appender.columnCount }, (_, index) => appender.columnType(index))
    await fill((columns) => {
      const rows = columns[0]?.length ?? 0
      for (let start = 0; start < rows; start += CHUNK_ROWS) {
        const end = Math.min(rows, start + CHUNK_ROWS)
        const chunk = DuckDBDataChunk.create(types, end - start)
        for (const [index, column] of columns.entries()) {
          const vector = chunk.getColumnVector(index)
          for (let row = start; row < end; row++) vector.setItem(row - start, column[row] ?? null)
          vector.flush()
        }
        appender.appendDataChunk(chunk)
      }
    })
  } finally {
    appender.closeSync()
  }
}
