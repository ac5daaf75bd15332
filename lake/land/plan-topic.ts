import type { LoadedTable } from '../../iceberg/catalog/catalog.js'
import type { LakeDeps } from '../../schemas/lake-deps.js'
import type { LandingAnswer, PartitionRange, TopicLandingPlan } from '../../schemas/messages.js'
import type { Topics, TopicState } from '../../schemas/topics.js'
import { decideIncarnation } from './decide-incarnation.js'
import { decideRanges } from './decide-ranges.js'
import { sourceChanged } from './topic-pauses.js'
import type { Positions } from './ledger.js'
import { lastTopicIncarnation, ledgerPositions, meanRecordBytes } from './ledger.js'
import type { NamedSource } from './source-of.js'

export type TopicDeps = LakeDeps & { readonly topics: Topics }

/** A plan takes no more than this, so that each step of a landing stays small; what is left is planned next. */
const MAX_RECORDS = 1_000_000
const MAX_BYTES = 1024 * 1024 * 1024

interface TopicPlanInput {
  readonly batch: string
  readonly accept?: readonly LandingAnswer[]
  readonly until?: readonly PartitionRange[]
}

/**
 * Fixes the offsets that a landing of a topic reads: each partition from where the ledger ends to where the log ends, as
 * far as the bounds go. Reads the broker's state and the ledger, writes nothing.
 */
export async function planTopic(
  deps: TopicDeps,
  source: NamedSource,
  ledger: LoadedTable,
  input: TopicPlanInput,
): Promise<TopicLandingPlan> {
  const { topic, startAt } = source.definition
  const accept = input.accept ?? []
  const state = await deps.topics.describe(topic)
  const { identity } = state
  const last = await lastTopicIncarnation(deps, ledger)
  const incarnation = decideIncarnation({ topic, identity, last, accept })
  const positions = await ledgerPositions(deps, ledger, incarnation.name)
  await assertSameRecords(deps, topic, state, positions, incarnation.next)
  const decided = decideRanges({
    topic,
    state,
    positions,
    startAt: startAt ?? 'earliest',
    lostAccepted: accept.includes('lost-offsets'),
    nextIncarnation: incarnation.next,
    maxRecords: recordsAtMost(ledger),
    ...(input.until === undefined ? {} : { until: input.until }),
  })
  return {
    kind: 'topic',
    pipeline: source.pipeline.name,
    source: source.name,
    batch: input.batch,
    topic,
    incarnation: incarnation.name,
    ...decided,
  }
}

/** A broker that was restored holds other records at offsets that were landed: the last one of each partition tells. */
async function assertSameRecords(
  { topics }: TopicDeps,
  topic: string,
  state: TopicState,
  positions: Positions,
  nextIncarnation: string,
): Promise<void> {
  const landed = state.partitions.flatMap(({ partition, earliest, end }) => {
    const position = positions.get(partition)
    // Without new records there is nothing to land on the wrong side of a change.
    if (position?.lastRecord === undefined || end <= position.next) return []
    const [offset, digest] = position.lastRecord.split(':')
    return Number(offset) < earliest ? [] : [{ partition, offset: Number(offset), digest }]
  })
  const digests = await topics.digestsAt(topic, landed)
  const changed = landed.find(({ digest }, i) => digests[i] !== undefined && digests[i] !== digest)
  if (changed === undefined) return
  throw sourceChanged(
    topic,
    `the record at offset ${changed.offset} of partition ${changed.partition} is another one than was landed: the broker was restored or the topic written anew`,
    nextIncarnation,
  )
}

function recordsAtMost(ledger: LoadedTable): number {
  const mean = meanRecordBytes(ledger)
  return mean === undefined
    ? MAX_RECORDS
    : Math.max(1, Math.min(MAX_RECORDS, Math.floor(MAX_BYTES / Math.max(1, mean))))
}
