import type { PrimitiveType, Type } from '../../iceberg/spec/type.js'
import { isPrimitive } from '../../iceberg/spec/type.js'
import { EngineError } from '../engine.js'

/** An identifier, whatever its characters. */
export function quoteName(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}

/** A string literal. */
export function quoteText(text: string): string {
  return `'${text.replaceAll("'", "''")}'`
}

/** A path as DuckDB's readers take it: they would expand `*`, `?` and `[`. */
export function quotePath(path: string): string {
  return quoteText(path.replaceAll(/[*?[]/g, '[$&]'))
}

const SQL_TYPES: Readonly<Partial<Record<PrimitiveType, string>>> = {
  boolean: 'BOOLEAN',
  int: 'INTEGER',
  long: 'BIGINT',
  float: 'FLOAT',
  double: 'DOUBLE',
  date: 'DATE',
  time: 'TIME',
  timestamp: 'TIMESTAMP',
  timestamptz: 'TIMESTAMPTZ',
  timestamp_ns: 'TIMESTAMP_NS',
  // DuckDB has none with a zone; sessions are in UTC, so nothing but the name is lost.
  timestamptz_ns: 'TIMESTAMP_NS',
  string: 'VARCHAR',
  uuid: 'UUID',
  binary: 'BLOB',
}

/** DuckDB's type for an Iceberg type. */
export function sqlType(type: Type): string {
  if (isPrimitive(type)) return primitiveSqlType(type)
  switch (type.type) {
    case 'struct': {
      const fields = type.fields.map((field) => `${quoteName(field.name)} ${sqlType(field.type)}`)
      return `STRUCT(${fields.join(', ')})`
    }
    case 'list':
      return `${sqlType(type.element)}[]`
    case 'map':
      return `MAP(${sqlType(type.key)}, ${sqlType(type.value)})`
  }
}

function primitiveSqlType(type: PrimitiveType): string {
  const known = SQL_TYPES[type]
  if (known !== undefined) return known
  // A type may come from metadata that others wrote, and it becomes SQL.
  if (/^decimal\(\s*\d+\s*,\s*\d+\s*\)$/.test(type)) return type.toUpperCase()
  if (type.startsWith('fixed')) return 'BLOB'
  throw new EngineError(
    'unsupported',
    `columns of type ${type} cannot be read yet: leave them out of the query`,
  )
}
