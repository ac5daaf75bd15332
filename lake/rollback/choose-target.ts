import { ancestorsOf, headOf, snapshotById } from '../../iceberg/spec/refs.js'
import type { Snapshot, SnapshotId } from '../../iceberg/spec/snapshot.js'
import type { TableMetadata } from '../../iceberg/spec/table-metadata.js'
import { toSnapshotId } from '../../iceberg/spec/snapshot.js'
import { NO_CHANGES } from '../publish/audit.js'
import type { RecordedBatch } from './recorded-batches.js'

/** Where a table's main has to be for its rows to be those of then. `lost`: no snapshot shows them any more. */
export type Target =
  | { readonly kind: 'snapshot'; readonly id: SnapshotId }
  | { readonly kind: 'empty' }
  | { readonly kind: 'lost' }

/** By the batch's tag, else the snapshot that its audit row names, while that is kept. */
export function batchTarget(table: string, metadata: TableMetadata, to: RecordedBatch): Target {
  for (const name of [`v_${to.batch}`, `v_incr_${to.batch}`]) {
    const ref = metadata.refs[name]
    if (ref !== undefined) return { kind: 'snapshot', id: ref['snapshot-id'] }
  }
  const recorded = to.tables.find((one) => one.table === table)?.snapshotId ?? null
  // The table was empty, or no table of the pipeline yet.
  if (recorded === null) return { kind: 'empty' }
  const snapshot = snapshotById(metadata, toSnapshotId(recorded))
  return snapshot === undefined ? { kind: 'lost' } : { kind: 'snapshot', id: snapshot['snapshot-id'] }
}

/**
 * A table of predictions goes back to just before the first scoring that is taken back: the batch's own scorings came after
 * its tag. Where compaction and expiry have taken that snapshot, to the last scoring that stays.
 */
export function scoringTarget(
  table: string,
  metadata: TableMetadata,
  scorings: { readonly takenBack: readonly RecordedBatch[]; readonly kept: readonly RecordedBatch[] },
): Target {
  const head = headOf(metadata)
  const gone = snapshotsOn(table, metadata, scorings.takenBack)
  if (gone.ids.length === 0) {
    return head === undefined ? { kind: 'empty' } : { kind: 'snapshot', id: head['snapshot-id'] }
  }
  const oldest = gone.retained[0]
  if (oldest !== undefined && gone.retained.length === gone.ids.length) {
    const parent = oldest['parent-snapshot-id']
    if (parent === undefined) return { kind: 'empty' }
    if (snapshotById(metadata, parent) !== undefined) return { kind: 'snapshot', id: parent }
  }
  const kept = snapshotsOn(table, metadata, scorings.kept)
  if (kept.ids.length === 0) return { kind: 'empty' }
  const last = kept.retained.findLast(
    (snapshot) => oldest === undefined || snapshot['sequence-number'] < oldest['sequence-number'],
  )
  return last === undefined ? { kind: 'lost' } : { kind: 'snapshot', id: last['snapshot-id'] }
}

/** Main's snapshots since the target, newest first; all that are kept where the target is no ancestor of the head. */
export function snapshotsAfter(metadata: TableMetadata, target: SnapshotId | null): readonly Snapshot[] {
  const head = headOf(metadata)
  if (head === undefined) return []
  const after: Snapshot[] = []
  for (const snapshot of ancestorsOf(metadata, head['snapshot-id'])) {
    if (snapshot['snapshot-id'] === target) break
    after.push(snapshot)
  }
  return after
}

/** Snapshots that recorded batches made in one table, by their order there. */
function snapshotsOn(table: string, metadata: TableMetadata, batches: readonly RecordedBatch[]) {
  const ids = batches.flatMap((batch) =>
    batch.tables.flatMap((one) =>
      one.table === table && one.version !== NO_CHANGES ? (one.snapshotId ?? []) : [],
    ),
  )
  const retained = ids
    .flatMap((id) => snapshotById(metadata, toSnapshotId(id)) ?? [])
    .sort((a, b) => a['sequence-number'] - b['sequence-number'])
  return { ids, retained }
}
