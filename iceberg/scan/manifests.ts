import type { FileIO } from '../io/file-io.js'
import { openContainer } from '../format/avro/container.js'
import { readManifest } from '../format/manifest.js'
import { readManifestList } from '../format/manifest-list.js'
import type { EntryStatus, ManifestEntry, ManifestFile } from '../spec/data-file.js'
import type { Snapshot } from '../spec/snapshot.js'
import type { TableMetadata } from '../spec/table-metadata.js'

/** Entries by manifest path. A manifest never changes, so what it holds stays valid; its owner bounds its size. */
export type ManifestCache = Pick<Map<string, readonly ManifestEntry[]>, 'get' | 'set'>

/** The manifests of a snapshot, from its manifest list or, in v1, from the paths that it names itself. */
export async function readManifests(
  io: FileIO,
  metadata: TableMetadata,
  snapshot: Snapshot,
): Promise<readonly ManifestFile[]> {
  const location = snapshot['manifest-list']
  if (location !== undefined) {
    const manifests = readManifestList(await io.read(location))
    return Promise.all(
      manifests.map(async (manifest) =>
        hasCounts(manifest) ? manifest : withCounts(io, metadata, manifest),
      ),
    )
  }
  return Promise.all((snapshot.manifests ?? []).map((path) => describeManifest(io, metadata, snapshot, path)))
}

/** With a cache files have all their metrics, whatever `metricsOf` asks for: the next reader may ask for others. */
export async function readManifestEntries(
  io: FileIO,
  metadata: TableMetadata,
  manifest: ManifestFile,
  cache?: ManifestCache,
  metricsOf?: ReadonlySet<number>,
): Promise<readonly ManifestEntry[]> {
  if (cache === undefined)
    return readManifest(await io.read(manifest.manifestPath), manifest, metadata, metricsOf)
  const known = cache.get(manifest.manifestPath)
  if (known !== undefined) return known
  const entries = readManifest(await io.read(manifest.manifestPath), manifest, metadata)
  cache.set(manifest.manifestPath, entries)
  return entries
}

/** v1 writers may leave the counts out of a manifest list. */
function hasCounts(manifest: ManifestFile): boolean {
  return manifest.addedFilesCount >= 0 && manifest.existingFilesCount >= 0 && manifest.deletedFilesCount >= 0
}

async function withCounts(
  io: FileIO,
  metadata: TableMetadata,
  manifest: ManifestFile,
): Promise<ManifestFile> {
  return { ...manifest, ...countsOf(readManifest(await io.read(manifest.manifestPath), manifest, metadata)) }
}

async function describeManifest(
  io: FileIO,
  metadata: TableMetadata,
  snapshot: Snapshot,
  manifestPath: string,
): Promise<ManifestFile> {
  const bytes = await io.read(manifestPath)
  const manifest: ManifestFile = {
    manifestPath,
    manifestLength: bytes.length,
    partitionSpecId: Number(openContainer(bytes).metadata.get('partition-spec-id') ?? 0),
    content: 'data',
    sequenceNumber: 0,
    minSequenceNumber: 0,
    addedSnapshotId: snapshot['snapshot-id'],
    ...countsOf([]),
  }
  return { ...manifest, ...countsOf(readManifest(bytes, manifest, metadata)) }
}

function countsOf(entries: readonly ManifestEntry[]) {
  const files: Record<EntryStatus, number> = { existing: 0, added: 0, deleted: 0 }
  const rows: Record<EntryStatus, number> = { existing: 0, added: 0, deleted: 0 }
  for (const { status, file } of entries) {
    files[status]++
    rows[status] += file.recordCount
  }
  return {
    addedFilesCount: files.added,
    existingFilesCount: files.existing,
    deletedFilesCount: files.deleted,
    addedRowsCount: rows.added,
    existingRowsCount: rows.existing,
    deletedRowsCount: rows.deleted,
  }
}
