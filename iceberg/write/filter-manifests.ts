import type { DataFile, ManifestEntry, ManifestFile } from '../spec/data-file.js'
import type { SnapshotId } from '../spec/snapshot.js'
import type { TableMetadata } from '../spec/table-metadata.js'
import type { NewManifestEntry } from '../format/manifest.js'
import type { ManifestFiles } from './manifest-files.js'

export interface FilteredManifest {
  /** The given one where it loses nothing. */
  readonly manifest: ManifestFile
  readonly removed: readonly DataFile[]
}

export interface FilterRequest {
  readonly snapshotId: SnapshotId
  /** Cheap and from the manifest's summary alone; true where it can't tell. */
  readonly mayRemove: (manifest: ManifestFile) => boolean
  readonly removes: (entry: ManifestEntry) => boolean
  /** Outcomes of earlier attempts by manifest path. */
  readonly known: Map<string, FilteredManifest>
  /** Tells apart attempts that lose other files of the same manifest. */
  readonly variant?: string
}

/** Marks files as deleted, in manifests written anew; the others stay as they are. */
export async function filterManifests(
  files: ManifestFiles,
  metadata: TableMetadata,
  manifests: readonly ManifestFile[],
  request: FilterRequest,
): Promise<readonly FilteredManifest[]> {
  return Promise.all(
    manifests.map(async (manifest) => {
      const key = `${manifest.manifestPath}@${request.variant ?? ''}`
      const known = request.known.get(key)
      if (known !== undefined) return known
      const filtered = await filterManifest(files, metadata, manifest, request)
      request.known.set(key, filtered)
      return filtered
    }),
  )
}

async function filterManifest(
  files: ManifestFiles,
  metadata: TableMetadata,
  manifest: ManifestFile,
  { snapshotId, mayRemove, removes }: FilterRequest,
): Promise<FilteredManifest> {
  if (!mayRemove(manifest)) return { manifest, removed: [] }
  const live = (await files.entries(metadata, manifest)).filter((entry) => entry.status !== 'deleted')
  const removed = live.filter((entry) => removes(entry))
  if (removed.length === 0) return { manifest, removed: [] }
  const gone = new Set(removed)
  const entries = live.map((entry): NewManifestEntry =>
    gone.has(entry) ? { ...entry, status: 'deleted', snapshotId } : { ...entry, status: 'existing' },
  )
  const written = files.write(metadata, {
    specId: manifest.partitionSpecId,
    content: manifest.content,
    snapshotId,
    entries,
  })
  return { manifest: written, removed: removed.map((entry) => entry.file) }
}
