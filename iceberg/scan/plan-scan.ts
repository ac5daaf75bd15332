import { bind, columnsOf } from '../expr/bind.js'
import type { Expression } from '../expr/expression.js'
import { alwaysTrue } from '../expr/expression.js'
import type { FileIO } from '../io/file-io.js'
import type { ManifestEntry, ManifestFile } from '../spec/data-file.js'
import { resolveTarget } from '../spec/refs.js'
import { currentSchema, schemaById } from '../spec/schema.js'
import type { Snapshot } from '../spec/snapshot.js'
import type { TableMetadata } from '../spec/table-metadata.js'
import type { Schema } from '../spec/type.js'
import type { DeleteIndex } from './delete-index.js'
import { buildDeleteIndex } from './delete-index.js'
import type { ManifestCache } from './manifests.js'
import { readManifestEntries, readManifests } from './manifests.js'
import { mapAhead } from './map-ahead.js'
import type { FileScanTask, ScanPlan, ScanTarget } from './scan-plan.js'
import type { SpecFilter } from './spec-filter.js'
import { specFilters } from './spec-filter.js'

/** What to plan: a table as of a snapshot, and which rows of it. */
export interface ScanRequest {
  readonly metadata: TableMetadata
  readonly io: FileIO
  /** Default: the head of `main`. */
  readonly target?: ScanTarget
  readonly filter?: Expression
  /**
   * Rows that are enough: planning ends, and no further manifest is read, once the tasks are sure to have as many that pass
   * the filter. Tasks may have more.
   */
  readonly limit?: number
  readonly manifestCache?: ManifestCache
  /**
   * Which metrics the tasks' data files come with: all (default), or at least those of the filter's columns, for a reader
   * who has no use for more. Most of what planning a large table takes are metrics.
   */
  readonly metrics?: 'all' | 'filter'
}

/** The files to read for a filter, none that can match left out. Tasks are in the order of the manifests. */
export async function planScan(request: ScanRequest): Promise<ScanPlan> {
  const snapshot = resolveTarget(request.metadata, request.target)
  const schema = schemaFor(request.metadata, request.target, snapshot)
  const tasks: FileScanTask[] = []
  for await (const batch of planManifests(request, schema, snapshot)) {
    for (const task of batch) tasks.push(task)
  }
  return { schema, tasks, ...(snapshot === undefined ? {} : { snapshot }) }
}

/** The same, file by file: no more than a few manifests' entries (and the delete files) are held at a time. */
export async function* planFiles(request: ScanRequest): AsyncIterable<FileScanTask> {
  const snapshot = resolveTarget(request.metadata, request.target)
  const schema = schemaFor(request.metadata, request.target, snapshot)
  for await (const batch of planManifests(request, schema, snapshot)) yield* batch
}

/** A branch reads with the table's schema, a tag, an id or a time with the snapshot's own. */
export function schemaFor(
  metadata: TableMetadata,
  target: ScanTarget | undefined,
  snapshot: Snapshot | undefined,
): Schema {
  const isBranch =
    target === undefined ||
    target.kind === 'head' ||
    (target.kind === 'ref' && metadata.refs[target.ref]?.type !== 'tag')
  const schemaId = snapshot?.['schema-id']
  return isBranch || schemaId === undefined ? currentSchema(metadata) : schemaById(metadata, schemaId)
}

async function* planManifests(
  request: ScanRequest,
  schema: Schema,
  snapshot: Snapshot | undefined,
): AsyncIterable<readonly FileScanTask[]> {
  const { metadata, io, manifestCache } = request
  const filter = bind(schema, request.filter ?? alwaysTrue)
  if (snapshot === undefined || filter.kind === 'false') return
  const filterOf = specFilters(metadata, filter)
  const manifests = (await readManifests(io, metadata, snapshot)).filter(
    (manifest) =>
      manifest.addedFilesCount + manifest.existingFilesCount > 0 &&
      filterOf(manifest.partitionSpecId).manifestMightMatch(manifest),
  )
  const metricsOf = request.metrics === 'filter' ? new Set(columnsOf(filter)) : undefined
  const read = (manifest: ManifestFile): Promise<readonly ManifestEntry[]> => {
    const wanted = manifest.content === 'data' ? metricsOf : undefined
    return readManifestEntries(io, metadata, manifest, manifestCache, wanted)
  }
  const deletes = await readDeletes(metadata, manifests, read, filterOf)
  const dataManifests = manifests.filter((manifest) => manifest.content === 'data')
  const limit = request.limit ?? Infinity
  let certainRows = 0
  if (limit <= 0) return
  for await (const { item, result } of mapAhead(dataManifests, read, { patient: limit < Infinity })) {
    const tasks = planEntries(result, deletes, filterOf(item.partitionSpecId))
    const enough = tasks.findIndex((task) => (certainRows += certainRowsOf(task)) >= limit)
    yield enough < 0 ? tasks : tasks.slice(0, enough + 1)
    if (enough >= 0) return
  }
}

async function readDeletes(
  metadata: TableMetadata,
  manifests: readonly ManifestFile[],
  read: (manifest: ManifestFile) => Promise<readonly ManifestEntry[]>,
  filterOf: (specId: number) => SpecFilter,
): Promise<DeleteIndex> {
  const live: ManifestEntry[] = []
  const deleteManifests = manifests.filter((manifest) => manifest.content === 'deletes')
  for await (const { result } of mapAhead(deleteManifests, read)) {
    for (const entry of result) {
      const { status, file } = entry
      if (status !== 'deleted' && filterOf(file.specId).partitionMightMatch(file)) live.push(entry)
    }
  }
  // As Java counts them: a v1 table that drops its last partition field keeps it as void.
  const unpartitioned = metadata['partition-specs'].filter((spec) =>
    spec.fields.every((field) => field.transform === 'void'),
  )
  return buildDeleteIndex(live, new Set(unpartitioned.map((spec) => spec['spec-id'])))
}

/** Rows of a task that surely pass: all, where nothing was deleted and nothing is left to check. */
function certainRowsOf({ file, deletes, residual }: FileScanTask): number {
  return deletes.length === 0 && residual.kind === 'true' ? file.recordCount : 0
}

function planEntries(
  entries: readonly ManifestEntry[],
  deletes: DeleteIndex,
  filter: SpecFilter,
): readonly FileScanTask[] {
  const tasks: FileScanTask[] = []
  for (const entry of entries) {
    const { status, file, sequenceNumber } = entry
    if (status === 'deleted' || !filter.partitionMightMatch(file) || !filter.rowsMightMatch(file)) continue
    const residual = filter.residualFor(file)
    if (residual.kind === 'false') continue
    tasks.push({ file, sequenceNumber, deletes: deletes.deletesFor(entry), residual })
  }
  return tasks
}
