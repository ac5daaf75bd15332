import type { LandedPartition, LandResult } from '../schemas/messages.js'

const MAX_WARNINGS = 10

/** Two landings of a source, one after the other, as one. */
export function addLanded(before: LandResult | undefined, landed: LandResult): LandResult {
  if (before === undefined) return landed
  const latest = later(before.maxEventTimeMs, landed.maxEventTimeMs)
  const kinds = addCounts(before.deadLetterKinds, landed.deadLetterKinds)
  const warnings = [...new Set([...(before.warnings ?? []), ...(landed.warnings ?? [])])]
  const partitions = addPartitions(before.partitions, landed.partitions)
  return {
    ...landed,
    files: before.files + landed.files,
    objects: before.objects + landed.objects,
    records: before.records + landed.records,
    deadLetters: before.deadLetters + landed.deadLetters,
    bytes: before.bytes + landed.bytes,
    ledgerSnapshotId: landed.ledgerSnapshotId ?? before.ledgerSnapshotId,
    ...(latest === undefined ? {} : { maxEventTimeMs: latest }),
    ...(partitions === undefined ? {} : { partitions }),
    ...(kinds === undefined ? {} : { deadLetterKinds: kinds }),
    ...(warnings.length === 0 ? {} : { warnings: warnings.slice(0, MAX_WARNINGS) }),
  }
}

export function landedNothing({ files, objects, records, deadLetters }: LandResult): boolean {
  return files === 0 && objects === 0 && records === 0 && deadLetters === 0
}

/** Counts by name, added up; undefined where there are none. */
export function addCounts(
  a: Readonly<Record<string, number>> = {},
  b: Readonly<Record<string, number>> = {},
): Readonly<Record<string, number>> | undefined {
  const sums: Record<string, number> = { ...a }
  for (const [name, count] of Object.entries(b)) sums[name] = (sums[name] ?? 0) + count
  return Object.keys(sums).length === 0 ? undefined : sums
}

/** The larger of two instants that may be unknown. */
export function later(a: number | undefined, b: number | undefined): number | undefined {
  return a === undefined || b === undefined ? (a ?? b) : Math.max(a, b)
}

function addPartitions(
  a: readonly LandedPartition[] | undefined,
  b: readonly LandedPartition[] | undefined,
): readonly LandedPartition[] | undefined {
  if (a === undefined || b === undefined) return a ?? b
  const sums = new Map(a.map((one) => [one.partition, one]))
  for (const one of b) {
    const before = sums.get(one.partition)
    const latest = later(before?.maxEventTimeMs, one.maxEventTimeMs)
    sums.set(one.partition, {
      partition: one.partition,
      records: one.records + (before?.records ?? 0),
      ...(latest === undefined ? {} : { maxEventTimeMs: latest }),
    })
  }
  return [...sums.values()].sort((x, y) => x.partition - y.partition)
}
