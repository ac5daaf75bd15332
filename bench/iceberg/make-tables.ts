import type { LoadedTable } from '../../iceberg/catalog/catalog.js'
import { parseIdentifier } from '../../iceberg/catalog/catalog.js'
import { isIcebergError } from '../../iceberg/error.js'
import { manifestFileOf, writeManifest } from '../../iceberg/format/manifest.js'
import { writeManifestList } from '../../iceberg/format/manifest-list.js'
import { joinLocation } from '../../iceberg/io/location.js'
import type { DataFile } from '../../iceberg/spec/data-file.js'
import type { PartitionSpec } from '../../iceberg/spec/partition-spec.js'
import { headOf } from '../../iceberg/spec/refs.js'
import { encodeValue } from '../../iceberg/spec/single-value.js'
import { toSnapshotId, type Snapshot } from '../../iceberg/spec/snapshot.js'
import { defaultSpec } from '../../iceberg/spec/specs.js'
import type { PrimitiveType, Schema } from '../../iceberg/spec/type.js'
import type { TableUpdate } from '../../iceberg/update/table-update.js'
import type { Lab } from './lab.js'

/** Columns by name, ids from 1 in order; all optional. */
export function schemaOf(columns: Readonly<Record<string, PrimitiveType>>): Schema {
  const fields = Object.entries(columns).map(([name, type], at) => ({
    id: at + 1,
    name,
    type,
    required: false,
  }))
  return { type: 'struct', 'schema-id': 0, fields }
}

export async function makeTable(
  { catalog }: Lab,
  name: string,
  schema: Schema,
  options: { readonly partitionBy?: string; readonly properties?: Readonly<Record<string, string>> } = {},
): Promise<LoadedTable> {
  const identifier = parseIdentifier(name)
  try {
    await catalog.createNamespace(identifier.namespace)
  } catch (error) {
    if (!isIcebergError(error, 'already-exists')) throw error
  }
  const source = schema.fields.find((field) => field.name === options.partitionBy)
  const partitionSpec: PartitionSpec | undefined = source && {
    'spec-id': 0,
    fields: [{ 'source-id': source.id, 'field-id': 1000, name: source.name, transform: 'identity' }],
  }
  return catalog.createTable({
    identifier,
    schema,
    ...(partitionSpec && { partitionSpec }),
    ...(options.properties && { properties: options.properties }),
  })
}

/** A file that is only described, with metrics of all columns, all of them longs. */
export function describedFile(
  { metadata }: LoadedTable,
  file: { readonly partition: number; readonly number: number },
): DataFile {
  const { partition, number } = file
  const ids = metadata.schemas[0]?.fields.map((field) => field.id) ?? []
  const counts = (value: (id: number) => number) => new Map(ids.map((id) => [id, value(id)]))
  const bounds = (plus: number) =>
    new Map(ids.map((id) => [id, encodeValue('long', BigInt(id === 1 ? partition : number * 100 + plus))]))
  const partitioned = defaultSpec(metadata).fields.length > 0
  return {
    content: 'data',
    filePath: joinLocation(metadata.location, 'data', `part=${partition}`, `00000-${number}-0.parquet`),
    fileFormat: 'parquet',
    specId: metadata['default-spec-id'],
    partition: partitioned ? [BigInt(partition)] : [],
    recordCount: 1000 + (number % 700),
    fileSizeInBytes: 100_000 + number,
    columnSizes: counts((id) => 9000 + ((number * 31 + id * 7) % 1000)),
    valueCounts: counts(() => 1000 + (number % 700)),
    nullValueCounts: counts((id) => (id === 3 ? number % 5 : 0)),
    nanValueCounts: new Map(),
    lowerBounds: bounds(0),
    upperBounds: bounds(99),
    splitOffsets: [4],
  }
}

/** Snapshots whose manifest lists lie there already, in one commit; the last becomes the head. */
export async function addSnapshots(
  { catalog, newSnapshotId, now }: Lab,
  table: LoadedTable,
  manifestLists: readonly string[],
): Promise<LoadedTable> {
  const { metadata, identifier } = table
  let parent = headOf(metadata)
  const summary = parent?.summary ?? { operation: 'append' as const }
  const updates: TableUpdate[] = []
  for (const [at, list] of manifestLists.entries()) {
    const snapshot: Snapshot = {
      'snapshot-id': newSnapshotId(),
      ...(parent && { 'parent-snapshot-id': parent['snapshot-id'] }),
      'sequence-number': metadata['last-sequence-number'] + 1 + at,
      'timestamp-ms': Math.max(now(), metadata['last-updated-ms']),
      'manifest-list': list,
      summary,
      'schema-id': 0,
    }
    updates.push({ action: 'add-snapshot', snapshot })
    parent = snapshot
  }
  const id = parent?.['snapshot-id'] ?? toSnapshotId(0)
  updates.push({ action: 'set-snapshot-ref', 'ref-name': 'main', type: 'branch', 'snapshot-id': id })
  const [committed] = await catalog.commit([{ identifier, requirements: [], updates }])
  return committed ?? table
}

/** A manifest list of manifests that each add these files. */
export async function writeFiles(
  { catalog }: Lab,
  { metadata }: LoadedTable,
  groups: readonly (readonly DataFile[])[],
  name: string,
): Promise<string> {
  const folder = joinLocation(metadata.location, 'metadata')
  const [schema] = metadata.schemas
  if (schema === undefined) throw new Error('a table without a schema')
  const snapshotId = toSnapshotId(1)
  const manifests = groups.map((files, at) => {
    const spec = defaultSpec(metadata)
    const entries = files.map((file) => ({ status: 'added' as const, file }))
    const written = writeManifest({ schema, spec, content: 'data', entries, snapshotId, formatVersion: 2 })
    const place = { manifestPath: joinLocation(folder, `${name}-m${at}.avro`), sequenceNumber: 1 }
    return { bytes: written.bytes, manifest: manifestFileOf(written, place) }
  })
  for (const { manifest, bytes } of manifests) await catalog.io.write(manifest.manifestPath, bytes)
  const list = joinLocation(folder, `snap-${name}.avro`)
  const described = manifests.map(({ manifest }) => manifest)
  const bytes = writeManifestList({
    manifests: described,
    snapshotId,
    parentSnapshotId: undefined,
    sequenceNumber: 1,
    formatVersion: 2,
  })
  await catalog.io.write(list, bytes)
  return list
}
