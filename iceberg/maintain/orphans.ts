import type { Catalog, LoadedTable, TableIdentifier } from '../catalog/catalog.js'
import { IcebergError } from '../error.js'
import type { FileStatus } from '../io/file-io.js'
import { filesOf, reachableManifests, sameLocation } from './reachable-files.js'

export interface OrphanRequest {
  readonly catalog: Catalog
  readonly identifier: TableIdentifier
  /** Only files last written before this moment can be orphans: younger ones may belong to a commit under way. */
  readonly olderThanMs: number
  /** Locations that something outside the metadata names, e.g. live staging leases. Asked again before deleting. */
  readonly spare?: () => Promise<Iterable<string>>
  readonly dryRun?: boolean
}

export interface OrphanFile extends FileStatus {
  /** Why it is one, or what became of it. */
  readonly result: 'would-delete' | 'deleted' | 'needed-after-all' | 'failed'
  readonly error?: string
}

const BATCH = 500

/**
 * Files under a table's location that no snapshot, no metadata log entry and no lease names, and that are old enough.
 * The needed set is read from the newest metadata again before every batch of deletes.
 */
export async function removeOrphans(request: OrphanRequest): Promise<readonly OrphanFile[]> {
  const table = await request.catalog.loadTable(request.identifier)
  const candidates = await listOrphans(request, table)
  if (request.dryRun === true) return candidates.map((file) => ({ ...file, result: 'would-delete' as const }))
  const report: OrphanFile[] = []
  for (let start = 0; start < candidates.length; start += BATCH) {
    const needed = await neededLocations(request, await request.catalog.loadTable(request.identifier))
    for (const file of candidates.slice(start, start + BATCH)) {
      report.push(
        needed.has(sameLocation(file.location))
          ? { ...file, result: 'needed-after-all' }
          : await deleteOne(request.catalog, file),
      )
    }
  }
  return report
}

async function listOrphans(request: OrphanRequest, table: LoadedTable): Promise<readonly FileStatus[]> {
  const location = table.metadata.location.replace(/\/+$/, '')
  if (location.length < 2) {
    throw new IcebergError(
      'invalid-argument',
      `table ${request.identifier.name} lies at "${location}": refusing to look for orphans there`,
    )
  }
  const needed = await neededLocations(request, table)
  const orphans: FileStatus[] = []
  for await (const file of request.catalog.io.list(`${location}/`)) {
    if (file.modifiedMs >= request.olderThanMs || needed.has(sameLocation(file.location))) continue
    orphans.push(file)
  }
  return orphans
}

async function neededLocations(request: OrphanRequest, table: LoadedTable): Promise<ReadonlySet<string>> {
  const { metadata } = table
  const { io } = request.catalog
  const { manifestLists, manifests } = await reachableManifests(io, metadata, metadata.snapshots)
  const files = await filesOf(io, metadata, manifests.values(), { live: true })
  const statistics = [...(metadata.statistics ?? []), ...(metadata['partition-statistics'] ?? [])]
  const needed = new Set<string>()
  const add = (location: string): void => {
    needed.add(sameLocation(location))
  }
  ;[table.metadataLocation, `${metadata.location}/metadata/version-hint.text`].forEach(add)
  metadata['metadata-log'].forEach((entry) => add(entry['metadata-file']))
  for (const locations of [manifestLists, manifests.keys(), files.keys()])
    for (const location of locations) add(location)
  statistics.forEach((file) => add(file['statistics-path']))
  for (const location of (await request.spare?.()) ?? []) add(location)
  return needed
}

async function deleteOne(catalog: Catalog, file: FileStatus): Promise<OrphanFile> {
  try {
    await catalog.io.delete(file.location)
    return { ...file, result: 'deleted' }
  } catch (error) {
    return { ...file, result: 'failed', error: error instanceof Error ? error.message : String(error) }
  }
}
