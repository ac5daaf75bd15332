import type { Data, DataType } from 'apache-arrow'
import {
  Binary,
  Bool,
  DateDay,
  Decimal,
  Field,
  FixedSizeBinary,
  Float32,
  Float64,
  Int32,
  Int64,
  List,
  makeData,
  Map_,
  Struct,
  TimeMicrosecond,
  TimestampMicrosecond,
  TimestampNanosecond,
  Utf8,
} from 'apache-arrow'
import { bigIntToFixed, uuidToBytes } from '../../iceberg/spec/single-value.js'
import type { MapType, NestedField, PrimitiveType, Type } from '../../iceberg/spec/type.js'
import { isPrimitive } from '../../iceberg/spec/type.js'
import type { RowValue } from '../engine.js'
import { EngineError } from '../engine.js'
import { decimalScale } from '../../iceberg/spec/decimal-text.js'
import { parseDecimal } from './parse-decimal.js'

/** An Arrow field whose Parquet column carries the Iceberg field id, as do the fields nested in it. */
export function arrowField(name: string, id: number, required: boolean, type: Type): Field {
  const metadata = new Map([['PARQUET:field_id', String(id)]])
  if (type === 'uuid') metadata.set('ARROW:extension:name', 'arrow.uuid')
  return new Field(name, arrowType(type), !required, metadata)
}

/** One column's values, as `Row` says, → Arrow's buffers. Values that don't fit the type are `data-invalid`. */
export function arrowColumn(type: Type, values: readonly (RowValue | undefined)[]): Data {
  const length = values.length
  const nullBitmap = new Uint8Array(Math.ceil(length / 8))
  let nullCount = 0
  for (const [index, value] of values.entries()) {
    if (value === null || value === undefined) nullCount++
    else nullBitmap[index >> 3] = (nullBitmap[index >> 3] ?? 0) | (1 << (index & 7))
  }
  const base = { length, nullCount, ...(nullCount === 0 ? {} : { nullBitmap }) }
  return isPrimitive(type) ? primitiveColumn(type, values, base) : nestedColumn(type, values, base)
}

interface Base {
  readonly length: number
  readonly nullCount: number
  readonly nullBitmap?: Uint8Array
}

function arrowType(type: Type): DataType {
  if (isPrimitive(type)) return primitiveType(type)
  switch (type.type) {
    case 'struct':
      return new Struct(type.fields.map(structField))
    case 'list':
      return new List(arrowField('element', type['element-id'], type['element-required'], type.element))
    case 'map': {
      return new Map_(new Field('key_value', entriesType(type), false) as never)
    }
  }
}

function entriesType(type: MapType): Struct {
  return new Struct([
    arrowField('key', type['key-id'], true, type.key),
    arrowField('value', type['value-id'], type['value-required'], type.value),
  ])
}

function structField(field: NestedField): Field {
  return arrowField(field.name, field.id, field.required, field.type)
}

function primitiveType(type: PrimitiveType): DataType {
  switch (type) {
    case 'boolean':
      return new Bool()
    case 'int':
      return new Int32()
    case 'long':
      return new Int64()
    case 'float':
      return new Float32()
    case 'double':
      return new Float64()
    case 'date':
      return new DateDay()
    case 'time':
      return new TimeMicrosecond()
    case 'timestamp':
      return new TimestampMicrosecond()
    case 'timestamptz':
      return new TimestampMicrosecond('UTC')
    case 'timestamp_ns':
      return new TimestampNanosecond()
    case 'timestamptz_ns':
      return new TimestampNanosecond('UTC')
    case 'string':
      return new Utf8()
    case 'uuid':
      return new FixedSizeBinary(16)
    case 'binary':
      return new Binary()
    default:
      if (type.startsWith('fixed')) return new FixedSizeBinary(fixedLength(type))
      return new Decimal(decimalScale(type), Number(/\d+/.exec(type)?.[0]), 128)
  }
}

function fixedLength(type: PrimitiveType): number {
  return Number(/\d+/.exec(type)?.[0])
}

function primitiveColumn(type: PrimitiveType, values: readonly (RowValue | undefined)[], base: Base): Data {
  const arrow = primitiveType(type)
  const of = (data: unknown): Data => makeData({ type: arrow, ...base, data } as never)
  switch (type) {
    case 'boolean': {
      const bits = new Uint8Array(Math.ceil(values.length / 8))
      for (const [index, value] of values.entries()) {
        if (value === true) bits[index >> 3] = (bits[index >> 3] ?? 0) | (1 << (index & 7))
        else if (value !== false) checkNull(type, value)
      }
      return of(bits)
    }
    case 'int':
    case 'date':
      return of(Int32Array.from(values, (value) => asInteger(type, value)))
    case 'float':
      return of(Float32Array.from(values, (value) => asNumber(type, value)))
    case 'double':
      return of(Float64Array.from(values, (value) => asNumber(type, value)))
    case 'string':
      return bytesColumn(
        arrow,
        values.map((value) => asBytes(type, value)),
        base,
      )
    case 'binary':
      return bytesColumn(
        arrow,
        values.map((value) => asBytes(type, value)),
        base,
      )
    case 'uuid':
      return of(fixedBytes(16, type, values, (value) => uuidToBytes(value as string)))
    default:
      if (type.startsWith('fixed')) {
        return of(fixedBytes(fixedLength(type), type, values, (value) => value as Uint8Array))
      }
      if (type.startsWith('decimal')) {
        return of(
          fixedBytes(16, type, values, (value) => bigIntToFixed(parseDecimal(type, value), 16).reverse()),
        )
      }
      return of(BigInt64Array.from(values, (value) => asLong(type, value)))
  }
}

function nestedColumn(
  type: Exclude<Type, string>,
  values: readonly (RowValue | undefined)[],
  base: Base,
): Data {
  if (type.type === 'struct') {
    const children = type.fields.map((field) =>
      arrowColumn(
        field.type,
        values.map((value) => memberOf(value, field.name)),
      ),
    )
    return makeData({ type: arrowType(type), ...base, children } as never)
  }
  const valueOffsets = new Int32Array(values.length + 1)
  const items: RowValue[] = []
  for (const [index, value] of values.entries()) {
    if (Array.isArray(value)) for (const item of value as readonly RowValue[]) items.push(item)
    else checkNull(type.type, value)
    valueOffsets[index + 1] = items.length
  }
  const child = type.type === 'list' ? arrowColumn(type.element, items) : mapEntries(type, items)
  return makeData({ type: arrowType(type), ...base, valueOffsets, child } as never)
}

function mapEntries(type: MapType, items: readonly RowValue[]): Data {
  const children = [
    arrowColumn(
      type.key,
      items.map((item) => memberOf(item, 'key')),
    ),
    arrowColumn(
      type.value,
      items.map((item) => memberOf(item, 'value')),
    ),
  ]
  return makeData({ type: entriesType(type), length: items.length, nullCount: 0, children } as never)
}

function memberOf(value: RowValue | undefined, name: string): RowValue | undefined {
  if (value === null || value === undefined) return null
  if (typeof value === 'object' && !Array.isArray(value) && !(value instanceof Uint8Array)) {
    return (value as Readonly<Record<string, RowValue>>)[name]
  }
  throw wrongValue('struct', value)
}

function bytesColumn(arrow: DataType, values: readonly Uint8Array[], base: Base): Data {
  const valueOffsets = new Int32Array(values.length + 1)
  for (const [index, value] of values.entries()) {
    valueOffsets[index + 1] = (valueOffsets[index] ?? 0) + value.length
  }
  return makeData({ type: arrow, ...base, valueOffsets, data: Buffer.concat(values) } as never)
}

function fixedBytes(
  width: number,
  type: PrimitiveType,
  values: readonly (RowValue | undefined)[],
  encode: (value: RowValue) => Uint8Array,
): Uint8Array {
  const bytes = new Uint8Array(values.length * width)
  for (const [index, value] of values.entries()) {
    if (value === null || value === undefined) continue
    const encoded = encode(value)
    if (!(encoded instanceof Uint8Array) || encoded.length !== width) throw wrongValue(type, value)
    bytes.set(encoded, index * width)
  }
  return bytes
}

const NO_BYTES = new Uint8Array(0)
const encoder = new TextEncoder()

function asBytes(type: PrimitiveType, value: RowValue | undefined): Uint8Array {
  if (type === 'string' ? typeof value === 'string' : value instanceof Uint8Array) {
    return typeof value === 'string' ? encoder.encode(value) : (value as Uint8Array)
  }
  checkNull(type, value)
  return NO_BYTES
}

function asNumber(type: PrimitiveType, value: RowValue | undefined): number {
  if (typeof value === 'number') return value
  checkNull(type, value)
  return 0
}

function asInteger(type: PrimitiveType, value: RowValue | undefined): number {
  const number = asNumber(type, value)
  if ((number | 0) !== number) throw wrongValue(type, value)
  return number
}

function asLong(type: PrimitiveType, value: RowValue | undefined): bigint {
  if (typeof value === 'bigint' && BigInt.asIntN(64, value) === value) return value
  if (typeof value === 'number' && Number.isSafeInteger(value)) return BigInt(value)
  checkNull(type, value)
  return 0n
}

function checkNull(type: string, value: RowValue | undefined): void {
  if (value !== null && value !== undefined) throw wrongValue(type, value)
}

function wrongValue(type: string, value: RowValue | undefined): EngineError {
  const shown = typeof value === 'object' ? 'an object' : `${typeof value} ${String(value)}`
  return new EngineError('data-invalid', `${shown} is not a value of ${type} as rows hold it`)
}
