import type { Schema, Type } from '../../iceberg/spec/type.js'
import { isPrimitive } from '../../iceberg/spec/type.js'
import { EngineError } from '../engine.js'
import type { SparkColumn } from './spark-job.js'

/** Columns of a schema in Spark's words. Throws `unsupported` for what Spark has no type for. */
export function sparkColumns(schema: Schema): readonly SparkColumn[] {
  return schema.fields.map((field) => [field.name, sparkType(field.type), field.required])
}

/**
 * A type in Spark's words. `lenient`: whole numbers as decimals of as many digits, for documents that write them as 3.0 or
 * 1e2.
 */
export function sparkType(type: Type, lenient = false): string {
  if (isPrimitive(type)) return primitive(type, lenient)
  if (type.type === 'list') return `array<${sparkType(type.element, lenient)}>`
  if (type.type === 'map') return `map<${sparkType(type.key)}, ${sparkType(type.value, lenient)}>`
  return sparkStruct(type, lenient)
}

export function sparkStruct(type: Pick<Schema, 'fields'>, lenient = false): string {
  const members = type.fields.map((field) => `\`${field.name}\`: ${sparkType(field.type, lenient)}`)
  return `struct<${members.join(', ')}>`
}

const NAMES: Readonly<Record<string, string>> = {
  long: 'bigint',
  timestamp: 'timestamp_ntz',
  timestamptz: 'timestamp',
  uuid: 'string',
}

function primitive(type: string, lenient: boolean): string {
  if (lenient && type === 'int') return 'decimal(10, 0)'
  if (lenient && type === 'long') return 'decimal(19, 0)'
  if (type.startsWith('fixed')) return 'binary'
  if (/^(boolean|int|float|double|date|string|binary|decimal.*)$/.test(type)) return type
  const name = NAMES[type]
  if (name !== undefined) return name
  throw new EngineError('unsupported', `Spark has no type for ${type}`)
}
