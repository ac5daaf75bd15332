import type { PartitionSpec, SortOrder } from './partition-spec.js'
import type { Snapshot, SnapshotId, SnapshotRef } from './snapshot.js'
import type { Schema } from './type.js'

/**
 * Iceberg spec, "Table Metadata and Snapshots", normalised on reading: v1 documents get `schemas`,
 * `partition-specs`, `sort-orders` and `refs`. Fields this library does not know survive a round trip.
 */
export interface TableMetadata {
  readonly 'format-version': 1 | 2 | 3
  readonly 'table-uuid': string
  readonly location: string
  readonly 'last-sequence-number': number
  readonly 'last-updated-ms': number
  readonly 'last-column-id': number
  readonly schemas: readonly Schema[]
  readonly 'current-schema-id': number
  readonly 'partition-specs': readonly PartitionSpec[]
  readonly 'default-spec-id': number
  readonly 'last-partition-id': number
  readonly properties: Readonly<Record<string, string>>
  /** Absent on an empty table, also where the document said -1 or null. */
  readonly 'current-snapshot-id'?: SnapshotId
  readonly snapshots: readonly Snapshot[]
  readonly 'snapshot-log': readonly SnapshotLogEntry[]
  readonly 'metadata-log': readonly MetadataLogEntry[]
  readonly 'sort-orders': readonly SortOrder[]
  readonly 'default-sort-order-id': number
  readonly refs: Readonly<Record<string, SnapshotRef>>
  readonly statistics?: readonly StatisticsFile[]
  readonly 'partition-statistics'?: readonly StatisticsFile[]
  /** v3: the id of the next row that is added. */
  readonly 'next-row-id'?: number | bigint
}

/** When a snapshot became the head of main. */
export interface SnapshotLogEntry {
  readonly 'snapshot-id': SnapshotId
  readonly 'timestamp-ms': number
}

/** An earlier metadata file of the table. */
export interface MetadataLogEntry {
  readonly 'metadata-file': string
  readonly 'timestamp-ms': number
}

/** A statistics file of a snapshot: Puffin, or the partitions'. */
export interface StatisticsFile {
  readonly 'snapshot-id': SnapshotId
  readonly 'statistics-path': string
}
