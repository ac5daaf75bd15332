import { IcebergError } from '../../error.js'
import { bytesToBigInt, bytesToUuid } from '../../spec/single-value.js'
import type { Value } from '../../spec/type.js'
import type { AvroNames, AvroSchema, AvroType, ResolvedType } from './avro-schema.js'
import { resolveType } from './avro-schema.js'
import type { Cursor } from './cursor.js'

export type Read<T> = (cursor: Cursor) => T

/** Makes a reader that passes over a value. */
export function compileSkip(schema: AvroSchema, names: AvroNames): Read<unknown> {
  const resolved = resolveType(schema, names)
  return optionally(resolved, skipOf(resolved, names))
}

/** Makes a reader of one primitive value in Iceberg's in-memory form; null where it is optional and absent. */
export function compileValue(schema: AvroSchema, names: AvroNames): Read<Value | null> {
  const resolved = resolveType(schema, names)
  return optionally(resolved, valueOf(resolved))
}

/** Wraps a reader for the union with null that its type may be in. */
export function optionally<T>(resolved: ResolvedType, read: Read<T>): Read<T | null> {
  const { nullBranch } = resolved
  if (nullBranch === undefined) return read
  return (cursor) => (cursor.readLong() === nullBranch ? null : read(cursor))
}

/** An array of records `{ key: int, value }`: Iceberg's map with integer keys. Of `wanted` keys only, where it is given. */
export function readIntMap<T>(
  cursor: Cursor,
  readItem: Read<T>,
  skipItem: Read<unknown>,
  wanted?: ReadonlySet<number>,
): Map<number, T> {
  const map = new Map<number, T>()
  for (let count = cursor.readBlockCount(); count !== 0; count = cursor.readBlockCount()) {
    for (let index = 0; index < count; index++) {
      const key = cursor.readLong()
      if (wanted === undefined || wanted.has(key)) map.set(key, readItem(cursor))
      else skipItem(cursor)
    }
  }
  return map
}

/** Gives out the value before again where the next one is written by the same bytes, as those of neighbours often are. */
export function shared<T extends object>(read: Read<T>): Read<T> {
  let last:
    { readonly cursor: Cursor; readonly start: number; readonly end: number; readonly value: T } | undefined
  return (cursor) => {
    if (last?.cursor === cursor && cursor.skipRepeat(last.start, last.end)) return last.value
    const start = cursor.position
    const value = read(cursor)
    last = { cursor, start, end: cursor.position, value }
    return value
  }
}

export function readList<T>(cursor: Cursor, readItem: Read<T>): T[] {
  const items: T[] = []
  for (let count = cursor.readBlockCount(); count !== 0; count = cursor.readBlockCount()) {
    for (let index = 0; index < count; index++) items.push(readItem(cursor))
  }
  return items
}

function valueOf({ type, node }: ResolvedType): Read<Value> {
  switch (type) {
    case 'boolean':
      return (cursor) => cursor.readByte() !== 0
    case 'int':
      return (cursor) => cursor.readLong()
    case 'long':
      return (cursor) => cursor.readBigLong()
    case 'float':
      return (cursor) => cursor.readFloat()
    case 'double':
      return (cursor) => cursor.readDouble()
    case 'string':
      return (cursor) => cursor.readString()
    case 'bytes':
      return node.logicalType === 'decimal'
        ? (cursor) => bytesToBigInt(cursor.readBytes())
        : (cursor) => cursor.readBytes()
    case 'fixed': {
      const size = node.size ?? 0
      if (node.logicalType === 'decimal') return (cursor) => bytesToBigInt(cursor.readFixed(size))
      if (node.logicalType === 'uuid') return (cursor) => bytesToUuid(cursor.readFixed(size))
      return (cursor) => cursor.readFixed(size)
    }
    default:
      throw new IcebergError('data-invalid', `Avro type ${JSON.stringify(node)} is not a partition value`)
  }
}

function skipOf({ type, node }: ResolvedType, names: AvroNames): Read<void> {
  switch (type) {
    case 'null':
      return () => undefined
    case 'boolean':
      return (cursor) => cursor.skip(1)
    case 'int':
    case 'long':
    case 'enum':
      return (cursor) => cursor.skipLong()
    case 'float':
      return (cursor) => cursor.skip(4)
    case 'double':
      return (cursor) => cursor.skip(8)
    case 'bytes':
    case 'string':
      return (cursor) => cursor.skip(cursor.readLong())
    case 'fixed':
      return (cursor) => cursor.skip(node.size ?? 0)
    case 'record': {
      const fields = (node.fields ?? []).map((field) => compileSkip(field.type, names))
      return (cursor) => {
        for (const skipField of fields) skipField(cursor)
      }
    }
    case 'array':
      return skipBlocks(compileSkip(itemsOf(node), names))
    case 'map': {
      const skipItem = compileSkip(node.values ?? 'null', names)
      return skipBlocks((cursor) => {
        cursor.skip(cursor.readLong())
        skipItem(cursor)
      })
    }
    default:
      throw new IcebergError('data-invalid', `Avro type '${type}' is not known`)
  }
}

function skipBlocks(skipItem: Read<unknown>): Read<void> {
  return (cursor) => {
    for (let count = cursor.readBlockCount(); count !== 0; count = cursor.readBlockCount()) {
      for (let index = 0; index < count; index++) skipItem(cursor)
    }
  }
}

export function itemsOf(node: AvroType): AvroSchema {
  if (node.items === undefined) throw new IcebergError('data-invalid', 'an Avro array does not say its items')
  return node.items
}
