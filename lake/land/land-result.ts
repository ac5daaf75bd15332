import type { LandedPartition, LandingPlan, LandResult } from '../../schemas/messages.js'
import type { StagedLanding } from './staged-landing.js'

/** What a landing tells its caller. */
export function landResult(
  plan: LandingPlan,
  staged: StagedLanding,
  committed: { readonly rowNumberEnd: number; readonly snapshotId: bigint | undefined },
): LandResult {
  const { objects, records, deadLetters, bytes, ranges, deadLetterKinds } = staged
  const maxEventTimeMs = latest(ranges.map((range) => range.maxEventTimeMs))
  const warnings = [
    ...(plan.warnings ?? []),
    ...(staged.undeclared.length === 0
      ? []
      : [`members that nobody declared were let through: ${staged.undeclared.join(', ')}`]),
  ]
  return {
    source: plan.source,
    batch: plan.batch,
    files: plan.kind === 'topic' ? 0 : plan.files,
    ...{ objects, records, deadLetters, bytes },
    rowNumberEnd: committed.rowNumberEnd,
    ledgerSnapshotId: committed.snapshotId?.toString() ?? null,
    ...(plan.kind === 'topic' ? { lag: lagOf(plan.pending, staged), partitions: partitionsOf(staged) } : {}),
    ...(maxEventTimeMs === undefined ? {} : { maxEventTimeMs }),
    ...(deadLetters === 0 ? {} : { deadLetterKinds }),
    ...(warnings.length === 0 ? {} : { warnings }),
  }
}

function lagOf(pending: number, { ranges }: StagedLanding): number {
  const landed = ranges
    .filter(({ path }) => path !== 'gap:retention')
    .reduce((sum, { first, nextOffset }) => sum + nextOffset - first, 0)
  return Math.max(0, pending - landed)
}

function partitionsOf({ ranges }: StagedLanding): readonly LandedPartition[] {
  const partitions = new Map<number, LandedPartition>()
  for (const { partition, records, deadLetters, maxEventTimeMs } of ranges) {
    if (records + deadLetters === 0) continue
    const sum = partitions.get(partition)
    const max = latest([sum?.maxEventTimeMs, maxEventTimeMs])
    partitions.set(partition, {
      partition,
      records: (sum?.records ?? 0) + records,
      ...(max === undefined ? {} : { maxEventTimeMs: max }),
    })
  }
  return [...partitions.values()].sort((a, b) => a.partition - b.partition)
}

function latest(times: readonly (number | undefined)[]): number | undefined {
  const known = times.filter((time) => time !== undefined)
  // Not by spreading: a folder may bring more files than a call takes arguments.
  return known.length === 0 ? undefined : known.reduce((a, b) => Math.max(a, b))
}
