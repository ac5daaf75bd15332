import { gunzipSync } from 'node:zlib'
import { IcebergError, isIcebergError } from '../error.js'
import { parseJson, stringifyJson } from './json.js'
import type { PartitionField, PartitionSpec } from './partition-spec.js'
import { currentSchema } from './schema.js'
import { toSnapshotId } from './snapshot.js'
import { defaultSpec } from './specs.js'
import type { TableMetadata } from './table-metadata.js'

type Json = Readonly<Record<string, unknown>>

/**
 * A table metadata document (v1, v2 or v3, plain or gzip) → its normalised form. Throws `data-invalid` where the document is
 * damaged, `unsupported` where its version is newer.
 */
export function parseTableMetadata(bytes: Uint8Array): TableMetadata {
  try {
    const plain = bytes[0] === 0x1f && bytes[1] === 0x8b ? gunzipSync(bytes) : bytes
    return normalise(asObject(parseJson(new TextDecoder().decode(plain)), 'table metadata'))
  } catch (cause) {
    if (isIcebergError(cause, 'unsupported')) throw cause
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new IcebergError('data-invalid', `table metadata cannot be read: ${reason}`, { cause })
  }
}

/** UTF-8 JSON. A v1 document gets `schema` and `partition-spec` too, which v1 readers require. */
export function serializeTableMetadata(metadata: TableMetadata): Uint8Array {
  const version = metadata['format-version']
  const document = {
    ...metadata,
    ...(metadata['table-uuid'] === '' ? { 'table-uuid': undefined } : {}),
    // Readers of v1 and v2 of long standing expect the member also on an empty table.
    'current-snapshot-id': metadata['current-snapshot-id'] ?? (version < 3 ? -1 : undefined),
    ...(version === 1
      ? { schema: currentSchema(metadata), 'partition-spec': defaultSpec(metadata).fields }
      : {}),
  }
  return new TextEncoder().encode(stringifyJson(document))
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
    schemas: asList(schemas, 'schemas').map((item) => ({ 'schema-id': 0, ...item })),
    'current-schema-id': rest['current-schema-id'] ?? 0,
    'partition-specs': specs,
    'default-spec-id': rest['default-spec-id'] ?? 0,
    'last-partition-id': rest['last-partition-id'] ?? highestPartitionId(specs),
    properties: rest['properties'] ?? {},
    'current-snapshot-id': current,
    snapshots: asList(rest['snapshots'] ?? [], 'snapshots').map(snapshotOf),
    'snapshot-log': asList(rest['snapshot-log'] ?? [], 'snapshot-log').map(withSnapshotId),
    'metadata-log': asList(rest['metadata-log'] ?? [], 'metadata-log'),
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
  return asList(value, 'partition-specs').map((spec) => ({
    ...spec,
    'spec-id': asNumber(spec['spec-id'], 'spec-id'),
    fields: asList(spec['fields'], 'partition fields').map(
      (field, index) => ({ 'field-id': 1000 + index, ...field }) as unknown as PartitionField,
    ),
  }))
}

function highestPartitionId(specs: readonly PartitionSpec[]): number {
  return Math.max(999, ...specs.flatMap((spec) => spec.fields.map((field) => field['field-id'])))
}

function snapshotOf(value: Json): Json {
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
  const refs: Record<string, unknown> = {}
  for (const [name, ref] of Object.entries(asObject(value, 'refs'))) {
    refs[name] = withSnapshotId(asObject(ref, `ref ${name}`))
  }
  if (current !== undefined && refs['main'] === undefined) {
    refs['main'] = { 'snapshot-id': current, type: 'branch' }
  }
  return refs
}

function statisticsOf(document: Json, key: string): Json {
  const files = document[key]
  return files === undefined || files === null ? {} : { [key]: asList(files, key).map(withSnapshotId) }
}

function withSnapshotId(value: Json): Json {
  const id = snapshotIdOrNone(value['snapshot-id'])
  if (id === undefined) throw new IcebergError('data-invalid', 'a snapshot-id is missing')
  return { ...value, 'snapshot-id': id }
}

function snapshotIdOrNone(value: unknown): bigint | undefined {
  if (value === undefined || value === null || value === -1) return undefined
  if (typeof value === 'bigint' || typeof value === 'number') return toSnapshotId(value)
  throw new IcebergError('data-invalid', `a snapshot id is not an integer: ${stringifyJson(value)}`)
}

function asObject(value: unknown, what: string): Json {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Json
  throw new IcebergError('data-invalid', `${what} is missing or not an object`)
}

function asList(value: unknown, what: string): readonly Json[] {
  if (Array.isArray(value)) return value.map((item) => asObject(item, `an item of ${what}`))
  throw new IcebergError('data-invalid', `${what} is missing or not a list`)
}

function asNumber(value: unknown, what: string): number {
  if (typeof value === 'number') return value
  throw new IcebergError('data-invalid', `${what} is missing or not a number`)
}

function asString(value: unknown, what: string): string {
  if (typeof value === 'string') return value
  throw new IcebergError('data-invalid', `${what} is missing or not a string`)
}
