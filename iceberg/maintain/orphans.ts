import type { Catalog, LoadedTable, TableIdentifier } from '../catalog/catalog.js'
import { formatIdentifier } from '../catalog/catalog.js'
import { IcebergError, isIcebergError } from '../error.js'
import type { FileStatus } from '../io/file-io.js'
import { fileName, filesOf, mayDeleteFiles, reachableManifests, sameLocation } from './reachable-files.js'

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
 * What is needed, also by other tables that have files in the same folder, is read anew before every batch of deletes.
 * Finds nothing where `gc.enabled` is false.
 */
export async function removeOrphans(request: OrphanRequest): Promise<readonly OrphanFile[]> {
  const candidates = await listOrphans(request)
  if (request.dryRun === true) return candidates.map((file) => ({ ...file, result: 'would-delete' as const }))
  const report: OrphanFile[] = []
  for (let start = 0; start < candidates.length; start += BATCH) {
    const needed = await neededNames(request)
    for (const file of candidates.slice(start, start + BATCH)) {
      report.push(
        needed.has(fileName(file.location))
          ? { ...file, result: 'needed-after-all' }
          : await deleteOne(request.catalog, file),
      )
    }
  }
  return report
}

async function listOrphans(request: OrphanRequest): Promise<readonly FileStatus[]> {
  const { metadata } = await request.catalog.loadTable(request.identifier)
  if (!mayDeleteFiles(metadata)) return []
  const location = metadata.location.replace(/\/+$/, '')
  if (location.length < 2) {
    throw new IcebergError(
      'invalid-argument',
      `table ${request.identifier.name} lies at "${location}": refusing to look for orphans there`,
    )
  }
  const needed = await neededNames(request)
  const orphans: FileStatus[] = []
  for await (const file of request.catalog.io.list(`${location}/`)) {
    if (file.modifiedMs >= request.olderThanMs || needed.has(fileName(file.location))) continue
    orphans.push(file)
  }
  return orphans
}

/** Leases come before metadata: a publish commits first and drops its leases then, so one of the two shows its files. */
async function neededNames({ catalog, identifier, spare }: OrphanRequest): Promise<ReadonlySet<string>> {
  const names = new Set<string>(['version-hint.text'])
  for (const location of (await spare?.()) ?? []) names.add(fileName(location))
  const table = await catalog.loadTable(identifier)
  for (const one of [table, ...(await neighboursOf(catalog, table))])
    for (const location of await locationsOf(catalog, one)) names.add(fileName(location))
  return names
}

async function locationsOf({ io }: Catalog, { metadata, metadataLocation }: LoadedTable): Promise<string[]> {
  const { manifestLists, manifests } = await reachableManifests(io, metadata, metadata.snapshots)
  const files = await filesOf(io, metadata, manifests.values(), { live: true })
  const statistics = [...(metadata.statistics ?? []), ...(metadata['partition-statistics'] ?? [])]
  return [
    metadataLocation,
    ...metadata['metadata-log'].map((entry) => entry['metadata-file']),
    ...[...manifestLists, ...manifests.keys(), ...files.keys()],
    ...statistics.map((file) => file['statistics-path']),
  ]
}

/** Other tables of the catalog whose folders lie in this one's, around it or are the same. */
async function neighboursOf(catalog: Catalog, table: LoadedTable): Promise<readonly LoadedTable[]> {
  const own = rootsOf(table)
  const neighbours: LoadedTable[] = []
  for (const namespace of await catalog.listNamespaces()) {
    for (const identifier of await catalog.listTables(namespace)) {
      if (formatIdentifier(identifier) === formatIdentifier(table.identifier)) continue
      const other = await loadIfThere(catalog, identifier)
      const overlaps = rootsOf(other).some((a) => own.some((b) => a.startsWith(b) || b.startsWith(a)))
      if (other !== undefined && overlaps) neighbours.push(other)
    }
  }
  return neighbours
}

function rootsOf(table: LoadedTable | undefined): readonly string[] {
  if (table === undefined) return []
  const { location, properties } = table.metadata
  const paths = Object.entries(properties).filter(([key]) => /^write\..*path$/.test(key))
  return [location, ...paths.map(([, path]) => path)].map(
    (root) => `${sameLocation(root).replace(/\/+$/, '')}/`,
  )
}

async function loadIfThere(catalog: Catalog, identifier: TableIdentifier): Promise<LoadedTable | undefined> {
  try {
    return await catalog.loadTable(identifier)
  } catch (error) {
    if (isIcebergError(error, 'not-found')) return undefined
    throw error
  }
}

async function deleteOne(catalog: Catalog, file: FileStatus): Promise<OrphanFile> {
  try {
    await catalog.io.delete(file.location)
    return { ...file, result: 'deleted' }
  } catch (error) {
    return { ...file, result: 'failed', error: error instanceof Error ? error.message : String(error) }
  }
}
