import { formatIdentifier } from '../catalog/catalog.js'
import { IcebergError } from '../error.js'
import type { DataFile } from '../spec/data-file.js'
import type { TableMetadata } from '../spec/table-metadata.js'
import { commitRewrite, type RewriteTarget } from './commit-rewrite.js'
import type { DeleteRewriteGroup, DeleteRewriteOptions } from './plan-delete-rewrite.js'
import { planDeleteRewrite } from './plan-delete-rewrite.js'
import { dataFolder } from './reachable-files.js'
import type { DeleteRewriter } from './rewriter.js'

/** Which table's position deletes to merge, and who carries them over. */
export interface RewriteDeleteFilesRequest extends RewriteTarget, DeleteRewriteOptions {
  readonly rewriter: DeleteRewriter
  readonly dryRun?: boolean
}

/** What a rewrite of delete files did, or with `dryRun` would do. */
export interface RewriteDeleteFilesResult {
  /** Small files that were merged. */
  readonly mergedFiles: number
  /** Files that applied to nothing any more and went without being read. */
  readonly danglingFiles: number
  readonly addedFiles: number
  readonly bytes: number
  /** Of the new files; not known of a dry run. */
  readonly addedBytes: number
  /** Left for a later run since a writer got in between. */
  readonly conflict: boolean
}

const NOTHING: RewriteDeleteFilesResult = {
  ...{ mergedFiles: 0, danglingFiles: 0, addedFiles: 0, bytes: 0, addedBytes: 0, conflict: false },
}

/**
 * Merges small position-delete files and drops delete files that apply to no live data file. The rows stay the same. A
 * writer that took one of those files away goes first: then nothing is committed. Tables of other format versions than 2
 * stay as they are.
 */
export async function rewriteDeleteFiles(
  request: RewriteDeleteFilesRequest,
): Promise<RewriteDeleteFilesResult> {
  const { metadata } = await request.catalog.loadTable(request.identifier)
  const granularity = request.granularity ?? granularityOf(metadata)
  const plan = await planDeleteRewrite(metadata, request.catalog.io, { ...request, granularity })
  const merged = plan?.groups.flatMap((group) => group.deletes) ?? []
  if (plan === undefined || merged.length + plan.dangling.length === 0) return NOTHING
  const result = {
    mergedFiles: merged.length,
    danglingFiles: plan.dangling.length,
    bytes: [...merged, ...plan.dangling].reduce((sum, file) => sum + file.fileSizeInBytes, 0),
    addedBytes: 0,
    conflict: false,
  }
  if (request.dryRun === true) {
    const planned = plan.groups.map((group) => (granularity === 'file' ? group.dataFiles.length : 1))
    return { ...result, addedFiles: planned.reduce((sum, files) => sum + files, 0) }
  }
  const added: DataFile[] = []
  for (const group of plan.groups) added.push(...(await rewriteGroup(request, metadata, group, granularity)))
  const removed = [...merged, ...plan.dangling]
  const change = { kind: 'rewrite', removed, added, basis: plan.basis['snapshot-id'] } as const
  const { kind } = await commitRewrite(request, change)
  if (kind !== 'committed') return { ...NOTHING, conflict: true }
  const addedBytes = added.reduce((sum, file) => sum + file.fileSizeInBytes, 0)
  return { ...result, addedFiles: added.length, addedBytes }
}

async function rewriteGroup(
  { rewriter, identifier }: RewriteDeleteFilesRequest,
  metadata: TableMetadata,
  group: DeleteRewriteGroup,
  granularity: 'file' | 'partition',
): Promise<readonly DataFile[]> {
  const { specId, partition, deletes, dataFiles } = group
  const dataLocation = dataFolder(metadata)
  const perDataFile = granularity === 'file'
  const files = await rewriter.rewriteDeletes({
    ...{ specId, partition, deletes, dataFiles, dataLocation, perDataFile },
  })
  const before = deletes.reduce((sum, file) => sum + file.recordCount, 0)
  const after = files.reduce((sum, file) => sum + file.recordCount, 0)
  if (after <= before) return files
  throw new IcebergError(
    'data-invalid',
    `table ${formatIdentifier(identifier)}: ${deletes.length} delete files with ${before} positions became ${after} when rewritten; nothing was committed, check the files and the engine`,
    { context: { files: deletes.map((file) => file.filePath).slice(0, 10) } },
  )
}

function granularityOf({ properties }: TableMetadata): 'file' | 'partition' {
  return properties['write.delete.granularity'] === 'file' ? 'file' : 'partition'
}
