import { setTimeout as delay } from 'node:timers/promises'
import { Context } from '@temporalio/activity'
import type {
  FetchedLanding,
  LandedPartition,
  LandingPlan,
  LandResult,
  PartitionRange,
  TopicLandingPlan,
} from '../../../schemas/messages.js'
import { failWith, type Activities } from './fake-lake.js'

type TopicActivities = Pick<Activities, 'awaitRecords' | 'planLanding' | 'fetchLanding' | 'commitLanding'>

/** A topic and its ledger in memory, with the landing's own promises: exact ranges, compare-and-swap on the next offset. */
export interface FakeTopic {
  readonly activities: TopicActivities
  /** Appends a record of this event time; none: a record that goes to the dead letters. */
  produce(partition: number, ...eventTimesMs: readonly (number | undefined)[]): void
  /** Every offset that a commit named, `partition:offset`, in order. */
  readonly committed: string[]
  readonly commits: number[]
  /** Plans as they were asked for. */
  readonly plans: Parameters<TopicActivities['planLanding']>[0][]
}

export function fakeTopic(options: {
  readonly partitions: number
  /** Of a plan, all partitions together. Default: all there is. */
  readonly maxRecords?: number
}): FakeTopic {
  const log = Array.from({ length: options.partitions }, (): (number | undefined)[] => [])
  const next = log.map(() => 0)
  const committed: string[] = []
  const commits: number[] = []
  const plans: FakeTopic['plans'] = []

  const seen = (): PartitionRange[] =>
    log.map((records, partition) => ({ partition, first: next[partition]!, end: records.length }))

  const fetch = (plan: TopicLandingPlan, slice: number): FetchedLanding => {
    const times = plan.slices[slice]!.flatMap((index) => timesOf(log, plan.ranges[index]!))
    const deadLetters = times.filter((time) => time === undefined).length
    const records = times.length - deadLetters
    return {
      stagedLocation: `file:///staged-${slice}`,
      objects: 1,
      records,
      deadLetters,
      bytes: times.length,
    }
  }

  return {
    committed,
    commits,
    plans,
    produce(partition, ...times) {
      log[partition]!.push(...times)
    },
    activities: {
      async awaitRecords({ maxRecords, maxAgeMs, waitMs }) {
        const started = Date.now()
        let oldest: number | undefined
        for (;;) {
          const pending = seen().reduce((sum, { first, end }) => sum + end - first, 0)
          if (pending > 0) oldest ??= Date.now()
          const old = oldest !== undefined && Date.now() - oldest >= maxAgeMs
          if (pending >= maxRecords || old) return { due: true, pending }
          if (Date.now() - started >= waitMs) return { due: false, pending }
          Context.current().heartbeat()
          await delay(20, undefined, { signal: Context.current().cancellationSignal })
        }
      },
      planLanding(input) {
        plans.push(input)
        return Promise.resolve(planOf(input, seen(), options.maxRecords ?? Number.MAX_SAFE_INTEGER))
      },
      fetchLanding({ plan, slice }) {
        return Promise.resolve(fetch(topicPlan(plan), slice))
      },
      commitLanding(landing) {
        const plan = topicPlan(landing.plan)
        for (const { partition, first } of plan.ranges) if (next[partition] !== first) failWith('stale-range')
        for (const { partition, first, end } of plan.ranges) {
          next[partition] = end
          for (let offset = first; offset < end; offset += 1) committed.push(`${partition}:${offset}`)
        }
        commits.push(landing.fetched.reduce((sum, { records }) => sum + records, 0))
        return Promise.resolve(resultOf(log, plan, landing.fetched))
      },
    },
  }
}

function topicPlan(plan: LandingPlan): TopicLandingPlan {
  if (plan.kind !== 'topic') throw new Error('not a plan of a topic')
  return plan
}

function timesOf(
  log: readonly (readonly (number | undefined)[])[],
  { partition, first, end }: PartitionRange,
): readonly (number | undefined)[] {
  return log[partition]!.slice(first, end)
}

/** One range and one slice a partition. */
function planOf(
  input: Parameters<TopicActivities['planLanding']>[0],
  seen: readonly PartitionRange[],
  maxRecords: number,
): TopicLandingPlan {
  let left = maxRecords
  const ranges = seen.flatMap(({ partition, first, end: logEnd }) => {
    const until = input.until?.find((range) => range.partition === partition)?.end ?? logEnd
    const end = Math.min(logEnd, until, first + left)
    left -= Math.max(0, end - first)
    return end > first ? [{ partition, first, end }] : []
  })
  return {
    kind: 'topic',
    pipeline: input.pipeline,
    source: input.source ?? 'events',
    batch: input.batch,
    topic: 'events',
    incarnation: 'aaaaaaaaaaaa',
    ranges,
    slices: ranges.map((_, index) => [index]),
    gaps: [],
    pending: seen.reduce((sum, { first, end }) => sum + end - first, 0),
    seen,
    ...(input.accept === undefined ? {} : { accept: input.accept }),
  }
}

function resultOf(
  log: readonly (readonly (number | undefined)[])[],
  plan: TopicLandingPlan,
  fetched: readonly FetchedLanding[],
): LandResult {
  const sum = (key: 'objects' | 'records' | 'deadLetters' | 'bytes'): number =>
    fetched.reduce((total, slice) => total + slice[key], 0)
  const partitions = plan.ranges.map((range): LandedPartition => {
    const times = timesOf(log, range).filter((time) => time !== undefined)
    const about = { partition: range.partition, records: times.length }
    return times.length === 0 ? about : { ...about, maxEventTimeMs: Math.max(...times) }
  })
  const deadLetters = sum('deadLetters')
  return {
    source: plan.source,
    batch: plan.batch,
    files: 0,
    objects: sum('objects'),
    records: sum('records'),
    deadLetters,
    bytes: sum('bytes'),
    rowNumberEnd: 1,
    ledgerSnapshotId: '7',
    partitions,
    ...(deadLetters === 0 ? {} : { deadLetterKinds: { 'malformed-json': deadLetters } }),
  }
}
