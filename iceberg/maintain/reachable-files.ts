import type { FileIO } from '../io/file-io.js'
import { joinLocation } from '../io/location.js'
import { readManifestEntries, readManifests } from '../scan/manifests.js'
import type { ManifestFile } from '../spec/data-file.js'
import type { Snapshot } from '../spec/snapshot.js'
import type { TableMetadata } from '../spec/table-metadata.js'

/** What snapshots need, by location. Memory: one string a file. */
export interface ReachableFiles {
  readonly manifestLists: ReadonlySet<string>
  readonly manifests: ReadonlyMap<string, ManifestFile>
}

/** The manifest lists and manifests of some snapshots; each list is read once. */
export async function reachableManifests(
  io: FileIO,
  metadata: TableMetadata,
  snapshots: readonly Snapshot[],
): Promise<ReachableFiles> {
  const manifestLists = new Set<string>()
  const manifests = new Map<string, ManifestFile>()
  for (const snapshot of snapshots) {
    if (snapshot['manifest-list'] !== undefined) manifestLists.add(snapshot['manifest-list'])
    for (const manifest of await readManifests(io, metadata, snapshot))
      manifests.set(manifest.manifestPath, manifest)
  }
  return { manifestLists, manifests }
}

/** Locations and sizes of the data and delete files that manifests name; `live` leaves out entries marked deleted. */
export async function filesOf(
  io: FileIO,
  metadata: TableMetadata,
  manifests: Iterable<ManifestFile>,
  options: { readonly live: boolean },
): Promise<Map<string, number>> {
  const files = new Map<string, number>()
  for (const manifest of manifests) {
    for (const entry of await readManifestEntries(io, metadata, manifest)) {
      if (options.live && entry.status === 'deleted') continue
      files.set(entry.file.filePath, entry.file.fileSizeInBytes)
    }
  }
  return files
}

/** Folder that new data files and delete files go to. */
export function dataFolder({ location, properties }: TableMetadata): string {
  return properties['write.data.path'] ?? joinLocation(location, 'data')
}

/** Whether files may be deleted at all: `gc.enabled` is false where other tables or programs use them too. */
export function mayDeleteFiles(metadata: TableMetadata): boolean {
  return metadata.properties['gc.enabled']?.trim().toLowerCase() !== 'false'
}

/**
 * The last part of a location. Writers give files unique names, so where names are equal the file is taken to be the same,
 * however its folder is spelled: `file:/x`, a doubled slash, `..`, a link.
 */
export function fileName(location: string): string {
  return location.slice(location.lastIndexOf('/') + 1)
}

/**
 * One spelling for a location however its writer spelled it: `file:/x`, `file:///x` and `/x` are one file, and so are
 * `s3a://` and `s3://`.
 */
export function sameLocation(location: string): string {
  return location.replace(/^file:\/{1,3}(?=[^/])/, '/').replace(/^s3[an]?:/i, 's3:')
}

/** Whether it lies in a folder or below, however both are spelled. Steps upwards are not followed. */
export function liesIn(folder: string, location: string): boolean {
  return sameLocation(location).startsWith(`${sameLocation(folder).replace(/\/+$/, '')}/`)
}
