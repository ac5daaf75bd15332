import { readManifestEntries, readManifests } from '../scan/manifests.js'
import { mapAhead } from '../scan/map-ahead.js'
import type { DataFile, ManifestEntry, ManifestFile } from '../spec/data-file.js'
import { resolveTarget } from '../spec/refs.js'
import type { TableMetadata } from '../spec/table-metadata.js'
import type { Schema, Type } from '../spec/type.js'
import type { InspectRequest, InspectRow, InspectValue } from './inspect-row.js'
import { columnsOf, entriesOf, listOf, mapOf } from './inspect-row.js'
import { partitionStruct, type PartitionStruct } from './partition-struct.js'
import { readableMetrics } from './readable-metrics.js'

export function entryColumns(metadata: TableMetadata): Schema {
  return columnsOf([
    ['status', 'int'],
    ['snapshot_id', 'long'],
    ['sequence_number', 'long'],
    ['file_sequence_number', 'long'],
    ['data_file', columnsOf(contentColumns(metadata))],
    ['readable_metrics', readableMetrics(metadata).type],
  ])
}

export function fileColumns(metadata: TableMetadata): Schema {
  return columnsOf([...contentColumns(metadata), ['readable_metrics', readableMetrics(metadata).type]])
}

/** All entries, of removed files too. */
export async function* entryRows(
  request: InspectRequest,
  snapshots: 'one' | 'all',
): AsyncIterable<InspectRow> {
  const partitions = partitionStruct(request.metadata)
  const metrics = readableMetrics(request.metadata)
  for await (const entry of entriesIn(request, snapshots, 'any')) {
    yield {
      status: STATUS[entry.status],
      snapshot_id: entry.snapshotId,
      sequence_number: BigInt(entry.sequenceNumber),
      file_sequence_number: BigInt(entry.fileSequenceNumber),
      data_file: contentRow(entry.file, partitions),
      readable_metrics: metrics.valueOf(entry.file),
    }
  }
}

/** Live files; one that several manifests of `all` snapshots name comes for each. */
export async function* fileRows(
  request: InspectRequest,
  snapshots: 'one' | 'all',
  content: 'any' | 'data' | 'deletes',
): AsyncIterable<InspectRow> {
  const partitions = partitionStruct(request.metadata)
  const metrics = readableMetrics(request.metadata)
  for await (const { status, file } of entriesIn(request, snapshots, content)) {
    if (status === 'deleted') continue
    yield { ...contentRow(file, partitions), readable_metrics: metrics.valueOf(file) }
  }
}

export async function* entriesIn(
  { metadata, io, target, manifestCache }: InspectRequest,
  snapshots: 'one' | 'all',
  content: 'any' | 'data' | 'deletes',
): AsyncIterable<ManifestEntry> {
  const head = resolveTarget(metadata, target)
  const chosen = snapshots === 'all' ? metadata.snapshots : head === undefined ? [] : [head]
  const seen = new Set<string>()
  const read = (manifest: ManifestFile) => readManifestEntries(io, metadata, manifest, manifestCache)
  for (const snapshot of chosen) {
    const manifests = (await readManifests(io, metadata, snapshot)).filter(
      (manifest) => (content === 'any' || manifest.content === content) && !seen.has(manifest.manifestPath),
    )
    for (const { manifestPath } of manifests) seen.add(manifestPath)
    for await (const { result } of mapAhead(manifests, read)) yield* result
  }
}

const STATUS = { existing: 0, added: 1, deleted: 2 } as const
const CONTENT = { data: 0, 'position-deletes': 1, 'equality-deletes': 2 } as const

function contentColumns(metadata: TableMetadata): readonly (readonly [string, Type])[] {
  const { type } = partitionStruct(metadata)
  return [
    ['content', 'int'],
    ['file_path', 'string'],
    ['file_format', 'string'],
    ['spec_id', 'int'],
    ...(type === undefined ? [] : [['partition', type] as const]),
    ['record_count', 'long'],
    ['file_size_in_bytes', 'long'],
    ['column_sizes', mapOf('int', 'long')],
    ['value_counts', mapOf('int', 'long')],
    ['null_value_counts', mapOf('int', 'long')],
    ['nan_value_counts', mapOf('int', 'long')],
    ['lower_bounds', mapOf('int', 'binary')],
    ['upper_bounds', mapOf('int', 'binary')],
    ['key_metadata', 'binary'],
    ['split_offsets', listOf('long')],
    ['equality_ids', listOf('int')],
    ['sort_order_id', 'int'],
    ['referenced_data_file', 'string'],
    ['content_offset', 'long'],
    ['content_size_in_bytes', 'long'],
  ]
}

function contentRow(file: DataFile, partitions: PartitionStruct): InspectRow {
  const counts = (map: ReadonlyMap<number, number> | undefined): InspectValue => entriesOf(map, BigInt)
  const bounds = (map: ReadonlyMap<number, Uint8Array> | undefined): InspectValue =>
    entriesOf(map, (bytes) => bytes)
  const long = (value: number | undefined): InspectValue => (value === undefined ? null : BigInt(value))
  return {
    content: CONTENT[file.content],
    file_path: file.filePath,
    file_format: file.fileFormat.toUpperCase(),
    spec_id: file.specId,
    ...(partitions.type !== undefined && { partition: partitions.valueOf(file) }),
    record_count: BigInt(file.recordCount),
    file_size_in_bytes: BigInt(file.fileSizeInBytes),
    column_sizes: counts(file.columnSizes),
    value_counts: counts(file.valueCounts),
    null_value_counts: counts(file.nullValueCounts),
    nan_value_counts: counts(file.nanValueCounts),
    lower_bounds: bounds(file.lowerBounds),
    upper_bounds: bounds(file.upperBounds),
    key_metadata: file.keyMetadata ?? null,
    split_offsets: file.splitOffsets?.map(BigInt) ?? null,
    equality_ids: file.equalityIds ?? null,
    sort_order_id: file.sortOrderId ?? null,
    referenced_data_file: file.referencedDataFile ?? null,
    content_offset: long(file.contentOffset),
    content_size_in_bytes: long(file.contentSizeInBytes),
  }
}
