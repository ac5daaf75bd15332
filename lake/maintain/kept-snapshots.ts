import { ancestorsOf } from '../../iceberg/spec/refs.js'
import type { ExpirePlan } from '../../iceberg/maintain/plan-expire.js'
import type { TableMetadata } from '../../iceberg/spec/table-metadata.js'
import type { KeptSnapshot } from '../../schemas/maintenance.js'
import { days, holderOf } from './refs-to-drop.js'

/** Every snapshot that an expiry leaves, newest first, and what it stays for. */
export function keptSnapshots(
  metadata: TableMetadata,
  plan: ExpirePlan,
  { nowMs, maxAgeMs }: { readonly nowMs: number; readonly maxAgeMs: number },
): readonly KeptSnapshot[] {
  const gone = new Set(plan.removeSnapshots)
  const dropped = new Set(plan.dropRefs)
  const holders = new Map<bigint, string[]>()
  const branches = new Map<bigint, string>()
  for (const [name, ref] of Object.entries(metadata.refs)) {
    if (dropped.has(name)) continue
    const id = ref['snapshot-id']
    holders.set(id, [...(holders.get(id) ?? []), holderOf(name, ref)])
    if (ref.type === 'branch')
      for (const { 'snapshot-id': ancestor } of ancestorsOf(metadata, id))
        if (!branches.has(ancestor)) branches.set(ancestor, name)
  }
  const why = (id: bigint, timestampMs: number): string => {
    const branch = branches.get(id)
    if (branch === undefined || nowMs - timestampMs <= maxAgeMs) return `younger than ${days(maxAgeMs)}`
    return `the retention of branch ${branch} keeps it`
  }
  return [...metadata.snapshots]
    .filter((snapshot) => !gone.has(snapshot['snapshot-id']))
    .sort((a, b) => b['timestamp-ms'] - a['timestamp-ms'])
    .map(({ 'snapshot-id': id, 'timestamp-ms': timestampMs }) => ({
      snapshotId: String(id),
      timestampMs,
      because: holders.get(id) ?? [why(id, timestampMs)],
    }))
}
