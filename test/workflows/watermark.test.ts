import { describe, expect, it } from 'vitest'
import type { LandedPartition, TopicLandingPlan } from '../../schemas/messages.js'
import type { StreamPartition } from '../../schemas/stream-messages.js'
import { idlePartitions, partitionsAfter, watermarkOf } from '../../workflows/watermark.js'

const IDLE_MS = 60_000

/** Partition 0 and so on: `[seenAtMs, maxEventTimeMs?]`. */
function partitions(...states: readonly (readonly [number, number?])[]): Record<string, StreamPartition> {
  return Object.fromEntries(
    states.map(([seenAtMs, maxEventTimeMs], partition) => [
      String(partition),
      maxEventTimeMs === undefined ? { seenAtMs } : { seenAtMs, maxEventTimeMs },
    ]),
  )
}

describe('the watermark of a stream', () => {
  it.each<[string, number | undefined, Record<string, StreamPartition>, number | undefined]>([
    ['is the least of what the partitions have reached', undefined, partitions([100, 50], [100, 70]), 50],
    ['does not wait for an idle partition', undefined, partitions([100, 50], [60_100, 70]), 70],
    ['waits for an active one that showed no event time', 40, partitions([60_100], [60_100, 70]), 40],
    ['is unknown while nothing has an event time', undefined, partitions([60_100], [100]), undefined],
    ['is the largest of all where all are idle', undefined, partitions([0, 50], [50, 70]), 70],
    ['stays where nothing has an event time and all are idle', 40, partitions([0], [0]), 40],
    ['never goes back', 60, partitions([60_100, 50], [60_100, 70]), 60],
    ['does not move without partitions', 60, {}, 60],
  ])('%s', (_, before, states, expected) => {
    const nowMs = expected === 50 ? 200 : 60_150
    expect(watermarkOf(before, states, { nowMs, idleMs: IDLE_MS })).toBe(expected)
  })

  it('is idle after exactly the idle time, by number', () => {
    const states = { ...partitions([0], [1], [0]), 10: { seenAtMs: 0 } }
    expect(idlePartitions(states, { nowMs: IDLE_MS, idleMs: IDLE_MS })).toEqual([0, 2, 10])
  })
})

describe('partitions after a landing', () => {
  const plan = (
    ...seen: readonly (readonly [first: number, landed: number, end: number])[]
  ): TopicLandingPlan => ({
    kind: 'topic',
    pipeline: 'p',
    source: 's',
    batch: 'b',
    topic: 't',
    incarnation: 'i',
    ranges: seen.map(([first, end], partition) => ({ partition, first, end })).filter((r) => r.end > r.first),
    slices: [],
    gaps: [],
    pending: 0,
    seen: seen.map(([first, , end], partition) => ({ partition, first, end })),
  })
  const after = (
    before: Record<string, StreamPartition>,
    landing: TopicLandingPlan,
    ...landed: readonly LandedPartition[]
  ) => partitionsAfter(before, landing, landed, 1000)

  it('count as seen where a record with an event time was landed, and keep the largest', () => {
    const landed = { partition: 0, records: 2, maxEventTimeMs: 40 }
    expect(after(partitions([0, 50], [0, 60]), plan([0, 2, 2], [5, 5, 5]), landed)).toEqual(
      partitions([1000, 50], [0, 60]),
    )
  })

  it('count as seen where more waits than was landed: it may be older than all that the others brought', () => {
    expect(after(partitions([0, 50]), plan([0, 2, 9]))).toEqual(partitions([1000, 50]))
  })

  it('count as seen when they are new, with nothing known of them', () => {
    expect(after(partitions([0, 50]), plan([0, 0, 0], [0, 0, 0]))).toEqual(partitions([0, 50], [1000]))
  })

  it('do not count as seen for dead letters: they would hold the watermark back for ever', () => {
    const landed = { partition: 0, records: 0 }
    expect(after(partitions([0, 50]), plan([0, 2, 2]), landed)).toEqual(partitions([0, 50]))
  })

  it('that the topic does not have any more are forgotten', () => {
    expect(after(partitions([0, 50], [0, 20]), plan([0, 0, 0]))).toEqual(partitions([0, 50]))
  })
})
