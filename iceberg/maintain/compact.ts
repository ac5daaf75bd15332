import type { Catalog, TableIdentifier } from '../catalog/catalog.js'
import { IcebergError, isIcebergError } from '../error.js'
import { planScan } from '../scan/plan-scan.js'
import type { DataFile } from '../spec/data-file.js'
import { currentSchema } from '../spec/schema.js'
import type { SnapshotId } from '../spec/snapshot.js'
import { specById } from '../spec/specs.js'
import type { TableMetadata } from '../spec/table-metadata.js'
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
  /** Left for a later run since a writer got in between. */
  readonly conflict: boolean
}

/**
 * Merges small files of each partition into files of the target size and commits them in one snapshot. A writer that
 * got in between in a way that matters goes first: then nothing is committed, and the new files become orphans. Tables of
 * other format versions than 2 can't be written to, so they stay as they are.
 */
export async function compactTable(request: CompactRequest): Promise<CompactResult> {
  const { metadata } = await request.catalog.loadTable(request.identifier)
  const { tasks, snapshot } = await planScan({ metadata, io: request.catalog.io })
  const groups = metadata['format-version'] === 2 ? planCompaction(tasks, request) : []
  const removed = groups.flatMap((group) => group.tasks.map((task) => task.file))
  const result = {
    groups: groups.length,
    removedFiles: removed.length,
    bytes: groups.reduce((sum, group) => sum + group.sizeBytes, 0),
  }
  if (snapshot === undefined || groups.length === 0 || request.dryRun === true) {
    return { ...result, addedFiles: groups.length, conflict: false }
  }
  const added = await rewriteGroups(request, metadata, groups)
  try {
    await commitTransaction({
      catalog: request.catalog,
      now: request.now,
      newUuid: request.newUuid,
      changes: [
        {
          identifier: request.identifier,
          snapshotId: request.newSnapshotId(),
          change: { kind: 'rewrite', removed, added, basis: snapshot['snapshot-id'] },
          ...(request.summary === undefined ? {} : { summary: request.summary }),
        },
      ],
    })
    return { ...result, addedFiles: added.length, conflict: false }
  } catch (error) {
    if (isIcebergError(error, 'rebuild-needed') || isIcebergError(error, 'commit-conflict')) {
      return { groups: groups.length, removedFiles: 0, addedFiles: 0, bytes: 0, conflict: true }
    }
    throw error
  }
}

/** One group after another: memory is bounded by one group's rewrite. */
async function rewriteGroups(
  request: CompactRequest,
  metadata: TableMetadata,
  groups: readonly CompactionGroup[],
): Promise<DataFile[]> {
  const added: DataFile[] = []
  for (const group of groups) {
    const files = await request.rewriter.rewrite({
      tasks: group.tasks,
      schema: currentSchema(metadata),
      spec: specById(metadata, group.specId),
      dataLocation: `${metadata.location}/data`,
      targetFileSizeBytes: request.targetFileSizeBytes ?? TARGET_FILE_SIZE_BYTES,
    })
    checkRows(request.identifier, group, files)
    added.push(...files)
  }
  return added
}

/** A rewrite that lost or doubled rows must not replace them; deletes may take away rows of their files only. */
function checkRows({ name }: TableIdentifier, { tasks }: CompactionGroup, files: readonly DataFile[]): void {
  const most = rowsOf(tasks.map((task) => task.file))
  const least = rowsOf(tasks.filter((task) => task.deletes.length === 0).map((task) => task.file))
  const rows = rowsOf(files)
  if (rows >= least && rows <= most) return
  throw new IcebergError(
    'data-invalid',
    `table ${name}: ${tasks.length} files with ${least === most ? most : `${least} to ${most}`} rows became ${rows} rows when rewritten; nothing was committed, check the files and the engine`,
    { context: { table: name, files: tasks.map((task) => task.file.filePath).slice(0, 10) } },
  )
}

function rowsOf(files: readonly DataFile[]): number {
  return files.reduce((sum, file) => sum + file.recordCount, 0)
}
