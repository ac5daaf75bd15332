import type { LandedPartition, TopicLandingPlan } from '../schemas/messages.js'
import type { StreamPartition } from '../schemas/stream-messages.js'
import { later } from './add-landed.js'
import { lagAfter } from './lag-after.js'

type Partitions = Readonly<Record<string, StreamPartition>>

/**
 * Partitions after a plan was landed. One that more waits in, or that is new, counts as seen now: its next record may be
 * older than all that the others brought. One that brought only dead letters does not, or it would hold the watermark back
 * for ever.
 */
export function partitionsAfter(
  before: Partitions,
  plan: TopicLandingPlan,
  landed: readonly LandedPartition[],
  nowMs: number,
): Partitions {
  const lag = lagAfter(plan)
  const after: Record<string, StreamPartition> = {}
  for (const { partition } of plan.seen) {
    const known = before[partition]
    const waits = (lag.get(partition) ?? 0) > 0
    after[partition] = known === undefined || waits ? { ...known, seenAtMs: nowMs } : known
  }
  for (const { partition, maxEventTimeMs } of landed) {
    if (maxEventTimeMs === undefined) continue
    const latest = later(after[partition]?.maxEventTimeMs, maxEventTimeMs) ?? maxEventTimeMs
    after[partition] = { maxEventTimeMs: latest, seenAtMs: nowMs }
  }
  return after
}

/**
 * The least of the partitions' largest event times; of those only that are not idle, and where all are idle the largest of
 * all. It stays where it is while an active partition has shown no event time yet, and never goes back. To be asked only
 * where it is known which partitions still have records waiting.
 */
export function watermarkOf(
  before: number | undefined,
  partitions: Partitions,
  clock: { readonly nowMs: number; readonly idleMs: number },
): number | undefined {
  const idle = new Set(idlePartitions(partitions, clock).map(String))
  const active = Object.entries(partitions).filter(([partition]) => !idle.has(partition))
  const times = (active.length === 0 ? Object.entries(partitions) : active).map(
    ([, { maxEventTimeMs }]) => maxEventTimeMs,
  )
  const known = times.filter((time) => time !== undefined)
  if (known.length === 0 || (active.length > 0 && known.length < times.length)) return before
  // Not by spreading: a topic may have more partitions than a call takes arguments.
  const next = known.reduce((a, b) => (active.length === 0 ? Math.max(a, b) : Math.min(a, b)))
  return later(before, next)
}

/** By number. */
export function idlePartitions(
  partitions: Partitions,
  { nowMs, idleMs }: { readonly nowMs: number; readonly idleMs: number },
): readonly number[] {
  return Object.entries(partitions)
    .filter(([, { seenAtMs }]) => nowMs - seenAtMs >= idleMs)
    .map(([partition]) => Number(partition))
    .sort((a, b) => a - b)
}
