import { IcebergError, isIcebergError } from '../error.js'
import type { FieldSummary, ManifestFile } from '../spec/data-file.js'
import type { SnapshotId } from '../spec/snapshot.js'
import { toSnapshotId } from '../spec/snapshot.js'
import type { AvroNames } from './avro/avro-schema.js'
import { openContainer, writeContainer } from './avro/container.js'
import { itemsOf, readList } from './avro/read-value.js'
import type { Sink } from './avro/sink.js'
import { manifestListSchema } from './manifest-schema.js'
import type { MakeFieldReader } from './record-reader.js'
import { compileRecord } from './record-reader.js'

export interface ManifestListToWrite {
  readonly manifests: readonly ManifestFile[]
  readonly snapshotId: SnapshotId
  readonly parentSnapshotId: SnapshotId | undefined
  readonly sequenceNumber: number
  readonly formatVersion: number
}

/** Writes a v2 manifest list. */
export function writeManifestList(list: ManifestListToWrite): Uint8Array {
  if (list.formatVersion !== 2) {
    throw new IcebergError(
      'unsupported',
      `manifest lists are written for format v2, but the table is v${list.formatVersion}: upgrade it to v2`,
    )
  }
  return writeContainer({
    schema: manifestListSchema(),
    metadata: {
      'snapshot-id': list.snapshotId.toString(),
      'parent-snapshot-id': list.parentSnapshotId?.toString() ?? 'null',
      'sequence-number': String(list.sequenceNumber),
      'format-version': String(list.formatVersion),
    },
    records: list.manifests,
    writeRecord: writeManifestFile,
  })
}

/**
 * Reads a manifest list (v1, v2 or v3). Counts that a v1 writer left out are -1: `readManifests` fills them in.
 * Throws `data-invalid`.
 */
export function readManifestList(bytes: Uint8Array): readonly ManifestFile[] {
  try {
    const container = openContainer(bytes)
    const names: AvroNames = new Map()
    const readManifestFile = compileRecord(container.schema, names, MANIFEST_FIELDS)
    const manifests: ManifestFile[] = []
    container.forEachRecord((cursor) => {
      const draft = newDraft()
      readManifestFile(cursor, draft)
      manifests.push(draft)
    })
    return manifests
  } catch (cause) {
    if (isIcebergError(cause, 'unsupported')) throw cause
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new IcebergError('data-invalid', `manifest list cannot be read: ${reason}`, { cause })
  }
}

function writeManifestFile(sink: Sink, manifest: ManifestFile): void {
  sink.string(manifest.manifestPath)
  const numbers = [
    manifest.manifestLength,
    manifest.partitionSpecId,
    manifest.content === 'data' ? 0 : 1,
    manifest.sequenceNumber,
    manifest.minSequenceNumber,
    manifest.addedSnapshotId,
    manifest.addedFilesCount,
    manifest.existingFilesCount,
    manifest.deletedFilesCount,
    manifest.addedRowsCount,
    manifest.existingRowsCount,
    manifest.deletedRowsCount,
  ]
  for (const value of numbers) sink.long(value)
  const { partitions } = manifest
  if (sink.optional(partitions)) {
    sink.block(partitions.length, partitions, (summary) => {
      sink.boolean(summary.containsNull)
      if (sink.optional(summary.containsNan)) sink.boolean(summary.containsNan)
      if (sink.optional(summary.lowerBound)) sink.bytes(summary.lowerBound)
      if (sink.optional(summary.upperBound)) sink.bytes(summary.upperBound)
    })
  }
  if (sink.optional(manifest.keyMetadata)) sink.bytes(manifest.keyMetadata)
}

type ManifestDraft = { -readonly [Key in keyof ManifestFile]: ManifestFile[Key] }
type SummaryDraft = { -readonly [Key in keyof FieldSummary]: FieldSummary[Key] }

function newDraft(): ManifestDraft {
  return {
    manifestPath: '',
    manifestLength: 0,
    partitionSpecId: 0,
    content: 'data',
    sequenceNumber: 0,
    minSequenceNumber: 0,
    addedSnapshotId: toSnapshotId(-1),
    addedFilesCount: -1,
    existingFilesCount: -1,
    deletedFilesCount: -1,
    addedRowsCount: -1,
    existingRowsCount: -1,
    deletedRowsCount: -1,
  }
}

const MANIFEST_FIELDS: ReadonlyMap<number, MakeFieldReader<ManifestDraft>> = new Map([
  [500, () => (cursor, manifest) => void (manifest.manifestPath = cursor.readString())],
  [501, () => (cursor, manifest) => void (manifest.manifestLength = cursor.readLong())],
  [502, () => (cursor, manifest) => void (manifest.partitionSpecId = cursor.readLong())],
  [517, () => (cursor, manifest) => void (manifest.content = cursor.readLong() === 1 ? 'deletes' : 'data')],
  [515, () => (cursor, manifest) => void (manifest.sequenceNumber = cursor.readLong())],
  [516, () => (cursor, manifest) => void (manifest.minSequenceNumber = cursor.readLong())],
  [503, () => (cursor, manifest) => void (manifest.addedSnapshotId = toSnapshotId(cursor.readBigLong()))],
  [504, () => (cursor, manifest) => void (manifest.addedFilesCount = cursor.readLong())],
  [505, () => (cursor, manifest) => void (manifest.existingFilesCount = cursor.readLong())],
  [506, () => (cursor, manifest) => void (manifest.deletedFilesCount = cursor.readLong())],
  [512, () => (cursor, manifest) => void (manifest.addedRowsCount = cursor.readLong())],
  [513, () => (cursor, manifest) => void (manifest.existingRowsCount = cursor.readLong())],
  [514, () => (cursor, manifest) => void (manifest.deletedRowsCount = cursor.readLong())],
  [519, () => (cursor, manifest) => void (manifest.keyMetadata = cursor.readBytes())],
  [
    507,
    ({ node }, names) => {
      const readSummary = compileRecord(itemsOf(node), names, SUMMARY_FIELDS)
      return (cursor, manifest) => {
        manifest.partitions = readList(cursor, (items) => {
          const summary: SummaryDraft = { containsNull: true }
          readSummary(items, summary)
          return summary
        })
      }
    },
  ],
] satisfies [number, MakeFieldReader<ManifestDraft>][])

const SUMMARY_FIELDS: ReadonlyMap<number, MakeFieldReader<SummaryDraft>> = new Map([
  [509, () => (cursor, summary) => void (summary.containsNull = cursor.readByte() !== 0)],
  [518, () => (cursor, summary) => void (summary.containsNan = cursor.readByte() !== 0)],
  [510, () => (cursor, summary) => void (summary.lowerBound = cursor.readBytes())],
  [511, () => (cursor, summary) => void (summary.upperBound = cursor.readBytes())],
] satisfies [number, MakeFieldReader<SummaryDraft>][])
