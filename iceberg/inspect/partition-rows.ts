import { partitionKey } from '../spec/partition-key.js'
import { snapshotById } from '../spec/refs.js'
import type { SnapshotId } from '../spec/snapshot.js'
import type { DataFile } from '../spec/data-file.js'
import type { TableMetadata } from '../spec/table-metadata.js'
import type { Schema, Type } from '../spec/type.js'
import { entriesIn } from './file-rows.js'
import type { InspectRequest, InspectRow } from './inspect-row.js'
import { columnsOf, micros } from './inspect-row.js'
import { partitionStruct } from './partition-struct.js'

export function partitionColumns(metadata: TableMetadata): Schema {
  const { type } = partitionStruct(metadata)
  const partition: readonly (readonly [string, Type])[] =
    type === undefined
      ? []
      : [
          ['partition', type],
          ['spec_id', 'int'],
        ]
  return columnsOf([
    ...partition,
    ['record_count', 'long'],
    ['file_count', 'int'],
    ['total_data_file_size_in_bytes', 'long'],
    ['position_delete_record_count', 'long'],
    ['position_delete_file_count', 'int'],
    ['equality_delete_record_count', 'long'],
    ['equality_delete_file_count', 'int'],
    ['last_updated_at', 'timestamptz'],
    ['last_updated_snapshot_id', 'long'],
  ])
}

/** One row a partition and spec, with its live files counted up. */
export async function* partitionRows(request: InspectRequest): AsyncIterable<InspectRow> {
  const { metadata } = request
  const { type, valueOf } = partitionStruct(metadata)
  const byKey = new Map<string, Totals>()
  for await (const { status, file, snapshotId } of entriesIn(request, 'one', 'any')) {
    if (status === 'deleted') continue
    const key = partitionKey(file)
    const totals = byKey.get(key) ?? newTotals(file)
    byKey.set(key, totals)
    addFile(totals, file)
    const at = snapshotById(metadata, snapshotId)?.['timestamp-ms']
    if (at !== undefined && at > totals.updatedMs) {
      totals.updatedMs = at
      totals.snapshotId = snapshotId
    }
  }
  for (const totals of byKey.values()) {
    yield {
      ...(type !== undefined && { partition: valueOf(totals.file), spec_id: totals.file.specId }),
      record_count: BigInt(totals.data.rows),
      file_count: totals.data.files,
      total_data_file_size_in_bytes: BigInt(totals.data.bytes),
      position_delete_record_count: BigInt(totals['position-deletes'].rows),
      position_delete_file_count: totals['position-deletes'].files,
      equality_delete_record_count: BigInt(totals['equality-deletes'].rows),
      equality_delete_file_count: totals['equality-deletes'].files,
      last_updated_at: totals.snapshotId === null ? null : micros(totals.updatedMs),
      last_updated_snapshot_id: totals.snapshotId,
    }
  }
}

interface Count {
  files: number
  rows: number
  bytes: number
}

interface Totals extends Record<DataFile['content'], Count> {
  readonly file: DataFile
  updatedMs: number
  /** Null where the snapshots that wrote the files have expired. */
  snapshotId: SnapshotId | null
}

function newTotals(file: DataFile): Totals {
  const none = (): Count => ({ files: 0, rows: 0, bytes: 0 })
  return {
    file,
    data: none(),
    'position-deletes': none(),
    'equality-deletes': none(),
    updatedMs: -Infinity,
    snapshotId: null,
  }
}

function addFile(totals: Totals, file: DataFile): void {
  const count = totals[file.content]
  count.files++
  count.rows += file.recordCount
  count.bytes += file.fileSizeInBytes
}
