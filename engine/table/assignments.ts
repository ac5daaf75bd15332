import { IcebergError } from '../../iceberg/error.js'
import type { Schema } from '../../iceberg/spec/type.js'
import { quoteName, sqlType } from '../duckdb/sql-text.js'
import type { Assignments } from './table.js'

/** SQL of each of the table's columns, in order: as assigned, else `otherwise` of it. */
export function assignedColumns(
  schema: Schema,
  assignments: Assignments,
  otherwise: (column: string) => string,
): readonly string[] {
  const given = assignments === 'all' ? undefined : new Map(Object.entries(assignments))
  const known = new Set(schema.fields.map((field) => field.name))
  const unknown = [...(given?.keys() ?? [])].filter((name) => !known.has(name))
  if (unknown.length > 0) {
    throw new IcebergError(
      'invalid-argument',
      `no column ${unknown.join(', ')} to set; the table has ${[...known].join(', ')}`,
      { context: { columns: unknown } },
    )
  }
  return schema.fields.map(({ name, type }) => {
    const sql = given === undefined ? `source.${quoteName(name)}` : (given.get(name) ?? otherwise(name))
    return `CAST((${sql}) AS ${sqlType(type)})`
  })
}
