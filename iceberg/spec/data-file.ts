import type { SnapshotId } from './snapshot.js'
import type { Value } from './type.js'

/** What a file of a snapshot holds. */
export type FileContent = 'data' | 'position-deletes' | 'equality-deletes'
/** How a data or delete file is encoded. ORC is described, never read. */
export type FileFormat = 'parquet' | 'avro' | 'orc' | 'puffin'

/** Iceberg spec, "Manifests", `data_file`. Maps are keyed by field id; bounds are single-value binary (Appendix D). */
export interface DataFile {
  readonly content: FileContent
  readonly filePath: string
  readonly fileFormat: FileFormat
  readonly specId: number
  /** One value per field of the spec, in its order. */
  readonly partition: readonly (Value | null)[]
  readonly recordCount: number
  readonly fileSizeInBytes: number
  readonly columnSizes?: ReadonlyMap<number, number>
  readonly valueCounts?: ReadonlyMap<number, number>
  readonly nullValueCounts?: ReadonlyMap<number, number>
  readonly nanValueCounts?: ReadonlyMap<number, number>
  readonly lowerBounds?: ReadonlyMap<number, Uint8Array>
  readonly upperBounds?: ReadonlyMap<number, Uint8Array>
  readonly keyMetadata?: Uint8Array
  readonly splitOffsets?: readonly number[]
  readonly equalityIds?: readonly number[]
  readonly sortOrderId?: number
  readonly referencedDataFile?: string
  readonly contentOffset?: number
  readonly contentSizeInBytes?: number
}

/** What the snapshot of a manifest entry did with its file. */
export type EntryStatus = 'existing' | 'added' | 'deleted'

/** A manifest entry after inheritance: snapshot id and sequence numbers are always known. */
export interface ManifestEntry {
  readonly status: EntryStatus
  readonly snapshotId: SnapshotId
  readonly sequenceNumber: number
  readonly fileSequenceNumber: number
  readonly file: DataFile
}

/**
 * What a manifest list says of one partition field of a manifest (Iceberg spec, Manifest Lists). Bounds are single
 * values (Appendix D).
 */
export interface FieldSummary {
  readonly containsNull: boolean
  readonly containsNan?: boolean
  readonly lowerBound?: Uint8Array
  readonly upperBound?: Uint8Array
}

/** Iceberg spec, "Manifest Lists", `manifest_file`. */
export interface ManifestFile {
  readonly manifestPath: string
  readonly manifestLength: number
  readonly partitionSpecId: number
  readonly content: 'data' | 'deletes'
  readonly sequenceNumber: number
  readonly minSequenceNumber: number
  readonly addedSnapshotId: SnapshotId
  readonly addedFilesCount: number
  readonly existingFilesCount: number
  readonly deletedFilesCount: number
  readonly addedRowsCount: number
  readonly existingRowsCount: number
  readonly deletedRowsCount: number
  readonly partitions?: readonly FieldSummary[]
  readonly keyMetadata?: Uint8Array
}
