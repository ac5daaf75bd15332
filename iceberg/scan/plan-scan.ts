import type { BoundExpression } from '../expr/bind.js'
import { bind } from '../expr/bind.js'
import { evaluate } from '../expr/evaluate.js'
import type { Expression } from '../expr/expression.js'
import { alwaysTrue } from '../expr/expression.js'
import { projectInclusive } from '../expr/project.js'
import { residualOf, unbind } from '../expr/residual.js'
import { fileStatistics, mightMatch, summaryStatistics } from '../expr/statistics.js'
import type { FileIO } from '../io/file-io.js'
import type { DataFile, ManifestEntry, ManifestFile } from '../spec/data-file.js'
import type { PartitionSpec } from '../spec/partition-spec.js'
import { resolveTarget } from '../spec/refs.js'
import { currentSchema, schemaById } from '../spec/schema.js'
import type { Snapshot } from '../spec/snapshot.js'
import { partitionTypes, schemasNewestFirst, specById } from '../spec/specs.js'
import type { TableMetadata } from '../spec/table-metadata.js'
import type { PrimitiveType, Schema } from '../spec/type.js'
import type { DeleteIndex } from './delete-index.js'
import { buildDeleteIndex } from './delete-index.js'
import type { ManifestCache } from './manifests.js'
import { readManifestEntries, readManifests } from './manifests.js'
import type { FileScanTask, ScanPlan, ScanTarget } from './scan-plan.js'

export interface ScanRequest {
  readonly metadata: TableMetadata
  readonly io: FileIO
  /** Default: the head of `main`. */
  readonly target?: ScanTarget
  readonly filter?: Expression
  readonly manifestCache?: ManifestCache
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

/** Manifests that are read ahead of the one being planned. */
const READ_AHEAD = 8

/** A branch reads with the table's schema, a tag, an id or a time with the snapshot's own. */
function schemaFor(
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
  const read = (manifest: ManifestFile): Promise<readonly ManifestEntry[]> =>
    readManifestEntries(io, metadata, manifest, manifestCache)
  const deletes = await readDeletes(metadata, manifests, read, filterOf)
  const dataManifests = manifests.filter((manifest) => manifest.content === 'data')
  for await (const { item, result } of mapAhead(dataManifests, read)) {
    yield planEntries(result, deletes, filterOf(item.partitionSpecId))
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
  const unpartitioned = metadata['partition-specs'].filter((spec) => spec.fields.length === 0)
  return buildDeleteIndex(live, new Set(unpartitioned.map((spec) => spec['spec-id'])))
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

/** The filter as it bears on what one partition spec wrote. */
interface SpecFilter {
  manifestMightMatch(manifest: ManifestFile): boolean
  partitionMightMatch(file: DataFile): boolean
  rowsMightMatch(file: DataFile): boolean
  residualFor(file: DataFile): Expression
}

function specFilters(metadata: TableMetadata, filter: BoundExpression): (specId: number) => SpecFilter {
  const schemas = schemasNewestFirst(metadata)
  const known = new Map<number, SpecFilter>()
  return (specId) => {
    let made = known.get(specId)
    if (made === undefined) {
      const spec = specById(metadata, specId)
      made = specFilter(spec, partitionTypes(schemas, spec), filter)
      known.set(specId, made)
    }
    return made
  }
}

function specFilter(
  spec: PartitionSpec,
  types: readonly (PrimitiveType | undefined)[],
  filter: BoundExpression,
): SpecFilter {
  const projected = projectInclusive(filter, spec, types)
  const positions = new Map(spec.fields.map((field, index) => [field['field-id'], index]))
  const whole = unbind(filter)
  return {
    manifestMightMatch: ({ partitions }) =>
      partitions === undefined ||
      mightMatch(projected, (column) =>
        summaryStatistics(partitions[positions.get(column.id) ?? -1], column),
      ),
    partitionMightMatch: ({ partition }) =>
      projected.kind === 'true' ||
      evaluate(projected, (column) => partition[positions.get(column.id) ?? -1] ?? null) === true,
    rowsMightMatch: (file) =>
      filter.kind === 'true' || mightMatch(filter, (column) => fileStatistics(file, column)),
    residualFor({ partition }) {
      const residual = residualOf(filter, spec, types, partition)
      return residual === filter ? whole : unbind(residual)
    },
  }
}

/** Runs `start` for a few items ahead of the one whose result is given out; results keep the items' order. */
async function* mapAhead<T, R extends object>(
  items: readonly T[],
  start: (item: T) => Promise<R>,
): AsyncIterable<{ readonly item: T; readonly result: R }> {
  const running: Promise<R>[] = []
  const waiting = items.values()
  const startNext = (): void => {
    const next = waiting.next()
    if (next.done === true) return
    const started = start(next.value)
    // A failure is thrown where its turn comes; it must not count as unhandled before.
    started.catch(() => undefined)
    running.push(started)
  }
  for (let ahead = 0; ahead < READ_AHEAD; ahead++) startNext()
  for (const item of items) {
    const result = await running.shift()
    startNext()
    if (result !== undefined) yield { item, result }
  }
}
