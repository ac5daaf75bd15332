import type { Catalog, LoadedTable, TableIdentifier } from '../catalog/catalog.js'
import { ifFound, isIcebergError } from '../error.js'
import type { Snapshot, SnapshotId } from '../spec/snapshot.js'
import type { StatisticsFile, TableMetadata } from '../spec/table-metadata.js'
import type { TableRequirement, TableUpdate } from '../update/table-update.js'
import type { FailedDelete } from './delete-files.js'
import { deleteFiles } from './delete-files.js'
import { planExpire, type ExpireOptions, type ExpirePlan } from './plan-expire.js'
import { fileName, mayDeleteFiles } from './reachable-files.js'
import type { UnneededFile } from './unneeded-files.js'
import { unneededFiles } from './unneeded-files.js'
import type { UnusedMetadata } from './unused-metadata.js'
import { unusedMetadata } from './unused-metadata.js'

/** What an expiry removed, or with `dryRun` would remove. */
export interface ExpireResult {
  readonly droppedRefs: readonly string[]
  readonly removedSnapshots: readonly SnapshotId[]
  /** With `cleanExpiredMetadata`. */
  readonly removedMetadata?: UnusedMetadata
  readonly deletedFiles: readonly UnneededFile[]
  /** Could not be deleted; orphan clean-up will find them. */
  readonly failedFiles?: readonly FailedDelete[]
}

/** Which table to expire snapshots of. `dryRun` tells what would go and changes nothing. */
export interface ExpireRequest extends ExpireOptions {
  readonly catalog: Catalog
  readonly identifier: TableIdentifier
  /** Schemas and partition specs that no snapshot uses any more go too. Default: they stay, as with Java. */
  readonly cleanExpiredMetadata?: boolean
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
    const keeps = table.metadata.snapshots.filter((snapshot) => !gone.has(snapshot['snapshot-id']))
    const unused = await unusedIn(request, table.metadata, keeps)
    const result = {
      ...{ droppedRefs: plan.dropRefs, removedSnapshots: plan.removeSnapshots },
      ...(unused && { removedMetadata: unused }),
    }
    const updates = updatesOf(plan, unused)
    if (updates.length === 0) return { ...result, deletedFiles: [] }
    if (request.dryRun === true) {
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
      await commitExpiry(request.catalog, table, updates)
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

async function unusedIn(
  { catalog, cleanExpiredMetadata }: ExpireRequest,
  metadata: TableMetadata,
  keeps: readonly Snapshot[],
): Promise<UnusedMetadata | undefined> {
  if (cleanExpiredMetadata !== true) return undefined
  // Another expiry may be deleting the lists: then it is for the next one.
  return ifFound(unusedMetadata(catalog.io, metadata, keeps))
}

function updatesOf(plan: ExpirePlan, unused: UnusedMetadata | undefined): readonly TableUpdate[] {
  const { dropRefs, removeSnapshots } = plan
  const { schemaIds = [], specIds = [] } = unused ?? {}
  return [
    ...dropRefs.map((name): TableUpdate => ({ action: 'remove-snapshot-ref', 'ref-name': name })),
    ...whereAny(removeSnapshots, (ids) => ({ action: 'remove-snapshots', 'snapshot-ids': ids })),
    ...whereAny(specIds, (ids) => ({ action: 'remove-partition-specs', 'spec-ids': ids })),
    ...whereAny(schemaIds, (ids) => ({ action: 'remove-schemas', 'schema-ids': ids })),
  ]
}

function whereAny<T>(ids: readonly T[], update: (ids: readonly T[]) => TableUpdate): readonly TableUpdate[] {
  return ids.length === 0 ? [] : [update(ids)]
}

async function commitExpiry(
  catalog: Catalog,
  table: LoadedTable,
  updates: readonly TableUpdate[],
): Promise<void> {
  const { metadata } = table
  const cleans = updates.some(({ action }) => /^remove-(schemas|partition-specs)$/.test(action))
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
        // What a writer makes anew is of the current schema and spec, or of those of a snapshot that it stands on.
        ...(cleans ? currentOnes(metadata) : []),
      ],
      updates,
    },
  ])
}

function currentOnes(metadata: TableMetadata): readonly TableRequirement[] {
  return [
    { type: 'assert-current-schema-id', 'current-schema-id': metadata['current-schema-id'] },
    { type: 'assert-default-spec-id', 'default-spec-id': metadata['default-spec-id'] },
  ]
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
