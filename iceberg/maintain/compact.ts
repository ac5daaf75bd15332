import type { LoadedTable, TableIdentifier } from '../catalog/catalog.js'
import { formatIdentifier } from '../catalog/catalog.js'
import { IcebergError } from '../error.js'
import type { Expression } from '../expr/expression.js'
import { planFiles } from '../scan/plan-scan.js'
import type { FileScanTask } from '../scan/scan-plan.js'
import type { DataFile } from '../spec/data-file.js'
import type { SortField } from '../spec/partition-spec.js'
import { headOf } from '../spec/refs.js'
import { rowsOf } from '../spec/rows-of.js'
import { currentSchema, fieldByName } from '../spec/schema.js'
import { specById } from '../spec/specs.js'
import type { TableMetadata } from '../spec/table-metadata.js'
import type { CompactionPlan, RewrittenGroup } from './commit-groups.js'
import { commitGroups, planBatches } from './commit-groups.js'
import type { RewriteTarget } from './commit-rewrite.js'
import { DeleteCoverage } from './delete-coverage.js'
import type { CompactionGroup, CompactionOptions } from './plan-compaction.js'
import { CompactionPlanner, TARGET_FILE_SIZE_BYTES } from './plan-compaction.js'
import { dataFolder } from './reachable-files.js'
import type { Rewriter } from './rewriter.js'

/**
 * Which table to compact, how far, and who carries rows over. Errors of a group that a writer got ahead of are not
 * thrown.
 */
export interface CompactRequest extends RewriteTarget, CompactionOptions {
  readonly rewriter: Rewriter
  /** Only files that may hold rows of it. */
  readonly filter?: Expression
  /** Only files that were added by snapshots since this moment: a minor compaction. */
  readonly addedSinceMs?: number
  /** `table`: by the table's sort order. Else by these columns, ascending. Default: bin-packing, no sorting. */
  readonly sort?: 'table' | readonly string[]
  /** Progress is committed in so many snapshots at most, each of at least `minCommitBytes` of input. Default 10. */
  readonly maxCommits?: number
  /** Default 1 GiB. */
  readonly minCommitBytes?: number
  readonly dryRun?: boolean
}

/** What a compaction did, or with `dryRun` would do. */
export interface CompactResult {
  /** Planned. */
  readonly groups: number
  readonly commits: number
  readonly removedFiles: number
  readonly addedFiles: number
  /** Delete files that applied to nothing but what was rewritten. */
  readonly removedDeleteFiles: number
  readonly bytes: number
  /** Of the new files; not known of a dry run. */
  readonly addedBytes: number
  /** Data files that others took the place of, or would. */
  readonly replaced: readonly ReplacedFile[]
  /** Some groups were left for a later run since a writer got in between. */
  readonly conflict: boolean
  readonly givenUpGroups: number
}

/** A data file whose rows lie in others now. */
export interface ReplacedFile {
  readonly location: string
  readonly sizeBytes: number
}

/**
 * Merges small files of each partition into files of the target size, sorts them where asked to, applies deletes and
 * moves files of old partition specs to the current one. Group after group, so memory is bounded by one group's rewrite;
 * what is done is committed every so often. Rows that others append meanwhile stay, and their equality deletes go on
 * applying, since the new files count as written when the plan was made. A writer that replaced or deleted from a group's
 * files goes first: that group alone is given up, and its new files become orphans. Where writers are always first all
 * groups that are left are given up. Tables of other format versions than 2 can't be written to, so they stay as they are.
 */
export async function compactTable(request: CompactRequest): Promise<CompactResult> {
  const table = await request.catalog.loadTable(request.identifier)
  const plan = await planTable(request, table)
  const groups = plan?.batches.flat() ?? []
  const bytes = groups.reduce((sum, group) => sum + group.sizeBytes, 0)
  const tasks = groups.flatMap((group) => group.tasks)
  const planned = { groups: groups.length, conflict: false, givenUpGroups: 0 }
  if (plan === undefined || request.dryRun === true) {
    return {
      ...{ ...planned, bytes, commits: plan?.batches.length ?? 0, removedFiles: tasks.length },
      addedFiles: groups.length,
      addedBytes: 0,
      replaced: tasks.map(replacedFile),
      removedDeleteFiles: plan?.coverage.coveredBy(tasks).length ?? 0,
    }
  }
  return execute(request, table, plan, planned.groups)
}

async function planTable(
  request: CompactRequest,
  { metadata }: LoadedTable,
): Promise<CompactionPlan | undefined> {
  const basis = headOf(metadata)
  if (basis === undefined || metadata['format-version'] !== 2) return undefined
  const scan = { metadata, io: request.catalog.io }
  const { filter } = request
  const matching = new Set<string>()
  if (filter !== undefined)
    for await (const { file } of planFiles({ ...scan, filter })) matching.add(file.filePath)
  const after = sequenceBefore(metadata, request.addedSinceMs)
  const planner = new CompactionPlanner(
    { ...request, targetFileSizeBytes: targetSize(request, metadata) },
    {
      currentSpecId: metadata['default-spec-id'],
      sorts: request.sort !== undefined,
      isWanted: ({ file, sequenceNumber }) =>
        sequenceNumber > after && (filter === undefined || matching.has(file.filePath)),
    },
  )
  const coverage = new DeleteCoverage()
  for await (const task of planFiles(scan)) {
    planner.add(task)
    coverage.add(task)
  }
  const batches = planBatches(planner.groups(), request)
  return batches.length === 0 ? undefined : { basis, batches, coverage }
}

async function execute(
  request: CompactRequest,
  table: LoadedTable,
  plan: CompactionPlan,
  groups: number,
): Promise<CompactResult> {
  let result: CompactResult = {
    ...{ groups, commits: 0, removedFiles: 0, addedFiles: 0, removedDeleteFiles: 0, bytes: 0 },
    ...{ addedBytes: 0, replaced: [], conflict: false, givenUpGroups: 0 },
  }
  let tried = 0
  for (const batch of plan.batches) {
    const rewritten: RewrittenGroup[] = []
    for (const group of batch) rewritten.push({ group, files: await rewriteGroup(request, table, group) })
    const done = await commitGroups(request, plan, rewritten)
    const committed = done.committed.flatMap(({ group }) => group.tasks)
    const added = done.committed.flatMap((one) => one.files)
    tried += batch.length
    result = {
      groups,
      commits: result.commits + done.commits,
      removedFiles: result.removedFiles + committed.length,
      addedFiles: result.addedFiles + added.length,
      addedBytes: result.addedBytes + added.reduce((sum, file) => sum + file.fileSizeInBytes, 0),
      replaced: [...result.replaced, ...committed.map(replacedFile)],
      removedDeleteFiles: result.removedDeleteFiles + done.removedDeleteFiles,
      bytes: result.bytes + done.committed.reduce((sum, { group }) => sum + group.sizeBytes, 0),
      conflict: result.conflict || done.givenUp > 0,
      givenUpGroups: result.givenUpGroups + done.givenUp,
    }
    if (done.busy) return { ...result, givenUpGroups: result.givenUpGroups + groups - tried }
  }
  return result
}

function replacedFile({ file }: FileScanTask): ReplacedFile {
  return { location: file.filePath, sizeBytes: file.fileSizeInBytes }
}

async function rewriteGroup(
  request: CompactRequest,
  { identifier, metadata }: LoadedTable,
  group: CompactionGroup,
): Promise<readonly DataFile[]> {
  const files = await request.rewriter.rewrite({
    tasks: group.tasks,
    metadata,
    schema: currentSchema(metadata),
    spec: specById(metadata, group.specId),
    dataLocation: dataFolder(metadata),
    targetFileSizeBytes: targetSize(request, metadata),
    ...sortingOf(request, metadata),
  })
  checkRows(identifier, group.tasks, files)
  return files
}

function sortingOf({ sort, identifier }: CompactRequest, metadata: TableMetadata) {
  if (sort === undefined) return {}
  if (sort === 'table') {
    const sortOrderId = metadata['default-sort-order-id']
    const order = metadata['sort-orders'].find((one) => one['order-id'] === sortOrderId)
    if (order !== undefined && order.fields.length > 0) return { sortBy: order.fields, sortOrderId }
    throw new IcebergError(
      'invalid-argument',
      `table ${formatIdentifier(identifier)} has no sort order; name the columns to sort by, or set an order first`,
    )
  }
  const schema = currentSchema(metadata)
  const sortBy = sort.map((name): SortField => {
    const field = fieldByName(schema, name)
    if (field !== undefined)
      return { 'source-id': field.id, transform: 'identity', direction: 'asc', 'null-order': 'nulls-first' }
    const names = schema.fields.map((known) => known.name).join(', ')
    throw new IcebergError(
      'invalid-argument',
      `table ${formatIdentifier(identifier)} has no column ${name} to sort by; it has ${names}`,
    )
  })
  return { sortBy }
}

function targetSize(request: CompactRequest, { properties }: TableMetadata): number {
  const stated = Number.parseInt(properties['write.target-file-size-bytes'] ?? '', 10)
  return request.targetFileSizeBytes ?? (stated > 0 ? stated : TARGET_FILE_SIZE_BYTES)
}

/** Files with a greater sequence number were added by snapshots since then. */
function sequenceBefore(metadata: TableMetadata, sinceMs: number | undefined): number {
  if (sinceMs === undefined) return -1
  const older = metadata.snapshots.filter((snapshot) => snapshot['timestamp-ms'] < sinceMs)
  return Math.max(-1, ...older.map((snapshot) => snapshot['sequence-number']))
}

/** A rewrite that lost or doubled rows must not replace them; deletes may take away rows of their files only. */
function checkRows(
  { name }: TableIdentifier,
  tasks: readonly FileScanTask[],
  files: readonly DataFile[],
): void {
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
