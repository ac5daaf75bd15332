import { IcebergError } from '../error.js'
import type { DataFile, FileContent, FileFormat } from '../spec/data-file.js'
import type { PartitionSpec } from '../spec/partition-spec.js'
import { isLongLike } from '../spec/single-value.js'
import type { PrimitiveType, Value } from '../spec/type.js'
import type { Cursor } from './avro/cursor.js'
import type { Read } from './avro/read-value.js'
import { compileValue, readIntMap, readList, shared } from './avro/read-value.js'
import type { MakeFieldReader } from './record-reader.js'
import { compileRecord } from './record-reader.js'

/** A data file while its fields are being read. */
export type DataFileDraft = { -readonly [Key in keyof DataFile]: DataFile[Key] }

export const FILE_CONTENTS: readonly FileContent[] = ['data', 'position-deletes', 'equality-deletes']

export function newDataFileDraft(specId: number): DataFileDraft {
  return {
    content: 'data',
    filePath: '',
    fileFormat: 'parquet',
    specId,
    partition: [],
    recordCount: 0,
    fileSizeInBytes: 0,
  }
}

/** The readers of `data_file` by field id. Partition values come in the order and the present types of `spec`. */
export function dataFileFields(
  spec: PartitionSpec,
  partitionTypes: readonly (PrimitiveType | undefined)[],
  metricsOf?: ReadonlySet<number>,
): ReadonlyMap<number, MakeFieldReader<DataFileDraft>> {
  const fields = new Map([...PLAIN_FIELDS, ...metricFields(metricsOf)])
  fields.set(102, ({ node }, names) => {
    const readers = new Map<number, MakeFieldReader<(Value | null)[]>>()
    spec.fields.forEach((field, index) => {
      const type = partitionTypes[index]
      readers.set(field['field-id'], (resolved, partitionNames) => {
        const read = compileValue(resolved.node, partitionNames)
        return (cursor, partition) => void (partition[index] = promote(read(cursor), type))
      })
    })
    const readPartition = compileRecord(node, names, readers)
    const width = spec.fields.length
    return (cursor, file) => {
      const partition = new Array<Value | null>(width).fill(null)
      readPartition(cursor, partition)
      file.partition = partition
    }
  })
  return fields
}

const readNumber = (cursor: Cursor): number => cursor.readLong()

/** Maps by column take most of the time and the memory: those that nobody wants are passed over. */
function metricFields(wanted?: ReadonlySet<number>): readonly [number, MakeFieldReader<DataFileDraft>][] {
  if (wanted?.size === 0) return []
  const skipNumber = (cursor: Cursor): void => cursor.skipLong()
  const skipBytes = (cursor: Cursor): void => cursor.skip(cursor.readLong())
  const counts = (): Read<Map<number, number>> =>
    shared((cursor) => readIntMap(cursor, readNumber, skipNumber, wanted))
  const readBounds = (cursor: Cursor): Map<number, Uint8Array> =>
    readIntMap(cursor, (bytes) => bytes.readBytes(), skipBytes, wanted)
  const [readSizes, readValues, readNulls, readNans] = [counts(), counts(), counts(), counts()]
  return [
    [108, () => (cursor, file) => void (file.columnSizes = readSizes(cursor))],
    [109, () => (cursor, file) => void (file.valueCounts = readValues(cursor))],
    [110, () => (cursor, file) => void (file.nullValueCounts = readNulls(cursor))],
    [137, () => (cursor, file) => void (file.nanValueCounts = readNans(cursor))],
    [125, () => (cursor, file) => void (file.lowerBounds = readBounds(cursor))],
    [128, () => (cursor, file) => void (file.upperBounds = readBounds(cursor))],
  ]
}

const PLAIN_FIELDS: ReadonlyMap<number, MakeFieldReader<DataFileDraft>> = new Map([
  [134, () => (cursor, file) => void (file.content = contentOf(cursor.readLong()))],
  [100, () => (cursor, file) => void (file.filePath = cursor.readString())],
  [101, () => (cursor, file) => void (file.fileFormat = formatOf(cursor.readString()))],
  [103, () => (cursor, file) => void (file.recordCount = cursor.readLong())],
  [104, () => (cursor, file) => void (file.fileSizeInBytes = cursor.readLong())],
  [131, () => (cursor, file) => void (file.keyMetadata = cursor.readBytes())],
  [132, () => (cursor, file) => void (file.splitOffsets = readList(cursor, readNumber))],
  [135, () => (cursor, file) => void (file.equalityIds = readList(cursor, readNumber))],
  [140, () => (cursor, file) => void (file.sortOrderId = cursor.readLong())],
  [143, () => (cursor, file) => void (file.referencedDataFile = cursor.readString())],
  [144, () => (cursor, file) => void (file.contentOffset = cursor.readLong())],
  [145, () => (cursor, file) => void (file.contentSizeInBytes = cursor.readLong())],
] satisfies [number, MakeFieldReader<DataFileDraft>][])

function contentOf(code: number): FileContent {
  const content = FILE_CONTENTS[code]
  if (content === undefined) throw new IcebergError('data-invalid', `file content ${code} is not known`)
  return content
}

function formatOf(name: string): FileFormat {
  const format = name.toLowerCase()
  if (format === 'parquet' || format === 'avro' || format === 'orc' || format === 'puffin') return format
  throw new IcebergError('data-invalid', `file format '${name}' is not known`)
}

/** A value written while its column was an int reads as the long that the column is now. */
function promote(value: Value | null, type: PrimitiveType | undefined): Value | null {
  return typeof value === 'number' && type !== undefined && isLongLike(type) ? BigInt(value) : value
}
