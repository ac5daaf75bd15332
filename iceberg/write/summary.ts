import type { DataFile } from '../spec/data-file.js'
import { partitionKey } from '../spec/partition-key.js'
import type { Operation, SnapshotSummary } from '../spec/snapshot.js'

export interface SummaryInput {
  readonly operation: Operation
  readonly added: readonly DataFile[]
  readonly removed: readonly DataFile[]
  /** Of the parent; absent on the first snapshot. */
  readonly previous?: Readonly<Record<string, string>>
  readonly isFirst: boolean
  readonly replacesPartitions: boolean
  readonly properties: Readonly<Record<string, string>>
}

/** A snapshot's summary with the fields that Java writes; totals are carried on where the parent has them. */
export function snapshotSummary(input: SummaryInput): SnapshotSummary {
  const added = count(input.added)
  const removed = count(input.removed)
  const partitions = new Set([...input.added, ...input.removed].map(partitionKey))
  return {
    ...input.properties,
    ...(input.replacesPartitions && { 'replace-partitions': 'true' }),
    ...nonZero({
      'added-data-files': added.dataFiles,
      'added-delete-files': added.deleteFiles,
      'added-position-deletes': added.positionDeletes,
      'added-equality-deletes': added.equalityDeletes,
      'added-records': added.records,
      'added-files-size': added.bytes,
      'deleted-data-files': removed.dataFiles,
      'removed-delete-files': removed.deleteFiles,
      'removed-position-deletes': removed.positionDeletes,
      'removed-equality-deletes': removed.equalityDeletes,
      'deleted-records': removed.records,
      'removed-files-size': removed.bytes,
    }),
    'changed-partition-count': String(partitions.size),
    ...total(input, 'total-records', added.records - removed.records),
    ...total(input, 'total-files-size', added.bytes - removed.bytes),
    ...total(input, 'total-data-files', added.dataFiles - removed.dataFiles),
    ...total(input, 'total-delete-files', added.deleteFiles - removed.deleteFiles),
    ...total(input, 'total-position-deletes', added.positionDeletes - removed.positionDeletes),
    ...total(input, 'total-equality-deletes', added.equalityDeletes - removed.equalityDeletes),
    operation: input.operation,
  }
}

function count(files: readonly DataFile[]) {
  const of = (content: DataFile['content']) => files.filter((file) => file.content === content)
  const records = (some: readonly DataFile[]) => some.reduce((sum, file) => sum + file.recordCount, 0)
  const [data, positions, equalities] = [of('data'), of('position-deletes'), of('equality-deletes')]
  return {
    dataFiles: data.length,
    deleteFiles: positions.length + equalities.length,
    records: records(data),
    positionDeletes: records(positions),
    equalityDeletes: records(equalities),
    bytes: files.reduce((sum, file) => sum + file.fileSizeInBytes, 0),
  }
}

function nonZero(counts: Readonly<Record<string, number>>): Record<string, string> {
  const written = Object.entries(counts).filter(([, value]) => value !== 0)
  return Object.fromEntries(written.map(([key, value]) => [key, String(value)]))
}

/** A parent without the total (some writers leave it out) makes it unknowable from then on. */
function total(input: SummaryInput, key: string, change: number): Record<string, string> {
  const before = input.isFirst ? '0' : input.previous?.[key]
  const value = before === undefined ? NaN : Number(before) + change
  return Number.isSafeInteger(value) && value >= 0 ? { [key]: String(value) } : {}
}
