import { IcebergError } from '../error.js'
import { ancestorsOf } from '../spec/refs.js'
import type { SnapshotId, SnapshotRef } from '../spec/snapshot.js'
import type { TableMetadata } from '../spec/table-metadata.js'

/** How old and how many snapshots may be. What a branch says of itself comes first. */
export interface ExpireOptions {
  readonly nowMs: number
  /** Default: the table's `history.expire.max-snapshot-age-ms`, else 5 days. */
  readonly maxSnapshotAgeMs?: number
  /** Default: the table's `history.expire.min-snapshots-to-keep`, else 1. */
  readonly minSnapshotsToKeep?: number
  /** Refs to drop besides those past their own age, e.g. thinned tags. */
  readonly dropRefs?: readonly string[]
  /** These snapshots and no others, whatever their age; unknown ids count as expired already. */
  readonly snapshotIds?: readonly SnapshotId[]
}

/** Refs and snapshots that go. Nothing that a remaining ref needs is among them. */
export interface ExpirePlan {
  readonly dropRefs: readonly string[]
  readonly removeSnapshots: readonly SnapshotId[]
}

const FIVE_DAYS_MS = 5 * 24 * 60 * 60 * 1000

/**
 * Which refs and snapshots are past their retention (Iceberg spec, "Snapshot Retention Policy"). A tag holds its
 * snapshot; a branch holds its newest ones and those young enough; what no branch leads to stays while it is young.
 */
export function planExpire(metadata: TableMetadata, options: ExpireOptions): ExpirePlan {
  if (options.snapshotIds !== undefined) return planGiven(metadata, options.snapshotIds, options.dropRefs)
  const properties = metadata.properties
  const maxAge =
    options.maxSnapshotAgeMs ?? longProperty(properties['history.expire.max-snapshot-age-ms'], FIVE_DAYS_MS)
  const minKeep =
    options.minSnapshotsToKeep ?? longProperty(properties['history.expire.min-snapshots-to-keep'], 1)
  const maxRefAge = longProperty(properties['history.expire.max-ref-age-ms'], Number.POSITIVE_INFINITY)
  const timestamps = new Map(
    metadata.snapshots.map((snapshot) => [snapshot['snapshot-id'], snapshot['timestamp-ms']]),
  )
  const ageOf = (id: SnapshotId): number => options.nowMs - (timestamps.get(id) ?? options.nowMs)

  const isDropped = ([name, ref]: readonly [string, SnapshotRef]): boolean =>
    name !== 'main' &&
    (options.dropRefs?.includes(name) === true ||
      ageOf(ref['snapshot-id']) > (ref['max-ref-age-ms'] ?? maxRefAge))
  const refs = Object.entries(metadata.refs)
  const kept = refs.filter((entry) => !isDropped(entry))

  const held = new Set<SnapshotId>()
  const reachable = new Set<SnapshotId>()
  for (const [, ref] of kept) {
    if (ref.type === 'tag') held.add(ref['snapshot-id'])
    else holdBranch(metadata, ref, { minKeep, maxAge, ageOf, reachable, held })
  }
  const removeSnapshots = metadata.snapshots
    .map((snapshot) => snapshot['snapshot-id'])
    .filter((id) => !held.has(id) && (reachable.has(id) || ageOf(id) > maxAge))
  return { dropRefs: refs.filter(isDropped).map(([name]) => name), removeSnapshots }
}

function planGiven(
  metadata: TableMetadata,
  snapshotIds: readonly SnapshotId[],
  drop: readonly string[] = [],
): ExpirePlan {
  const given = new Set(snapshotIds)
  const dropRefs = Object.keys(metadata.refs).filter((name) => name !== 'main' && drop.includes(name))
  const held = Object.entries(metadata.refs).filter(
    ([name, ref]) => given.has(ref['snapshot-id']) && !dropRefs.includes(name),
  )
  if (held.length > 0) {
    const holds = held.map(([name, ref]) => `${ref.type} ${name} holds ${String(ref['snapshot-id'])}`)
    throw new IcebergError(
      'invalid-argument',
      `snapshots that a ref holds can't expire: ${holds.join(', ')}; drop the ref, or leave the snapshot out`,
      { context: { refs: held.map(([name]) => name) } },
    )
  }
  const known = metadata.snapshots.map((snapshot) => snapshot['snapshot-id'])
  return { dropRefs, removeSnapshots: known.filter((id) => given.has(id)) }
}

interface BranchRetention {
  readonly minKeep: number
  readonly maxAge: number
  readonly ageOf: (id: SnapshotId) => number
  readonly reachable: Set<SnapshotId>
  readonly held: Set<SnapshotId>
}

function holdBranch(metadata: TableMetadata, ref: SnapshotRef, retention: BranchRetention): void {
  const minKeep = ref['min-snapshots-to-keep'] ?? retention.minKeep
  const maxAge = ref['max-snapshot-age-ms'] ?? retention.maxAge
  let position = 0
  for (const snapshot of ancestorsOf(metadata, ref['snapshot-id'])) {
    const id = snapshot['snapshot-id']
    retention.reachable.add(id)
    if (position < Math.max(minKeep, 1) || retention.ageOf(id) <= maxAge) retention.held.add(id)
    position += 1
  }
}

/** What is no number must not read as 0, which would expire everything. */
function longProperty(text: string | undefined, fallback: number): number {
  return text !== undefined && /^\d+$/.test(text.trim()) ? Number(text) : fallback
}
