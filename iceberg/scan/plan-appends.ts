import { bind } from '../expr/bind.js'
import type { Expression } from '../expr/expression.js'
import { alwaysTrue } from '../expr/expression.js'
import { IcebergError } from '../error.js'
import type { FileIO } from '../io/file-io.js'
import type { ManifestFile } from '../spec/data-file.js'
import { ancestorsOf, resolveTarget } from '../spec/refs.js'
import type { Snapshot } from '../spec/snapshot.js'
import type { TableMetadata } from '../spec/table-metadata.js'
import type { ManifestCache } from './manifests.js'
import { readManifestEntries, readManifests } from './manifests.js'
import { mapAhead } from './map-ahead.js'
import { schemaFor } from './plan-scan.js'
import type { FileScanTask, ScanPlan, ScanTarget } from './scan-plan.js'
import { specFilters } from './spec-filter.js'

/** Which appended files to find: after one snapshot, up to another. */
export interface AppendsRequest {
  readonly metadata: TableMetadata
  readonly io: FileIO
  /** Appends after this snapshot, itself excluded; it may have expired. Default: all that the table remembers. */
  readonly from?: bigint
  /** The last snapshot to look at, itself included. Default: the head of `main`. */
  readonly to?: ScanTarget
  readonly filter?: Expression
  readonly manifestCache?: ManifestCache
}

/**
 * The files that appends added between two snapshots, oldest commit first. Snapshots that overwrote or deleted rows, and
 * compactions, are passed over, as Java's incremental append scan does: what they removed still shows, what they added does
 * not. Throws `invalid-argument` where `from` is no ancestor of `to`.
 */
export async function planAppends(request: AppendsRequest): Promise<ScanPlan> {
  const { metadata, io, to, manifestCache } = request
  const last = resolveTarget(metadata, to)
  const schema = schemaFor(metadata, to, last)
  const filter = bind(schema, request.filter ?? alwaysTrue)
  const filterOf = specFilters(metadata, filter)
  const tasks: FileScanTask[] = []
  const appends = snapshotsBetween(metadata, request.from, last).filter(
    (snapshot) => snapshot.summary?.operation === 'append',
  )
  for await (const { item, result } of mapAhead(appends, (snapshot) =>
    addedManifests(io, metadata, snapshot),
  )) {
    const read = (manifest: ManifestFile) => readManifestEntries(io, metadata, manifest, manifestCache)
    const wanted = result.filter((manifest) =>
      filterOf(manifest.partitionSpecId).manifestMightMatch(manifest),
    )
    for await (const manifest of mapAhead(wanted, read)) {
      const specFilter = filterOf(manifest.item.partitionSpecId)
      for (const { status, snapshotId, sequenceNumber, file } of manifest.result) {
        if (status !== 'added' || snapshotId !== item['snapshot-id']) continue
        if (!specFilter.partitionMightMatch(file) || !specFilter.rowsMightMatch(file)) continue
        const residual = specFilter.residualFor(file)
        if (residual.kind !== 'false') tasks.push({ file, sequenceNumber, deletes: [], residual })
      }
    }
  }
  return { schema, tasks, ...(last !== undefined && { snapshot: last }) }
}

/** After `from`, up to `last`, oldest first. */
function snapshotsBetween(
  metadata: TableMetadata,
  from: bigint | undefined,
  last: Snapshot | undefined,
): readonly Snapshot[] {
  const between: Snapshot[] = []
  if (last === undefined || last['snapshot-id'] === from) return between
  for (const snapshot of ancestorsOf(metadata, last['snapshot-id'])) {
    between.unshift(snapshot)
    if (from !== undefined && snapshot['parent-snapshot-id'] === from) return between
  }
  if (from === undefined) return between
  throw new IcebergError(
    'invalid-argument',
    `snapshot ${String(from)} is no ancestor of ${String(last['snapshot-id'])}, as far as the table remembers: read all of it, or start from one of ${between
      .slice(-5)
      .map((snapshot) => String(snapshot['snapshot-id']))
      .join(', ')}`,
    { context: { from: String(from), to: String(last['snapshot-id']) } },
  )
}

/** The data manifests that a snapshot wrote itself. */
async function addedManifests(
  io: FileIO,
  metadata: TableMetadata,
  snapshot: Snapshot,
): Promise<readonly ManifestFile[]> {
  const manifests = await readManifests(io, metadata, snapshot)
  return manifests.filter(
    ({ content, addedSnapshotId, addedFilesCount }) =>
      content === 'data' && addedSnapshotId === snapshot['snapshot-id'] && addedFilesCount > 0,
  )
}
