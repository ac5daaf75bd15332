import type { DuckDBValue } from '@duckdb/node-api'
import {
  blobValue,
  dateValue,
  DuckDBDecimalValue,
  listValue,
  mapValue,
  structValue,
  timestampNanosValue,
  timestampTZValue,
  timestampValue,
  timeValue,
  uuidValue,
} from '@duckdb/node-api'
import type { AvroNames, AvroSchema, AvroType, ResolvedType } from '../../iceberg/format/avro/avro-schema.js'
import { resolveType } from '../../iceberg/format/avro/avro-schema.js'
import type { Cursor } from '../../iceberg/format/avro/cursor.js'
import type { Read } from '../../iceberg/format/avro/read-value.js'
import { itemsOf, optionally, readList } from '../../iceberg/format/avro/read-value.js'
import { bytesToBigInt } from '../../iceberg/spec/single-value.js'
import type { FileColumn } from '../duckdb/file-columns.js'
import { EngineError } from '../engine.js'

/** A column of an Avro file: what it is, its type in DuckDB, and how its values are read. */
export interface AvroColumn {
  readonly column: FileColumn
  readonly sqlType: string
  readonly read: Read<DuckDBValue>
}

/** The columns of an Avro file's records (Iceberg spec, Appendix A), under the SQL names `c0`, `c1`, and so on. */
export function avroColumns(schema: AvroSchema): readonly AvroColumn[] {
  const names: AvroNames = new Map()
  const { type, node } = resolveType(schema, names)
  if (type !== 'record') throw invalid(`its records are of type '${type}'`)
  return membersOf(node, names, 0)
}

/** Deeper nesting is an attack on the stack, not a schema. */
const MAX_DEPTH = 100

function membersOf(node: AvroType, names: AvroNames, depth: number): readonly AvroColumn[] {
  if (depth > MAX_DEPTH) throw invalid(`its schema is nested deeper than ${MAX_DEPTH}`)
  return (node.fields ?? []).map((field, index) =>
    columnOf(
      { name: field.name, sqlName: `c${index}`, fieldId: field['field-id'] },
      field.type,
      names,
      depth,
    ),
  )
}

type Named = Pick<FileColumn, 'name' | 'sqlName' | 'fieldId'>

function columnOf(named: Named, schema: AvroSchema, names: AvroNames, depth: number): AvroColumn {
  const resolved = resolveType(schema, names)
  const made = plainColumn(named, resolved, names, depth)
  return { ...made, read: optionally(resolved, made.read) }
}

function plainColumn(named: Named, resolved: ResolvedType, names: AvroNames, depth: number): AvroColumn {
  const { type, node } = resolved
  switch (type) {
    case 'record':
      return structColumn(named, membersOf(node, names, depth + 1))
    case 'array':
      return node.logicalType === 'map'
        ? arrayMapColumn(named, node, names, depth)
        : listColumn(
            named,
            columnOf(nestedName('element', idOf(node, 'element-id')), itemsOf(node), names, depth + 1),
          )
    case 'map': {
      const key = columnOf(nestedName('key', idOf(node, 'key-id')), 'string', names, depth + 1)
      const value = columnOf(
        nestedName('value', idOf(node, 'value-id')),
        node.values ?? 'null',
        names,
        depth + 1,
      )
      return mapColumn(named, key, value)
    }
    default: {
      const [sqlType, read] = primitive(type, node)
      return { column: { ...named, kind: 'primitive', sqlType, children: [] }, sqlType, read }
    }
  }
}

function structColumn(named: Named, members: readonly AvroColumn[]): AvroColumn {
  const sqlType = `STRUCT(${members.map((member) => `${member.column.sqlName} ${member.sqlType}`).join(', ')})`
  return {
    column: { ...named, kind: 'struct', children: members.map((member) => member.column) },
    sqlType,
    read: (cursor) => {
      const values: Record<string, DuckDBValue> = {}
      for (const member of members) values[member.column.sqlName] = member.read(cursor)
      return structValue(values)
    },
  }
}

function listColumn(named: Named, element: AvroColumn): AvroColumn {
  return {
    column: { ...named, kind: 'list', children: [element.column] },
    sqlType: `${element.sqlType}[]`,
    read: (cursor) => listValue(readList(cursor, element.read)),
  }
}

/** Maps whose keys are no strings are arrays of records of two fields. */
function arrayMapColumn(named: Named, node: AvroType, names: AvroNames, depth: number): AvroColumn {
  const entry = resolveType(itemsOf(node), names)
  const [key, value] = membersOf(entry.node, names, depth + 1)
  if (key === undefined || value === undefined)
    throw invalid(`'${named.name}' is a map without key and value`)
  return mapColumn(named, key, value)
}

function mapColumn(named: Named, key: AvroColumn, value: AvroColumn): AvroColumn {
  const readEntry = (cursor: Cursor) => ({ key: key.read(cursor), value: value.read(cursor) })
  return {
    column: { ...named, kind: 'map', children: [key.column, value.column] },
    sqlType: `MAP(${key.sqlType}, ${value.sqlType})`,
    read: (cursor) => mapValue(readList(cursor, readEntry)),
  }
}

function primitive(type: string, node: AvroType): readonly [string, Read<DuckDBValue>] {
  switch (type) {
    case 'boolean':
      return ['BOOLEAN', (cursor) => cursor.readByte() !== 0]
    case 'int':
      if (node.logicalType === 'date') return ['DATE', (cursor) => dateValue(cursor.readLong())]
      if (node.logicalType === 'time-millis')
        return ['TIME', (cursor) => timeValue(cursor.readBigLong() * 1000n)]
      return ['INTEGER', (cursor) => cursor.readLong()]
    case 'long':
      return longType(node)
    case 'float':
      return ['FLOAT', (cursor) => cursor.readFloat()]
    case 'double':
      return ['DOUBLE', (cursor) => cursor.readDouble()]
    case 'string':
      return ['VARCHAR', (cursor) => cursor.readString()]
    case 'bytes':
      if (node.logicalType === 'decimal') return decimalType(node, (cursor) => cursor.readBytes())
      return ['BLOB', (cursor) => blobValue(cursor.readBytes())]
    case 'fixed': {
      const size = node.size ?? 0
      if (node.logicalType === 'decimal') return decimalType(node, (cursor) => cursor.readFixed(size))
      if (node.logicalType === 'uuid') {
        return [
          'UUID',
          (cursor) => uuidValue(BigInt(`0x${Buffer.from(cursor.readFixed(16)).toString('hex')}`)),
        ]
      }
      return ['BLOB', (cursor) => blobValue(cursor.readFixed(size))]
    }
    case 'enum': {
      const symbols = node.symbols ?? []
      return ['VARCHAR', (cursor) => symbols[cursor.readLong()] ?? invalidSymbol(node)]
    }
    default:
      throw invalid(`its type '${type}' is not known`)
  }
}

function longType(node: AvroType): readonly [string, Read<DuckDBValue>] {
  const isZoned = node['adjust-to-utc'] === true
  switch (node.logicalType) {
    case 'time-micros':
      return ['TIME', (cursor) => timeValue(cursor.readBigLong())]
    case 'timestamp-millis':
    case 'local-timestamp-millis':
      return instantType(isZoned, 1000n)
    case 'timestamp-micros':
    case 'local-timestamp-micros':
      return instantType(isZoned, 1n)
    case 'timestamp-nanos':
    case 'local-timestamp-nanos':
      return ['TIMESTAMP_NS', (cursor) => timestampNanosValue(cursor.readBigLong())]
    default:
      return ['BIGINT', (cursor) => cursor.readBigLong()]
  }
}

function instantType(isZoned: boolean, factor: bigint): readonly [string, Read<DuckDBValue>] {
  return isZoned
    ? ['TIMESTAMP WITH TIME ZONE', (cursor) => timestampTZValue(cursor.readBigLong() * factor)]
    : ['TIMESTAMP', (cursor) => timestampValue(cursor.readBigLong() * factor)]
}

function decimalType(
  node: AvroType,
  bytes: (cursor: Cursor) => Uint8Array,
): readonly [string, Read<DuckDBValue>] {
  const precision = Number(node['precision'])
  const scale = Number(node['scale'] ?? 0)
  if (!(precision >= 1 && precision <= 38 && scale >= 0 && scale <= precision)) {
    throw invalid(`its decimal(${precision}, ${scale}) is none`)
  }
  return [
    `DECIMAL(${precision}, ${scale})`,
    (cursor) => new DuckDBDecimalValue(bytesToBigInt(bytes(cursor)), precision, scale),
  ]
}

function nestedName(name: string, fieldId: number | undefined): Named {
  return { name, sqlName: name, fieldId }
}

function idOf(node: AvroType, attribute: string): number | undefined {
  const id = node[attribute]
  return typeof id === 'number' ? id : undefined
}

function invalidSymbol(node: AvroType): never {
  throw invalid(`a value is no symbol of the enum ${node.name ?? ''}`)
}

function invalid(reason: string): EngineError {
  return new EngineError('data-invalid', `an Avro file cannot be read: ${reason}`)
}
