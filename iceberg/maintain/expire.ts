import type { Catalog, LoadedTable, TableIdentifier } from '../catalog/catalog.js'
import { isIcebergError } from '../error.js'
import type { SnapshotId } from '../spec/snapshot.js'
import type { StatisticsFile, TableMetadata } from '../spec/table-metadata.js'
import type { TableUpdate } from '../update/table-update.js'
import type { FailedDelete } from './delete-files.js'
import { deleteFiles } from './delete-files.js'
import { planExpire, type ExpireOptions } from './plan-expire.js'
import { fileName, mayDeleteFiles } from './reachable-files.js'
import type { UnneededFile } from './unneeded-files.js'
import { unneededFiles } from './unneeded-files.js'

/** What an expiry removed, or with `dryRun` would remove. */
export interface ExpireResult {
  readonly droppedRefs: readonly string[]
  readonly removedSnapshots: readonly SnapshotId[]
  readonly deletedFiles: readonly UnneededFile[]
  /** Could not be deleted; orphan clean-up will find them. */
  readonly failedFiles?: readonly FailedDelete[]
}

/** Which table to expire snapshots of. `dryRun` tells what would go and changes nothing. */
export interface ExpireRequest extends ExpireOptions {
  readonly catalog: Catalog
  readonly identifier: TableIdentifier
  readonly dryRun?: boolean
}

const ATTEMPTS_MAX = 10
const RELOADS_MAX = 3

/**
 * Drops what is past its retention from the metadata, then deletes the files that nothing kept needs. What is needed is
 * read again from the newest metadata after the commit, so a writer in between loses nothing. A file that can't be
 * deleted is told of and stops nothing: orphan clean-up finds it. Does nothing where `gc.enabled` is false.
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
        deletedFiles: await unneededFiles(request.catalog.io, table.metadata, gone, {
          ...table.metadata,
          snapshots: keeps,
          ...keptStatistics(table.metadata, gone),
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
    const files = await unneededNow(request, table.metadata, gone)
    const failedFiles = await deleteFiles(
      request.catalog.io,
      files.map((file) => file.location),
    )
    const failed = new Set(failedFiles.map((file) => file.location))
    return {
      ...result,
      deletedFiles: files.filter((file) => !failed.has(file.location)),
      ...(failedFiles.length > 0 && { failedFiles }),
    }
  }
}

function keptStatistics(
  metadata: TableMetadata,
  gone: ReadonlySet<SnapshotId>,
): Pick<TableMetadata, 'statistics' | 'partition-statistics'> {
  const isKept = (file: StatisticsFile): boolean => !gone.has(file['snapshot-id'])
  return {
    statistics: (metadata.statistics ?? []).filter(isKept),
    'partition-statistics': (metadata['partition-statistics'] ?? []).filter(isKept),
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

/** Nothing where other expiries go on deleting what says so: what is left then are orphans. */
async function unneededNow(
  { catalog, identifier }: ExpireRequest,
  before: TableMetadata,
  gone: ReadonlySet<SnapshotId>,
): Promise<readonly UnneededFile[]> {
  for (let attempt = 1; attempt <= RELOADS_MAX; attempt += 1) {
    const newest = await catalog.loadTable(identifier)
    try {
      return [
        ...(await unneededFiles(catalog.io, before, gone, newest.metadata)),
        ...droppedMetadata(before, newest),
      ]
    } catch (error) {
      if (!isIcebergError(error, 'not-found')) throw error
    }
  }
  return []
}

/** Metadata files that the log has let go, where the table says that they go then. */
function droppedMetadata(before: TableMetadata, newest: LoadedTable): readonly UnneededFile[] {
  if (newest.metadata.properties['write.metadata.delete-after-commit.enabled'] !== 'true') return []
  const kept = new Set([
    fileName(newest.metadataLocation),
    ...newest.metadata['metadata-log'].map((entry) => fileName(entry['metadata-file'])),
  ])
  return before['metadata-log']
    .map((entry) => entry['metadata-file'])
    .filter((location) => !kept.has(fileName(location)))
    .map((location) => ({ location, sizeBytes: 0 }))
}
