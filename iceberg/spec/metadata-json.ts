import { gunzipSync } from 'node:zlib'
import { IcebergError, isIcebergError } from '../error.js'
import { isZstd, unpackZstd } from '../format/zstd.js'
import { parseJson, stringifyJson } from './json.js'
import { asNumber, asObject, asObjects, asString, type Json } from './json-value.js'
import type { PartitionField, PartitionSpec } from './partition-spec.js'
import { currentSchema } from './schema.js'
import { parseSchema } from './schema-json.js'
import { toSnapshotId, type Snapshot, type SnapshotId } from './snapshot.js'
import { defaultSpec } from './specs.js'
import type { TableMetadata } from './table-metadata.js'

/**
 * A table metadata document (v1, v2 or v3, plain, gzip or zstd) → its normalised form. Throws `data-invalid` where the document is
 * damaged, `unsupported` where its version is newer.
 */
export function parseTableMetadata(bytes: Uint8Array): TableMetadata {
  try {
    return normalise(asObject(parseJson(new TextDecoder().decode(unpack(bytes))), 'table metadata'))
  } catch (cause) {
    throw unreadable(cause)
  }
}

/** The same for a document that `parseJson` has read already, as it stands inside others. */
export function tableMetadataOf(document: unknown): TableMetadata {
  try {
    return normalise(asObject(document, 'table metadata'))
  } catch (cause) {
    throw unreadable(cause)
  }
}

/** What packs to less than its share of this is no metadata. */
const MOST_BYTES = 512 * 1024 * 1024

/** By its first bytes: names differ (`.gz.metadata.json`, `.metadata.json.gz`), and some name nothing. */
function unpack(bytes: Uint8Array): Uint8Array {
  if (bytes[0] === 0x1f && bytes[1] === 0x8b) return gunzipSync(bytes, { maxOutputLength: MOST_BYTES })
  return isZstd(bytes) ? unpackZstd(bytes, MOST_BYTES) : bytes
}

function unreadable(cause: unknown): IcebergError {
  if (isIcebergError(cause, 'unsupported')) return cause
  const reason = cause instanceof Error ? cause.message : String(cause)
  return new IcebergError('data-invalid', `table metadata cannot be read: ${reason}`, { cause })
}

/** UTF-8 JSON. A v1 document gets `schema` and `partition-spec` too, which v1 readers require. */
export function serializeTableMetadata(metadata: TableMetadata): Uint8Array {
  const members = Object.entries(tableMetadataDocument(metadata))
    .filter(([, value]) => value !== undefined)
    .map(
      ([key, value]) => `${JSON.stringify(key)}:${HISTORY.has(key) ? listText(value) : stringifyJson(value)}`,
    )
  return new TextEncoder().encode(`{${members.join(',')}}`)
}

/** Lists of a member for each commit: all but its newest were written before, mostly by this process. */
const HISTORY = new Set(['snapshots', 'snapshot-log', 'metadata-log'])
const texts = new WeakMap<object, string>()

function listText(items: unknown): string {
  if (!Array.isArray(items)) return stringifyJson(items)
  return `[${items.map((item: object) => textOf(item)).join(',')}]`
}

function textOf(item: object): string {
  let text = texts.get(item)
  if (text === undefined) {
    text = stringifyJson(item)
    texts.set(item, text)
  }
  return text
}

/** The document as `stringifyJson` writes it, for those that hold it inside another. */
export function tableMetadataDocument(metadata: TableMetadata): Json {
  const version = metadata['format-version']
  return {
    ...metadata,
    ...(metadata['table-uuid'] === '' ? { 'table-uuid': undefined } : {}),
    // Readers of v1 and v2 of long standing expect the member also on an empty table.
    'current-snapshot-id': metadata['current-snapshot-id'] ?? (version < 3 ? -1 : undefined),
    ...(version === 1
      ? { schema: currentSchema(metadata), 'partition-spec': defaultSpec(metadata).fields }
      : {}),
  }
}

function normalise(document: Json): TableMetadata {
  const version = document['format-version']
  if (version !== 1 && version !== 2 && version !== 3) {
    const shown = typeof version === 'number' ? `v${version}` : 'of no version'
    throw new IcebergError('unsupported', `table metadata is ${shown}; this library reads v1, v2 and v3`)
  }
  // `schema` and `partition-spec` say again what the lists say, and would go stale in an upgraded document.
  const { schema, 'partition-spec': v1Spec, ...rest } = document
  const schemas = rest['schemas'] ?? [{ 'schema-id': 0, ...asObject(schema, 'schema') }]
  const specs = specsOf(rest['partition-specs'] ?? [{ 'spec-id': 0, fields: v1Spec }])
  const current = snapshotIdOrNone(rest['current-snapshot-id'])
  const metadata: Record<string, unknown> = {
    ...rest,
    'table-uuid': rest['table-uuid'] ?? '',
    location: asString(rest['location'], 'location'),
    'last-sequence-number': rest['last-sequence-number'] ?? 0,
    'last-updated-ms': asNumber(rest['last-updated-ms'], 'last-updated-ms'),
    'last-column-id': asNumber(rest['last-column-id'], 'last-column-id'),
    schemas: asObjects(schemas, 'schemas').map(parseSchema),
    'current-schema-id': rest['current-schema-id'] ?? 0,
    'partition-specs': specs,
    'default-spec-id': rest['default-spec-id'] ?? 0,
    'last-partition-id': rest['last-partition-id'] ?? highestPartitionId(specs),
    properties: rest['properties'] ?? {},
    'current-snapshot-id': current,
    snapshots: asObjects(rest['snapshots'] ?? [], 'snapshots').map(snapshotDocument),
    'snapshot-log': asObjects(rest['snapshot-log'] ?? [], 'snapshot-log').map(withSnapshotId),
    'metadata-log': asObjects(rest['metadata-log'] ?? [], 'metadata-log'),
    'sort-orders': rest['sort-orders'] ?? [{ 'order-id': 0, fields: [] }],
    'default-sort-order-id': rest['default-sort-order-id'] ?? 0,
    refs: refsOf(rest['refs'] ?? {}, current),
    ...statisticsOf(rest, 'statistics'),
    ...statisticsOf(rest, 'partition-statistics'),
  }
  if (current === undefined) delete metadata['current-snapshot-id']
  const parsed = metadata as unknown as TableMetadata
  currentSchema(parsed)
  defaultSpec(parsed)
  return parsed
}

/** v1 fields may lack their id: they count from 1000 within their spec. */
function specsOf(value: unknown): readonly PartitionSpec[] {
  return asObjects(value, 'partition-specs').map((spec) => ({
    ...spec,
    'spec-id': asNumber(spec['spec-id'], 'spec-id'),
    fields: asObjects(spec['fields'], 'partition fields').map(
      (field, index) => ({ 'field-id': 1000 + index, ...field }) as unknown as PartitionField,
    ),
  }))
}

function highestPartitionId(specs: readonly PartitionSpec[]): number {
  return Math.max(999, ...specs.flatMap((spec) => spec.fields.map((field) => field['field-id'])))
}

/** One snapshot as a metadata document or a commit spells it. */
export function snapshotOf(document: unknown): Snapshot {
  return snapshotDocument(asObject(document, 'a snapshot')) as unknown as Snapshot
}

function snapshotDocument(value: Json): Json {
  const parent = snapshotIdOrNone(value['parent-snapshot-id'])
  const snapshot: Record<string, unknown> = {
    ...withSnapshotId(value),
    'parent-snapshot-id': parent,
    'sequence-number': value['sequence-number'] ?? 0,
    'timestamp-ms': asNumber(value['timestamp-ms'], 'timestamp-ms'),
  }
  if (parent === undefined) delete snapshot['parent-snapshot-id']
  return snapshot
}

/** Documents without `refs` mean a `main` at the current snapshot. */
function refsOf(value: unknown, current: bigint | undefined): Json {
  // Not by assignment: a ref may be called `__proto__`.
  const refs: Record<string, unknown> = Object.fromEntries(
    Object.entries(asObject(value, 'refs')).map(([name, ref]) => [
      name,
      withSnapshotId(asObject(ref, `ref ${name}`)),
    ]),
  )
  if (current !== undefined && refs['main'] === undefined) {
    refs['main'] = { 'snapshot-id': current, type: 'branch' }
  }
  return refs
}

function statisticsOf(document: Json, key: string): Json {
  const files = document[key]
  return files === undefined || files === null ? {} : { [key]: asObjects(files, key).map(withSnapshotId) }
}

export function withSnapshotId<T extends Json>(value: T): T & { readonly 'snapshot-id': SnapshotId } {
  const id = snapshotIdOrNone(value['snapshot-id'])
  if (id === undefined) throw new IcebergError('data-invalid', 'a snapshot-id is missing')
  return { ...value, 'snapshot-id': id }
}

export function snapshotIdOrNone(value: unknown): SnapshotId | undefined {
  if (value === undefined || value === null || value === -1) return undefined
  if (typeof value === 'bigint' || (typeof value === 'number' && Number.isInteger(value)))
    return toSnapshotId(value)
  throw new IcebergError('data-invalid', `a snapshot id is not an integer: ${stringifyJson(value)}`)
}
