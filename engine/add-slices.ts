import type { Schema } from '../iceberg/spec/type.js'
import { quoteName } from './duckdb/sql-text.js'
import type { EngineSession, Row } from './engine.js'

/** Rows that are made and handed over at a time: others of the process get their turn in between. */
export const SLICE_ROWS = 16_384

/** Rows that come slice by slice become one relation, so that never all of them are in memory. Returns how many. */
export async function addSlices(
  session: EngineSession,
  { name, schema }: { readonly name: string; readonly schema: Schema },
  slices: Iterable<readonly Row[]> | AsyncIterable<readonly Row[]>,
): Promise<number> {
  const parts: string[] = []
  const add = async (rows: readonly Row[]): Promise<void> => {
    const part = `${name} ${parts.length}`
    await session.addRelation({ kind: 'rows', name: part, schema, rows })
    parts.push(part)
  }
  let count = 0
  for await (const rows of slices) {
    await add(rows)
    count += rows.length
  }
  // Also of no rows the relation has its columns.
  if (parts.length === 0) await add([])
  const sql = parts.map((part) => `SELECT * FROM ${quoteName(part)}`).join(' UNION ALL ')
  await session.addRelation({ kind: 'query', name, sql, lazy: true })
  return count
}
