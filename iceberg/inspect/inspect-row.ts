import type { FileIO } from '../io/file-io.js'
import type { ManifestCache } from '../scan/manifests.js'
import type { ScanTarget } from '../scan/scan-plan.js'
import { decimalText } from '../spec/decimal-text.js'
import type { TableMetadata } from '../spec/table-metadata.js'
import type { ListType, MapType, NestedField, PrimitiveType, Schema, Type, Value } from '../spec/type.js'

/** Which table to look into, and as of which snapshot. */
export interface InspectRequest {
  readonly metadata: TableMetadata
  /** Where `metadata` lies: the newest entry of `metadata_log_entries`. */
  readonly metadataLocation?: string
  readonly io: FileIO
  /** Which snapshot's manifests and files. Default: the head of `main`. */
  readonly target?: ScanTarget
  readonly manifestCache?: ManifestCache
}

/** A value of a metadata table: longs are bigint, times µs since 1970 as bigint, structs objects, lists arrays. */
export type InspectValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | readonly InspectValue[]
  | { readonly [key: string]: InspectValue }
/** A row of a metadata table, by column. */
export type InspectRow = Readonly<Record<string, InspectValue>>

/** A schema of name and type pairs; ids count up, which nothing depends on. */
export function columnsOf(columns: readonly (readonly [string, Type])[]): Schema {
  return { type: 'struct', 'schema-id': 0, fields: fieldsOf(columns) }
}

export function fieldsOf(columns: readonly (readonly [string, Type])[]): readonly NestedField[] {
  return columns.map(([name, type], at) => ({ id: at + 1, name, required: false, type }))
}

export function listOf(element: Type): ListType {
  return { type: 'list', 'element-id': 1, 'element-required': false, element }
}

export function mapOf(key: PrimitiveType, value: PrimitiveType): MapType {
  return { type: 'map', 'key-id': 1, key, 'value-id': 2, 'value-required': false, value }
}

/** A map as the list of its entries. */
export function entriesOf<K extends InspectValue, V>(
  map: ReadonlyMap<K, V> | undefined,
  valueOf: (value: V) => InspectValue,
): InspectValue {
  return map === undefined ? null : Array.from(map, ([key, value]) => ({ key, value: valueOf(value) }))
}

/** A value as rows have it: decimals are text there. */
export function rowValue(type: PrimitiveType, value: Value | null): InspectValue {
  return typeof value === 'bigint' && type.startsWith('decimal') ? decimalText(type, value) : value
}

/** Milliseconds → a timestamp's µs. */
export function micros(ms: number): bigint {
  return BigInt(ms) * 1000n
}
