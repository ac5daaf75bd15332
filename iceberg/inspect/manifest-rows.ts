import { readManifests } from '../scan/manifests.js'
import type { ManifestFile } from '../spec/data-file.js'
import { resolveTarget } from '../spec/refs.js'
import { decodeValue } from '../spec/single-value.js'
import type { SnapshotId } from '../spec/snapshot.js'
import { partitionTypes, schemasNewestFirst, specById } from '../spec/specs.js'
import type { TableMetadata } from '../spec/table-metadata.js'
import type { Type } from '../spec/type.js'
import { humanPartition } from './human-partition.js'
import type { InspectRequest, InspectRow } from './inspect-row.js'
import { columnsOf, fieldsOf, listOf } from './inspect-row.js'

const SUMMARY: Type = {
  type: 'struct',
  fields: fieldsOf([
    ['contains_null', 'boolean'],
    ['contains_nan', 'boolean'],
    ['lower_bound', 'string'],
    ['upper_bound', 'string'],
  ]),
}

const MANIFEST: readonly (readonly [string, Type])[] = [
  ['content', 'int'],
  ['path', 'string'],
  ['length', 'long'],
  ['partition_spec_id', 'int'],
  ['added_snapshot_id', 'long'],
  ['added_data_files_count', 'int'],
  ['existing_data_files_count', 'int'],
  ['deleted_data_files_count', 'int'],
  ['added_delete_files_count', 'int'],
  ['existing_delete_files_count', 'int'],
  ['deleted_delete_files_count', 'int'],
  ['partition_summaries', listOf(SUMMARY)],
]

export const manifestColumns = columnsOf(MANIFEST)
export const allManifestColumns = columnsOf([...MANIFEST, ['reference_snapshot_id', 'long']])

export async function* manifestRows({ metadata, io, target }: InspectRequest): AsyncIterable<InspectRow> {
  const snapshot = resolveTarget(metadata, target)
  if (snapshot === undefined) return
  for (const manifest of await readManifests(io, metadata, snapshot)) yield manifestRow(metadata, manifest)
}

/** A manifest of several snapshots comes once for each. */
export async function* allManifestRows({ metadata, io }: InspectRequest): AsyncIterable<InspectRow> {
  for (const snapshot of metadata.snapshots) {
    const id: SnapshotId = snapshot['snapshot-id']
    for (const manifest of await readManifests(io, metadata, snapshot)) {
      yield { ...manifestRow(metadata, manifest), reference_snapshot_id: id }
    }
  }
}

function manifestRow(metadata: TableMetadata, manifest: ManifestFile): InspectRow {
  const isData = manifest.content === 'data'
  const data = (count: number): number => (isData ? count : 0)
  const deletes = (count: number): number => (isData ? 0 : count)
  const { addedFilesCount, existingFilesCount, deletedFilesCount } = manifest
  return {
    content: isData ? 0 : 1,
    path: manifest.manifestPath,
    length: BigInt(manifest.manifestLength),
    partition_spec_id: manifest.partitionSpecId,
    added_snapshot_id: manifest.addedSnapshotId,
    added_data_files_count: data(addedFilesCount),
    existing_data_files_count: data(existingFilesCount),
    deleted_data_files_count: data(deletedFilesCount),
    added_delete_files_count: deletes(addedFilesCount),
    existing_delete_files_count: deletes(existingFilesCount),
    deleted_delete_files_count: deletes(deletedFilesCount),
    partition_summaries: summariesOf(metadata, manifest),
  }
}

function summariesOf(metadata: TableMetadata, manifest: ManifestFile): readonly InspectRow[] {
  const spec = specById(metadata, manifest.partitionSpecId)
  const types = partitionTypes(schemasNewestFirst(metadata), spec)
  return (manifest.partitions ?? []).map((summary, at) => {
    const [field, type] = [spec.fields[at], types[at]]
    const text = (bytes: Uint8Array | undefined): string | null =>
      bytes === undefined || field === undefined || type === undefined
        ? null
        : humanPartition(field.transform, type, decodeValue(type, bytes))
    return {
      contains_null: summary.containsNull,
      contains_nan: summary.containsNan ?? null,
      lower_bound: text(summary.lowerBound),
      upper_bound: text(summary.upperBound),
    }
  })
}
