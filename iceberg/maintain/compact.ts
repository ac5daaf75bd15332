import type { Catalog, TableIdentifier } from '../catalog/catalog.js'
import { isIcebergError } from '../error.js'
import { planScan } from '../scan/plan-scan.js'
import { headOf } from '../spec/refs.js'
import { currentSchema } from '../spec/schema.js'
import type { SnapshotId } from '../spec/snapshot.js'
import { specById } from '../spec/specs.js'
import { commitTransaction } from '../write/transaction.js'
import {
  planCompaction,
  TARGET_FILE_SIZE_BYTES,
  type CompactionGroup,
  type CompactionOptions,
} from './plan-compaction.js'
import type { Rewriter } from './rewriter.js'

export interface CompactRequest extends CompactionOptions {
  readonly catalog: Catalog
  readonly identifier: TableIdentifier
  readonly rewriter: Rewriter
  readonly now: () => number
  readonly newUuid: () => string
  readonly newSnapshotId: () => SnapshotId
  readonly summary?: Readonly<Record<string, string>>
  readonly dryRun?: boolean
}

export interface CompactResult {
  readonly groups: number
  readonly removedFiles: number
  readonly addedFiles: number
  readonly bytes: number
  /** Groups left for a later run since a writer got in between. */
  readonly conflicts: number
}

/**
 * Merges small files, a partition's group at a time; each group is a commit of its own, so what is done stays done.
 * A conflict gives the group up (the writer goes first); its new files become orphans.
 */
export async function compactTable(request: CompactRequest): Promise<CompactResult> {
  const { metadata } = await request.catalog.loadTable(request.identifier)
  const { tasks } = await planScan({ metadata, io: request.catalog.io })
  const groups = planCompaction(tasks, request)
  const total = { groups: groups.length, removedFiles: 0, addedFiles: 0, bytes: 0, conflicts: 0 }
  for (const group of groups) {
    const added = request.dryRun === true ? 1 : await compactGroup(request, group)
    if (added === undefined) {
      total.conflicts += 1
      continue
    }
    total.removedFiles += group.tasks.length
    total.addedFiles += added
    total.bytes += group.sizeBytes
  }
  return total
}

/** Number of files written, or undefined where a writer came first. */
async function compactGroup(request: CompactRequest, group: CompactionGroup): Promise<number | undefined> {
  const { metadata } = await request.catalog.loadTable(request.identifier)
  const basis = headOf(metadata)?.['snapshot-id']
  if (basis === undefined) return undefined
  const added = await request.rewriter.rewrite({
    tasks: group.tasks,
    schema: currentSchema(metadata),
    spec: specById(metadata, group.specId),
    dataLocation: `${metadata.location}/data`,
    targetFileSizeBytes: request.targetFileSizeBytes ?? TARGET_FILE_SIZE_BYTES,
  })
  try {
    await commitTransaction({
      catalog: request.catalog,
      now: request.now,
      newUuid: request.newUuid,
      changes: [
        {
          identifier: request.identifier,
          snapshotId: request.newSnapshotId(),
          change: { kind: 'rewrite', removed: group.tasks.map((task) => task.file), added, basis },
          ...(request.summary === undefined ? {} : { summary: request.summary }),
        },
      ],
    })
    return added.length
  } catch (error) {
    if (isIcebergError(error, 'rebuild-needed') || isIcebergError(error, 'commit-conflict')) return undefined
    throw error
  }
}
