import { IcebergError, isIcebergError } from '../error.js'
import type { EntryStatus, FieldSummary, ManifestEntry, ManifestFile, DataFile } from '../spec/data-file.js'
import { stringifyJson } from '../spec/json.js'
import type { PartitionSpec } from '../spec/partition-spec.js'
import type { SnapshotId } from '../spec/snapshot.js'
import { toSnapshotId } from '../spec/snapshot.js'
import { partitionTypes, schemasNewestFirst, specById } from '../spec/specs.js'
import type { TableMetadata } from '../spec/table-metadata.js'
import type { PrimitiveType, Schema } from '../spec/type.js'
import type { AvroNames } from './avro/avro-schema.js'
import { openContainer, writeContainer } from './avro/container.js'
import type { Sink } from './avro/sink.js'
import type { DataFileDraft } from './data-file-reader.js'
import { dataFileFields, newDataFileDraft } from './data-file-reader.js'
import { compileDataFileWriter } from './data-file-writer.js'
import { manifestSchema } from './manifest-schema.js'
import { newSummaries } from './partition-summary.js'
import type { MakeFieldReader } from './record-reader.js'
import { compileRecord } from './record-reader.js'

/**
 * An entry to write. An added file without a sequence number takes the one of the commit that its manifest ends up in, so
 * the same manifest can be committed at any; one with it (a rewrite that keeps older deletes in force) keeps it.
 */
export type NewManifestEntry =
  | { readonly status: 'added'; readonly file: DataFile; readonly sequenceNumber?: number }
  | (ManifestEntry & { readonly status: 'existing' | 'deleted' })

export interface ManifestToWrite {
  /** The table's current schema; it goes into the header. */
  readonly schema: Schema
  readonly spec: PartitionSpec
  /** Where a source column of the spec is not in `schema` any more (`partitionTypes` of all schemas finds it). */
  readonly partitionTypes?: readonly (PrimitiveType | undefined)[]
  readonly content: 'data' | 'deletes'
  readonly entries: Iterable<NewManifestEntry>
  /** Of the commit: the added entries' snapshot. */
  readonly snapshotId: SnapshotId
  readonly formatVersion: number
}

/** A manifest's bytes and all that its place in a manifest list needs but the path and the sequence number. */
export interface WrittenManifest extends Pick<
  ManifestFile,
  | 'partitionSpecId'
  | 'content'
  | 'addedSnapshotId'
  | 'addedFilesCount'
  | 'existingFilesCount'
  | 'deletedFilesCount'
  | 'addedRowsCount'
  | 'existingRowsCount'
  | 'deletedRowsCount'
> {
  readonly bytes: Uint8Array
  readonly partitions: readonly FieldSummary[]
  /** The least explicit data sequence number of a live entry. */
  readonly minExplicitSequenceNumber?: number
}

/** Writes a v2 manifest. The same entries give the same bytes. */
export function writeManifest(manifest: ManifestToWrite): WrittenManifest {
  if (manifest.formatVersion !== 2) {
    throw new IcebergError(
      'unsupported',
      `manifests are written for format v2, but the table is v${manifest.formatVersion}: upgrade it to v2`,
    )
  }
  const { spec, content, snapshotId } = manifest
  const types = manifest.partitionTypes ?? partitionTypes([manifest.schema], spec)
  const writeFile = compileDataFileWriter(spec, types)
  const summaries = newSummaries(types)
  const files: Record<EntryStatus, number> = { existing: 0, added: 0, deleted: 0 }
  const rows: Record<EntryStatus, number> = { existing: 0, added: 0, deleted: 0 }
  let least = Infinity
  const writeRecord = (sink: Sink, entry: NewManifestEntry): void => {
    const { status, file, sequenceNumber } = entry
    if ((file.content === 'data') !== (content === 'data')) {
      throw new IcebergError(
        'invalid-argument',
        `${file.filePath} (${file.content}) is not for this manifest`,
      )
    }
    files[status]++
    rows[status] += file.recordCount
    if (status !== 'deleted') least = Math.min(least, sequenceNumber ?? Infinity)
    summaries.add(file.partition)
    sink.long(STATUSES.indexOf(status))
    const values = [
      status === 'added' ? snapshotId : entry.snapshotId,
      sequenceNumber,
      status === 'added' ? undefined : entry.fileSequenceNumber,
    ]
    for (const value of values) if (sink.optional(value)) sink.long(value)
    writeFile(sink, file)
  }
  const bytes = writeContainer({
    schema: manifestSchema(spec, types),
    metadata: {
      schema: stringifyJson(manifest.schema),
      'schema-id': String(manifest.schema['schema-id']),
      'partition-spec': stringifyJson(spec.fields),
      'partition-spec-id': String(spec['spec-id']),
      'format-version': String(manifest.formatVersion),
      content,
    },
    records: manifest.entries,
    writeRecord,
  })
  return {
    bytes,
    partitionSpecId: spec['spec-id'],
    content,
    addedSnapshotId: snapshotId,
    addedFilesCount: files.added,
    existingFilesCount: files.existing,
    deletedFilesCount: files.deleted,
    addedRowsCount: rows.added,
    existingRowsCount: rows.existing,
    deletedRowsCount: rows.deleted,
    partitions: summaries.finish(),
    ...(least === Infinity ? {} : { minExplicitSequenceNumber: least }),
  }
}

/** The manifest list's entry for a manifest that is committed at `sequenceNumber`. */
export function manifestFileOf(
  written: WrittenManifest,
  committed: { readonly manifestPath: string; readonly sequenceNumber: number },
): ManifestFile {
  const { bytes, minExplicitSequenceNumber, ...known } = written
  return {
    ...known,
    ...committed,
    manifestLength: bytes.length,
    minSequenceNumber: Math.min(committed.sequenceNumber, minExplicitSequenceNumber ?? Infinity),
  }
}

/**
 * The entries of a manifest (v1, v2 or v3), with snapshot id and sequence numbers inherited from its list entry.
 * `metricsOf`: files come with the metrics of these columns only.
 */
export function readManifest(
  bytes: Uint8Array,
  manifest: ManifestFile,
  metadata: TableMetadata,
  metricsOf?: ReadonlySet<number>,
): readonly ManifestEntry[] {
  try {
    const spec = specById(metadata, manifest.partitionSpecId)
    const types = partitionTypes(schemasNewestFirst(metadata), spec)
    const container = openContainer(bytes)
    const names: AvroNames = new Map()
    const readEntry = compileRecord(container.schema, names, entryFields(spec, types, metricsOf))
    const entries: ManifestEntry[] = []
    container.forEachRecord((cursor) => {
      const draft = newEntryDraft(spec['spec-id'])
      readEntry(cursor, draft)
      entries.push(inherit(draft, manifest))
    })
    return entries
  } catch (cause) {
    if (isIcebergError(cause, 'unsupported')) throw cause
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new IcebergError('data-invalid', `manifest ${manifest.manifestPath} cannot be read: ${reason}`, {
      cause,
      context: { manifestPath: manifest.manifestPath },
    })
  }
}

const STATUSES: readonly EntryStatus[] = ['existing', 'added', 'deleted']

interface EntryDraft {
  status: number
  snapshotId: SnapshotId | null
  sequenceNumber: number | null
  fileSequenceNumber: number | null
  file: DataFileDraft
}

function newEntryDraft(specId: number): EntryDraft {
  return {
    status: -1,
    snapshotId: null,
    sequenceNumber: null,
    fileSequenceNumber: null,
    file: newDataFileDraft(specId),
  }
}

function entryFields(
  spec: PartitionSpec,
  types: readonly (PrimitiveType | undefined)[],
  metricsOf: ReadonlySet<number> | undefined,
): ReadonlyMap<number, MakeFieldReader<EntryDraft>> {
  return new Map<number, MakeFieldReader<EntryDraft>>([
    [0, () => (cursor, entry) => void (entry.status = cursor.readLong())],
    [1, () => (cursor, entry) => void (entry.snapshotId = toSnapshotId(cursor.readBigLong()))],
    [3, () => (cursor, entry) => void (entry.sequenceNumber = cursor.readLong())],
    [4, () => (cursor, entry) => void (entry.fileSequenceNumber = cursor.readLong())],
    [
      2,
      ({ node }, names) => {
        const readFile = compileRecord(node, names, dataFileFields(spec, types, metricsOf))
        return (cursor, entry) => readFile(cursor, entry.file)
      },
    ],
  ])
}

/** Iceberg spec, "Sequence Number Inheritance"; manifests of v1 have no numbers and count as 0. */
function inherit(draft: EntryDraft, manifest: ManifestFile): ManifestEntry {
  const status = STATUSES[draft.status]
  if (status === undefined) {
    throw new IcebergError('data-invalid', `entry status ${draft.status} is not known`)
  }
  if (draft.sequenceNumber === null && status !== 'added' && manifest.sequenceNumber !== 0) {
    throw new IcebergError(
      'data-invalid',
      `the ${status} entry of ${draft.file.filePath} has no sequence number`,
    )
  }
  const sequenceNumber = draft.sequenceNumber ?? manifest.sequenceNumber
  return {
    status,
    snapshotId: draft.snapshotId ?? manifest.addedSnapshotId,
    sequenceNumber,
    fileSequenceNumber:
      draft.fileSequenceNumber ?? (status === 'added' ? manifest.sequenceNumber : sequenceNumber),
    file: draft.file,
  }
}
