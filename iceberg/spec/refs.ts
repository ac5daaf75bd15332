import { IcebergError } from '../error.js'
import type { ScanTarget } from '../scan/scan-plan.js'
import type { Snapshot, SnapshotId } from './snapshot.js'
import type { TableMetadata } from './table-metadata.js'

/** The snapshot of this id; undefined where it has expired or never was. */
export function snapshotById(metadata: TableMetadata, id: bigint): Snapshot | undefined {
  return snapshotIndex(metadata).get(id)
}

/** The newest snapshot of a branch (or the snapshot of a tag); `undefined` where the ref does not exist. */
export function headOf(metadata: TableMetadata, branch = 'main'): Snapshot | undefined {
  const ref = metadata.refs[branch]
  return ref && snapshotById(metadata, ref['snapshot-id'])
}

/** The snapshot itself and its ancestors, newest first, as far back as the metadata still knows them. */
export function* ancestorsOf(metadata: TableMetadata, snapshotId: bigint): Iterable<Snapshot> {
  const seen = new Set<bigint>()
  let id: bigint | undefined = snapshotId
  while (id !== undefined && !seen.has(id)) {
    seen.add(id)
    const snapshot = snapshotById(metadata, id)
    if (snapshot === undefined) return
    yield snapshot
    id = snapshot['parent-snapshot-id']
  }
}

/** The snapshot that a scan reads; `undefined` only for the head of an empty table. */
export function resolveTarget(
  metadata: TableMetadata,
  target: ScanTarget = { kind: 'head' },
): Snapshot | undefined {
  switch (target.kind) {
    case 'head':
      return headOf(metadata)
    case 'ref':
      return refTarget(metadata, target.ref)
    case 'snapshot':
      return snapshotTarget(metadata, target.snapshotId)
    case 'timestamp':
      return timestampTarget(metadata, target.timestampMs)
  }
}

function refTarget(metadata: TableMetadata, name: string): Snapshot | undefined {
  const ref = Object.hasOwn(metadata.refs, name) ? metadata.refs[name] : undefined
  if (ref !== undefined) return snapshotTarget(metadata, ref['snapshot-id'])
  if (name === 'main') return undefined
  const known = listed(Object.keys(metadata.refs))
  throw new IcebergError('not-found', `no tag or branch '${name}'; the table has ${known}`)
}

function snapshotTarget(metadata: TableMetadata, id: SnapshotId | bigint): Snapshot {
  const snapshot = snapshotById(metadata, id)
  if (snapshot !== undefined) return snapshot
  const known = listed(metadata.snapshots.map((candidate) => candidate['snapshot-id'].toString()))
  throw new IcebergError('not-found', `no snapshot ${id.toString()} (expired?); the table has ${known}`)
}

/** The snapshot that was main's head at that time, by the snapshot log. */
function timestampTarget(metadata: TableMetadata, timestampMs: number): Snapshot {
  const entry = metadata['snapshot-log'].findLast((logged) => logged['timestamp-ms'] <= timestampMs)
  if (entry !== undefined) return snapshotTarget(metadata, entry['snapshot-id'])
  const first = metadata['snapshot-log'][0]
  const since = first ? `its log starts at ${iso(first['timestamp-ms'])}` : 'its log is empty'
  throw new IcebergError('not-found', `no snapshot as of ${iso(timestampMs)}: ${since}`)
}

function iso(timestampMs: number): string {
  const date = new Date(timestampMs)
  return Number.isNaN(date.getTime()) ? `${timestampMs} ms` : date.toISOString()
}

function listed(names: readonly string[]): string {
  if (names.length === 0) return 'none'
  const shown = names.slice(-20).join(', ')
  return names.length > 20 ? `${names.length}, the last of them ${shown}` : shown
}

/** Metadata is immutable, so its index is built once. */
const indexes = new WeakMap<TableMetadata, ReadonlyMap<bigint, Snapshot>>()

function snapshotIndex(metadata: TableMetadata): ReadonlyMap<bigint, Snapshot> {
  let index = indexes.get(metadata)
  if (index === undefined) {
    index = new Map(metadata.snapshots.map((snapshot) => [snapshot['snapshot-id'], snapshot]))
    indexes.set(metadata, index)
  }
  return index
}
