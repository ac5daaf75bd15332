import { IcebergError } from '../error.js'
import type { DataFile } from '../spec/data-file.js'
import type { PartitionSpec } from '../spec/partition-spec.js'
import { bigIntToFixed, isLongLike, uuidToBytes } from '../spec/single-value.js'
import type { PrimitiveType, Value } from '../spec/type.js'
import type { Sink } from './avro/sink.js'
import { FILE_CONTENTS } from './data-file-reader.js'
import { decimalLength, decimalPrecision } from './manifest-schema.js'

type WriteValue = (sink: Sink, value: Value) => void

/** Makes the writer of `data_file` that goes with `manifestSchema`. */
export function compileDataFileWriter(
  spec: PartitionSpec,
  partitionTypes: readonly (PrimitiveType | undefined)[],
): (sink: Sink, file: DataFile) => void {
  const partition = spec.fields.map((_, index) => valueWriter(partitionTypes[index]))
  return (sink, file) => {
    if (file.specId !== spec['spec-id'] || file.partition.length !== partition.length) {
      throw new IcebergError(
        'invalid-argument',
        `${file.filePath} has ${file.partition.length} partition values of spec ${file.specId}; ` +
          `this manifest takes ${partition.length} of spec ${spec['spec-id']}: write one manifest a spec`,
      )
    }
    sink.long(FILE_CONTENTS.indexOf(file.content))
    sink.string(file.filePath)
    sink.string(file.fileFormat.toUpperCase())
    partition.forEach((write, index) => {
      const value = file.partition[index]
      if (sink.optional(value)) write(sink, value)
    })
    sink.long(file.recordCount)
    sink.long(file.fileSizeInBytes)
    intMap(sink, file.columnSizes, (value) => sink.long(value))
    intMap(sink, file.valueCounts, (value) => sink.long(value))
    intMap(sink, file.nullValueCounts, (value) => sink.long(value))
    intMap(sink, file.nanValueCounts, (value) => sink.long(value))
    intMap(sink, file.lowerBounds, (value) => sink.bytes(value))
    intMap(sink, file.upperBounds, (value) => sink.bytes(value))
    if (sink.optional(file.keyMetadata)) sink.bytes(file.keyMetadata)
    list(sink, file.splitOffsets)
    list(sink, file.equalityIds)
    if (sink.optional(file.sortOrderId)) sink.long(file.sortOrderId)
    if (sink.optional(file.referencedDataFile)) sink.string(file.referencedDataFile)
  }
}

function intMap<T>(sink: Sink, map: ReadonlyMap<number, T> | undefined, write: (value: T) => void): void {
  if (!sink.optional(map)) return
  sink.block(map.size, map, ([key, value]) => {
    sink.long(key)
    write(value)
  })
}

function list(sink: Sink, items: readonly number[] | undefined): void {
  if (sink.optional(items)) sink.block(items.length, items, (item) => sink.long(item))
}

function valueWriter(type: PrimitiveType | undefined): WriteValue {
  if (type === undefined) return (_sink, value) => wrongKind('a dropped column', value)
  if (type === 'boolean') return (sink, value) => sink.boolean(value === true)
  if (type === 'float') return (sink, value) => sink.float(number(type, value))
  if (type === 'double') return (sink, value) => sink.double(number(type, value))
  if (type === 'int' || type === 'date') return (sink, value) => sink.long(number(type, value))
  if (isLongLike(type)) return (sink, value) => sink.long(integer(type, value))
  if (type === 'string') return (sink, value) => sink.string(text(type, value))
  if (type === 'uuid') return (sink, value) => sink.fixed(uuidToBytes(text(type, value)))
  if (type === 'binary') return (sink, value) => sink.bytes(bytes(type, value))
  if (type.startsWith('fixed')) return (sink, value) => sink.fixed(bytes(type, value))
  const length = decimalLength(decimalPrecision(type))
  return (sink, value) => sink.fixed(bigIntToFixed(integer(type, value), length))
}

function number(type: PrimitiveType, value: Value): number {
  return typeof value === 'number' ? value : wrongKind(type, value)
}

function integer(type: PrimitiveType, value: Value): bigint {
  return typeof value === 'bigint' ? value : wrongKind(type, value)
}

function text(type: PrimitiveType, value: Value): string {
  return typeof value === 'string' ? value : wrongKind(type, value)
}

function bytes(type: PrimitiveType, value: Value): Uint8Array {
  return value instanceof Uint8Array ? value : wrongKind(type, value)
}

function wrongKind(type: string, value: Value): never {
  throw new IcebergError(
    'invalid-argument',
    `partition value '${String(value)}' (${typeof value}) is not a value of ${type}`,
  )
}
