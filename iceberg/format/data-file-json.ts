import { IcebergError } from '../error.js'
import type { DataFile } from '../spec/data-file.js'
import type { Value } from '../spec/type.js'

type JsonValue = boolean | number | string | null | { readonly bigint: string } | { readonly bytes: string }

type Plain = Exclude<keyof DataFile, 'partition' | MapKey | BoundKey | 'keyMetadata'>
type MapKey = 'columnSizes' | 'valueCounts' | 'nullValueCounts' | 'nanValueCounts'
type BoundKey = 'lowerBounds' | 'upperBounds'

/** A data file as plain JSON, for staged descriptors and workflow payloads. Maps are lists of pairs, bytes are base64. */
export type DataFileJson = Pick<DataFile, Plain> & {
  readonly partition: readonly JsonValue[]
} & Readonly<Partial<Record<MapKey, readonly (readonly [number, number])[]>>> &
  Readonly<Partial<Record<BoundKey, readonly (readonly [number, string])[]>>> & {
    readonly keyMetadata?: string
  }

export function dataFileToJson(file: DataFile): DataFileJson {
  const json: Record<string, unknown> = { ...file, partition: file.partition.map(valueToJson) }
  for (const key of MAP_KEYS) if (file[key]) json[key] = [...file[key]]
  for (const key of BOUND_KEYS) {
    if (file[key]) json[key] = [...file[key]].map(([id, bytes]) => [id, toBase64(bytes)])
  }
  if (file.keyMetadata) json['keyMetadata'] = toBase64(file.keyMetadata)
  return json as unknown as DataFileJson
}

/** The inverse of `dataFileToJson`. Throws `data-invalid` where the document is not one. */
export function dataFileFromJson(json: unknown): DataFile {
  try {
    const document = json as DataFileJson
    const file: Record<string, unknown> = { ...document, partition: document.partition.map(valueFromJson) }
    for (const key of MAP_KEYS) if (document[key]) file[key] = new Map(document[key])
    for (const key of BOUND_KEYS) {
      if (document[key]) file[key] = new Map(document[key].map(([id, text]) => [id, fromBase64(text)]))
    }
    if (document.keyMetadata !== undefined) file['keyMetadata'] = fromBase64(document.keyMetadata)
    if (typeof file['filePath'] !== 'string' || typeof file['recordCount'] !== 'number') {
      throw new IcebergError('data-invalid', 'filePath or recordCount is missing')
    }
    return file as unknown as DataFile
  } catch (cause) {
    throw new IcebergError('data-invalid', `not a data file's JSON: ${String(cause)}`, { cause })
  }
}

const MAP_KEYS: readonly MapKey[] = ['columnSizes', 'valueCounts', 'nullValueCounts', 'nanValueCounts']
const BOUND_KEYS: readonly BoundKey[] = ['lowerBounds', 'upperBounds']

/** JSON has no bigint, no bytes, no NaN and no infinities. */
function valueToJson(value: Value | null): JsonValue | { readonly float: string } {
  if (typeof value === 'bigint') return { bigint: value.toString() }
  if (value instanceof Uint8Array) return { bytes: toBase64(value) }
  const isOdd = typeof value === 'number' && (!Number.isFinite(value) || Object.is(value, -0))
  return isOdd ? { float: Object.is(value, -0) ? '-0' : String(value) } : value
}

function valueFromJson(value: JsonValue | { readonly float: string }): Value | null {
  if (typeof value !== 'object' || value === null) return value
  if ('bigint' in value) return BigInt(value.bigint)
  return 'bytes' in value ? fromBase64(value.bytes) : Number(value.float)
}

function toBase64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64')
}

function fromBase64(text: string): Uint8Array {
  return Uint8Array.from(Buffer.from(text, 'base64'))
}
