import { fieldByName } from '../../iceberg/spec/schema.js'
import type { Schema } from '../../iceberg/spec/type.js'
import { quoteName, sqlType } from '../duckdb/sql-text.js'
import type { EngineSession, Relation, Row } from '../engine.js'
import { EngineError } from '../engine.js'
import type { Source } from './table.js'

/** Makes a source readable in a session; gives back a SELECT of its rows as they are. */
export async function addSource(session: EngineSession, schema: Schema, source: Source): Promise<string> {
  if ('sql' in source) {
    await addRelations(session, source.relations)
    return source.sql.replace(/[;\s]+$/, '')
  }
  const isTyped = 'rows' in source
  const rows = isTyped ? source.rows : source
  const rowSchema = isTyped ? source.schema : schema
  checkColumns(rowSchema, rows)
  await session.addRelation({ kind: 'rows', name: ROWS, schema: rowSchema, rows })
  return `SELECT * FROM ${quoteName(ROWS)}`
}

/** Computes a source once, as the work table `_firn_source`, with the table's columns in the table's types. */
export async function keepSource(session: EngineSession, schema: Schema, source: Source): Promise<string> {
  const sql = await addSource(session, schema, source)
  const columns = schema.fields.map(
    ({ name, type }) => `CAST(${quoteName(name)} AS ${sqlType(type)}) AS ${quoteName(name)}`,
  )
  await session.addRelation({
    kind: 'query',
    name: KEPT,
    sql: `SELECT ${columns.join(', ')} FROM (\n${sql}\n)`,
  })
  return quoteName(KEPT)
}

/** Computes a source once with whatever columns it has. */
export async function keepSourceAsIs(
  session: EngineSession,
  schema: Schema,
  source: Source,
): Promise<string> {
  await session.addRelation({ kind: 'query', name: KEPT, sql: await addSource(session, schema, source) })
  return quoteName(KEPT)
}

export async function addRelations(
  session: EngineSession,
  relations: readonly Relation[] = [],
): Promise<void> {
  for (const relation of relations) await session.addRelation(relation)
}

const ROWS = '_firn_rows'
const KEPT = '_firn_source'

/** A misspelt column would become null without a word. */
export function checkColumns(schema: Schema, rows: readonly Row[]): void {
  const known = new Set(schema.fields.map((field) => field.name))
  for (const [index, row] of rows.entries()) {
    for (const name in row) {
      if (known.has(name)) continue
      const hint = fieldByName(schema, name) === undefined ? '' : ' at the top level'
      throw new EngineError(
        'data-invalid',
        `row ${index} has a column '${name}', which the table lacks${hint}: it has ${[...known].join(', ')}`,
        { context: { row: index, column: name } },
      )
    }
  }
}
