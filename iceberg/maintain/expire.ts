import type { Catalog, LoadedTable, TableIdentifier } from '../catalog/catalog.js'
import { isIcebergError } from '../error.js'
import type { SnapshotId } from '../spec/snapshot.js'
import type { TableMetadata } from '../spec/table-metadata.js'
import type { TableUpdate } from '../update/table-update.js'
import { planExpire, type ExpireOptions } from './plan-expire.js'
import { fileName, filesOf, mayDeleteFiles, reachableManifests } from './reachable-files.js'

export interface ExpireResult {
  readonly droppedRefs: readonly string[]
  readonly removedSnapshots: readonly SnapshotId[]
  readonly deletedFiles: readonly { readonly location: string; readonly sizeBytes: number }[]
}

export interface ExpireRequest extends ExpireOptions {
  readonly catalog: Catalog
  readonly identifier: TableIdentifier
  readonly dryRun?: boolean
}

const ATTEMPTS_MAX = 10

/**
 * Drops what is past its retention from the metadata, then deletes the files that nothing kept needs. What is needed is
 * read again from the newest metadata after the commit, so a writer in between loses nothing. After an error nothing of
 * the remaining files is deleted: orphan clean-up finds them. Does nothing where `gc.enabled` is false.
 */
export async function expireSnapshots(request: ExpireRequest): Promise<ExpireResult> {
  for (let attempt = 1; ; attempt += 1) {
    const table = await request.catalog.loadTable(request.identifier)
    if (!mayDeleteFiles(table.metadata)) return { droppedRefs: [], removedSnapshots: [], deletedFiles: [] }
    const plan = planExpire(table.metadata, request)
    const gone = new Set(plan.removeSnapshots)
    const result = { droppedRefs: plan.dropRefs, removedSnapshots: plan.removeSnapshots }
    if (gone.size === 0 && plan.dropRefs.length === 0) return { ...result, deletedFiles: [] }
    if (request.dryRun === true) {
      const keeps = table.metadata.snapshots.filter((snapshot) => !gone.has(snapshot['snapshot-id']))
      return {
        ...result,
        deletedFiles: await unneededFiles(request.catalog, table.metadata, gone, {
          ...table.metadata,
          snapshots: keeps,
        }),
      }
    }
    try {
      await commitExpiry(request.catalog, table, plan.dropRefs, plan.removeSnapshots)
    } catch (error) {
      // Lost answers are settled by planning again on what the catalog then says: what is gone is not planned twice,
      // and files that this leaves behind are orphans.
      if (
        attempt < ATTEMPTS_MAX &&
        (isIcebergError(error, 'commit-conflict') || isIcebergError(error, 'commit-unknown'))
      )
        continue
      throw error
    }
    const deletedFiles = await unneededNow(request, table.metadata, gone)
    for (const file of deletedFiles) await request.catalog.io.delete(file.location)
    return { ...result, deletedFiles }
  }
}

async function commitExpiry(
  catalog: Catalog,
  table: LoadedTable,
  dropRefs: readonly string[],
  removeSnapshots: readonly SnapshotId[],
): Promise<void> {
  const { metadata } = table
  const updates: TableUpdate[] = dropRefs.map((name) => ({ action: 'remove-snapshot-ref', 'ref-name': name }))
  if (removeSnapshots.length > 0)
    updates.push({ action: 'remove-snapshots', 'snapshot-ids': removeSnapshots })
  await catalog.commit([
    {
      identifier: table.identifier,
      requirements: [
        { type: 'assert-table-uuid', uuid: metadata['table-uuid'] },
        // Every ref stands where the plan saw it; a ref set since then onto an expiring snapshot is refused by the
        // catalog itself, which removes no snapshot that a ref holds.
        ...Object.entries(metadata.refs).map(([ref, { 'snapshot-id': id }]) => ({
          type: 'assert-ref-snapshot-id' as const,
          ref,
          'snapshot-id': id,
        })),
      ],
      updates,
    },
  ])
}

/** Nothing where another expiry, which was first, has deleted what says so: what it leaves are orphans. */
async function unneededNow(
  { catalog, identifier }: ExpireRequest,
  before: TableMetadata,
  gone: ReadonlySet<SnapshotId>,
) {
  const newest = await catalog.loadTable(identifier)
  try {
    return await unneededFiles(catalog, before, gone, newest.metadata)
  } catch (error) {
    if (isIcebergError(error, 'not-found')) return []
    throw error
  }
}

/** Files that the expired snapshots named and that no snapshot of `newest` needs. */
async function unneededFiles(
  catalog: Catalog,
  before: TableMetadata,
  expired: ReadonlySet<SnapshotId>,
  newest: TableMetadata,
): Promise<{ location: string; sizeBytes: number }[]> {
  if (expired.size === 0) return []
  const { io } = catalog
  const dropped = await reachableManifests(
    io,
    before,
    before.snapshots.filter((s) => expired.has(s['snapshot-id'])),
  )
  const needed = await reachableManifests(io, newest, newest.snapshots)
  const neededNames = new Set([...needed.manifests.keys(), ...needed.manifestLists].map(fileName))
  const manifests = [...dropped.manifests.values()].filter(
    (manifest) => !neededNames.has(fileName(manifest.manifestPath)),
  )
  const candidates = await filesOf(io, before, manifests, { live: false })
  // Only when data files are at stake the entries of the kept manifests are read.
  const kept =
    candidates.size === 0
      ? new Map<string, number>()
      : await filesOf(io, newest, needed.manifests.values(), { live: true })
  const keptNames = new Set([...kept.keys()].map(fileName))
  const statistics = new Set((newest.statistics ?? []).map((file) => fileName(file['statistics-path'])))
  return [
    ...[...candidates]
      .filter(([location]) => !keptNames.has(fileName(location)))
      .map(([location, sizeBytes]) => ({ location, sizeBytes })),
    ...manifests.map((manifest) => ({ location: manifest.manifestPath, sizeBytes: manifest.manifestLength })),
    ...[...dropped.manifestLists]
      .filter((list) => !neededNames.has(fileName(list)))
      .map((location) => ({ location, sizeBytes: 0 })),
    ...(before.statistics ?? [])
      .filter(
        (file) => expired.has(file['snapshot-id']) && !statistics.has(fileName(file['statistics-path'])),
      )
      .map((file) => ({ location: file['statistics-path'], sizeBytes: 0 })),
  ]
}
