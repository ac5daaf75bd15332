import type { DuckDBValue } from '@duckdb/node-api'
import {
  blobValue,
  dateValue,
  DuckDBArrayValue,
  DuckDBBlobValue,
  DuckDBDateValue,
  DuckDBDecimalValue,
  DuckDBListValue,
  DuckDBMapValue,
  DuckDBStructValue,
  DuckDBTimestampMillisecondsValue,
  DuckDBTimestampNanosecondsValue,
  DuckDBTimestampSecondsValue,
  DuckDBTimestampTZValue,
  DuckDBTimestampValue,
  DuckDBTimeValue,
  listValue,
  mapValue,
  structValue,
  timestampNanosValue,
  timestampTZValue,
  timestampValue,
  timeValue,
  uuidValue,
} from '@duckdb/node-api'
import type { Type, Value } from '../../iceberg/spec/type.js'
import { isPrimitive } from '../../iceberg/spec/type.js'
import { EngineError } from '../engine.js'
import type { RowValue } from '../engine.js'
import { decimalScale } from '../../iceberg/spec/decimal-text.js'
import { parseDecimal } from '../parquet/parse-decimal.js'

/**
 * DuckDB's value → as `Row` says. Beyond it: decimals are their exact text, maps lists of {key, value}, nanosecond
 * timestamps bigint ns, and what Iceberg has no type for is text.
 */
export function toRowValue(value: DuckDBValue): RowValue {
  if (value === null || typeof value !== 'object') return value
  if (value instanceof DuckDBTimestampTZValue || value instanceof DuckDBTimestampValue) return value.micros
  if (value instanceof DuckDBDateValue) return value.days
  if (value instanceof DuckDBListValue || value instanceof DuckDBArrayValue)
    return value.items.map(toRowValue)
  if (value instanceof DuckDBStructValue) return structRow(value.entries)
  if (value instanceof DuckDBMapValue) {
    return value.entries.map(({ key, value: item }) => ({ key: toRowValue(key), value: toRowValue(item) }))
  }
  if (value instanceof DuckDBBlobValue) return value.bytes
  if (value instanceof DuckDBTimeValue) return value.micros
  if (value instanceof DuckDBTimestampNanosecondsValue) return value.nanos
  if (value instanceof DuckDBTimestampMillisecondsValue) return value.millis * 1000n
  if (value instanceof DuckDBTimestampSecondsValue) return value.seconds * 1_000_000n
  return value.toString()
}

function structRow(entries: Readonly<Record<string, DuckDBValue>>): RowValue {
  return Object.fromEntries(Object.entries(entries).map(([name, item]) => [name, toRowValue(item)]))
}

/** DuckDB's value of a primitive column → as Iceberg keeps it in memory (decimals: the unscaled integer). */
export function toIcebergValue(value: DuckDBValue): Value | null {
  if (value instanceof DuckDBDecimalValue) return value.value
  return toRowValue(value) as Value | null
}

/** A row's value → DuckDB's, by its Iceberg type. */
export function toDuckDBValue(type: Type, value: RowValue | undefined): DuckDBValue {
  if (value === null || value === undefined) return null
  if (!isPrimitive(type)) return nestedValue(type, value)
  switch (type) {
    case 'boolean':
    case 'string':
      return value as boolean | string
    case 'int':
    case 'float':
    case 'double':
      return Number(value)
    case 'long':
      return asBigInt(value)
    case 'date':
      return dateValue(Number(value))
    case 'time':
      return timeValue(asBigInt(value))
    case 'timestamp':
      return timestampValue(asBigInt(value))
    case 'timestamptz':
      return timestampTZValue(asBigInt(value))
    case 'timestamp_ns':
    case 'timestamptz_ns':
      return timestampNanosValue(asBigInt(value))
    case 'uuid':
      return uuidValue(BigInt(`0x${(value as string).replaceAll('-', '')}`))
    default:
      if (type.startsWith('decimal')) return decimalOf(type, value)
      return blobValue(value as Uint8Array)
  }
}

function nestedValue(type: Exclude<Type, string>, value: RowValue): DuckDBValue {
  if (type.type === 'struct') {
    const struct = value as Readonly<Record<string, RowValue>>
    return structValue(
      Object.fromEntries(
        type.fields.map((field) => [field.name, toDuckDBValue(field.type, struct[field.name])]),
      ),
    )
  }
  if (!Array.isArray(value)) {
    throw new EngineError(
      'data-invalid',
      `a ${type.type} in rows is an array, but there is a ${typeof value}`,
    )
  }
  const items = value as readonly RowValue[]
  if (type.type === 'list') return listValue(items.map((item) => toDuckDBValue(type.element, item)))
  return mapValue(
    (items as readonly { readonly key: RowValue; readonly value: RowValue }[]).map((entry) => ({
      key: toDuckDBValue(type.key, entry.key),
      value: toDuckDBValue(type.value, entry.value),
    })),
  )
}

function decimalOf(type: string, value: RowValue): DuckDBDecimalValue {
  const precision = Number(/\d+/.exec(type)?.[0])
  return new DuckDBDecimalValue(parseDecimal(type, value), precision, decimalScale(type))
}

function asBigInt(value: RowValue): bigint {
  if (typeof value === 'bigint') return value
  if (typeof value === 'number' && Number.isSafeInteger(value)) return BigInt(value)
  throw new EngineError('data-invalid', `a 64-bit value in rows is a bigint, but there is a ${typeof value}`)
}
