import type { GapReason, PartitionRange, TopicLandingPlan } from '../../schemas/messages.js'
import type { TopicPartition, TopicState } from '../../schemas/topics.js'
import type { Positions } from './ledger.js'
import { offsetsLost, sourceChanged } from './topic-pauses.js'

/** A fetch of more would be split: one partition can keep several workers busy. */
const RANGE_RECORDS = 250_000
/** Fewer are not worth a fetch of their own. */
const SLICE_RECORDS = 50_000
const MAX_SLICES = 8
const MAX_WARNINGS = 10

export interface RangeQuestion {
  readonly topic: string
  readonly state: TopicState
  readonly positions: Positions
  readonly startAt: 'earliest' | 'latest'
  readonly lostAccepted: boolean
  /** Named where the topic turns out to be another one. */
  readonly nextIncarnation: string
  readonly maxRecords: number
  readonly until?: readonly PartitionRange[]
}

type Gap = PartitionRange & { readonly reason: GapReason }

/** What a plan says about the offsets. Pure. Throws `source-changed`, `offsets-lost`. */
export function decideRanges(
  question: RangeQuestion,
): Pick<TopicLandingPlan, 'ranges' | 'slices' | 'gaps' | 'pending' | 'seen' | 'warnings'> {
  assertNotRewound(question)
  const { state, positions } = question
  const isNew = positions.size === 0
  const lost = isNew ? [] : lostRanges(state, positions)
  if (lost.length > 0 && !question.lostAccepted) throw offsetsLost(question.topic, lost)
  const starts = state.partitions.map((partition) => ({ ...partition, next: startOf(question, partition) }))
  const pending = starts.reduce((sum, { next, end }) => sum + end - next, 0)
  const ranges = rangesOf(question, starts)
  const gaps: readonly Gap[] = [
    ...lost.map((range) => ({ ...range, reason: 'retention' as const })),
    ...(isNew ? starts.filter(({ next }) => next > 0 || question.startAt === 'latest').map(startMarker) : []),
  ]
  const warnings = warningsOf(question, lost)
  return {
    ranges,
    slices: slicesOf(ranges),
    gaps,
    pending,
    seen: starts.map(({ partition, next, end }) => ({ partition, first: next, end })),
    ...(warnings.length === 0 ? {} : { warnings }),
  }
}

/** Where landing begins is a ledger row too: else a start at `latest` would move on with every plan that finds nothing. */
function startMarker({ partition, next }: { readonly partition: number; readonly next: number }): Gap {
  return { partition, first: next, end: next, reason: 'start' }
}

function startOf(
  { positions, startAt }: RangeQuestion,
  { partition, earliest, end }: TopicPartition,
): number {
  const position = positions.get(partition)
  if (position !== undefined) return Math.max(position.next, earliest)
  return positions.size === 0 && startAt === 'latest' ? end : earliest
}

function assertNotRewound({ topic, state, positions, nextIncarnation }: RangeQuestion): void {
  const ends = new Map(state.partitions.map(({ partition, end }) => [partition, end]))
  for (const [partition, { next }] of positions) {
    const end = ends.get(partition)
    if (end === undefined) {
      throw sourceChanged(
        topic,
        `partition ${partition} is gone, of which ${next} offsets were landed`,
        nextIncarnation,
      )
    }
    if (end < next) {
      throw sourceChanged(
        topic,
        `partition ${partition} ends at offset ${end}, but the ledger has landed up to ${next}: the broker was restored, or the topic written anew`,
        nextIncarnation,
      )
    }
  }
}

/** Of a partition that was added meanwhile, what retention took before its first landing is lost as well. */
function lostRanges(state: TopicState, positions: Positions): readonly PartitionRange[] {
  return state.partitions
    .map(({ partition, earliest }) => ({
      partition,
      first: positions.get(partition)?.next ?? 0,
      end: earliest,
    }))
    .filter(({ first, end }) => first < end)
}

function warningsOf({ state, positions }: RangeQuestion, lost: readonly PartitionRange[]): readonly string[] {
  const added =
    positions.size === 0
      ? []
      : state.partitions.filter(({ partition, earliest, end }) => end > earliest && !positions.has(partition))
  const warnings = [
    ...added.map(({ partition }) => `partition ${partition} is new: it is landed from its beginning`),
    ...lost.map(
      ({ partition, first, end }) =>
        `offsets ${first} to ${end - 1} of partition ${partition} are lost to retention, as accepted; the ledger says so`,
    ),
  ]
  const more = warnings.length - MAX_WARNINGS
  return more <= 0
    ? warnings
    : [...warnings.slice(0, MAX_WARNINGS - 1), `${more + 1} more partitions are new or lost offsets`]
}

interface Backlog {
  readonly partition: number
  readonly next: number
  readonly end: number
}

/** Each partition gets its share; what one does not need goes to the others. */
function rangesOf(
  { maxRecords, until }: RangeQuestion,
  partitions: readonly Backlog[],
): readonly PartitionRange[] {
  const ends = until === undefined ? undefined : new Map(until.map(({ partition, end }) => [partition, end]))
  const waiting = partitions
    .map(({ partition, next, end }) => ({
      partition,
      first: next,
      // A partition that was not there when the landing began waits for the next one.
      end: ends === undefined ? end : Math.min(end, ends.get(partition) ?? next),
    }))
    .filter(({ first, end }) => end > first)
    .sort((a, b) => a.end - a.first - (b.end - b.first))
  let left = maxRecords
  const ranges = waiting.map((range, i) => {
    const share = Math.max(1, Math.floor(left / (waiting.length - i)))
    const end = Math.min(range.end, range.first + share)
    left -= end - range.first
    return { ...range, end }
  })
  return ranges.sort((a, b) => a.partition - b.partition).flatMap(pieces)
}

function pieces({ partition, first, end }: PartitionRange): readonly PartitionRange[] {
  const count = Math.ceil((end - first) / RANGE_RECORDS)
  const size = Math.ceil((end - first) / count)
  return Array.from({ length: count }, (_, i) => ({
    partition,
    first: first + i * size,
    end: Math.min(end, first + (i + 1) * size),
  }))
}

/** The longest ranges first, each to the slice that has least. */
function slicesOf(ranges: readonly PartitionRange[]): readonly (readonly number[])[] {
  const records = (range: PartitionRange): number => range.end - range.first
  const total = ranges.reduce((sum, range) => sum + records(range), 0)
  const count = Math.min(ranges.length, MAX_SLICES, Math.ceil(total / SLICE_RECORDS))
  const slices = Array.from({ length: count }, () => ({ load: 0, indexes: [] as number[] }))
  const order = ranges.map((range, i) => ({ i, load: records(range) })).sort((a, b) => b.load - a.load)
  for (const { i, load } of order) {
    const least = slices.reduce((min, slice) => (slice.load < min.load ? slice : min))
    least.indexes.push(i)
    least.load += load
  }
  return slices.map(({ indexes }) => indexes.sort((a, b) => a - b))
}
