import type { FileIO } from '../io/file-io.js'
import { filesOf, mayDeleteFiles, reachableManifests } from '../maintain/reachable-files.js'
import type { TableMetadata } from '../spec/table-metadata.js'

const DELETES_AT_ONCE = 16

/**
 * Every file that a table's metadata names. Not its folder: a table that was renamed, or made anew under an old name, may
 * have put its files beside them. Data files are left out where `gc.enabled` is false: others use them too.
 */
export async function filesToPurge(
  io: FileIO,
  metadata: TableMetadata,
  metadataLocation: string,
): Promise<readonly string[]> {
  const { manifestLists, manifests } = await reachableManifests(io, metadata, metadata.snapshots)
  const dataFiles = mayDeleteFiles(metadata)
    ? await filesOf(io, metadata, manifests.values(), { live: false })
    : new Map<string, number>()
  const statistics = [...(metadata.statistics ?? []), ...(metadata['partition-statistics'] ?? [])]
  // What names others goes last, so that an interrupted purge can be told from its metadata.
  return [
    ...dataFiles.keys(),
    ...statistics.map((file) => file['statistics-path']),
    ...manifests.keys(),
    ...manifestLists,
    ...metadata['metadata-log'].map((entry) => entry['metadata-file']),
    metadataLocation,
  ]
}

/** Deletes them in their order, some at once. */
export async function purgeFiles(io: FileIO, locations: readonly string[]): Promise<void> {
  for (let start = 0; start < locations.length; start += DELETES_AT_ONCE) {
    const batch = locations.slice(start, start + DELETES_AT_ONCE)
    await Promise.all(batch.map((location) => io.delete(location)))
  }
}
