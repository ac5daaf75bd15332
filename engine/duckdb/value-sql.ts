import { valueFromJson } from '../../iceberg/spec/single-value-json.js'
import type { NestedField, PrimitiveType, Type, Value } from '../../iceberg/spec/type.js'
import { isPrimitive } from '../../iceberg/spec/type.js'
import { EngineError } from '../engine.js'
import { decimalText } from '../../iceberg/spec/decimal-text.js'
import { quoteName, quoteText, sqlType } from './sql-text.js'

/** A value in memory (`Value`) as an SQL literal of its type. */
export function valueSql(type: PrimitiveType, value: Value | null): string {
  return `CAST(${value === null ? 'NULL' : untypedSql(type, value)} AS ${sqlType(type)})`
}

function untypedSql(type: PrimitiveType, value: Value): string {
  if (value instanceof Uint8Array) return `unhex('${Buffer.from(value).toString('hex')}')`
  switch (type) {
    case 'date':
      return `DATE '1970-01-01' + CAST(${String(value)} AS INTEGER)`
    case 'time':
    case 'timestamp':
    case 'timestamptz':
      return `make_timestamp(CAST(${quoteText(String(value))} AS BIGINT))`
    case 'timestamp_ns':
    case 'timestamptz_ns':
      return `make_timestamp_ns(CAST(${quoteText(String(value))} AS BIGINT))`
    default:
      return quoteText(type.startsWith('decimal') ? decimalText(type, BigInt(String(value))) : String(value))
  }
}

/**
 * SQL of what a field is in files that lack it: its initial default (format v3, in the JSON form of Appendix D), else
 * null.
 */
export function defaultSql(field: NestedField): string {
  const json = field['initial-default']
  if (json === undefined || json === null) return `CAST(NULL AS ${sqlType(field.type)})`
  try {
    return jsonSql(field.type, json)
  } catch (cause) {
    throw new EngineError(
      'data-invalid',
      `the initial default of column '${field.name}' cannot be read: ${cause instanceof Error ? cause.message : ''}`,
      { context: { fieldId: field.id }, cause },
    )
  }
}

function jsonSql(type: Type, json: unknown): string {
  if (json === null || json === undefined) return `CAST(NULL AS ${sqlType(type)})`
  if (isPrimitive(type)) return valueSql(type, valueFromJson(type, json))
  const holder = json as Readonly<Record<string, unknown>>
  switch (type.type) {
    case 'struct': {
      // Members that the default leaves out take their own.
      const members = type.fields.map((field) => {
        const member = holder[String(field.id)]
        return `${quoteName(field.name)} := ${member === undefined ? defaultSql(field) : jsonSql(field.type, member)}`
      })
      return `CAST(struct_pack(${members.join(', ')}) AS ${sqlType(type)})`
    }
    case 'list':
      return `CAST([${listOf(json, type.element)}] AS ${sqlType(type)})`
    case 'map':
      return `CAST(map([${listOf(holder['keys'], type.key)}], [${listOf(holder['values'], type.value)}]) AS ${sqlType(type)})`
  }
}

function listOf(json: unknown, type: Type): string {
  if (!Array.isArray(json)) throw new EngineError('data-invalid', 'a list is expected')
  return json.map((item: unknown) => jsonSql(type, item)).join(', ')
}
