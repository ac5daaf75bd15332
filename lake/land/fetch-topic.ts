import { FirnError } from '../../schemas/error.js'
import type { LakeDeps, RunControl } from '../../schemas/lake-deps.js'
import type { PartitionRange, TopicLandingPlan } from '../../schemas/messages.js'
import type { PackedTopicObject, TopicPackTask, Topics } from '../../schemas/topics.js'
import { isIncarnationOf } from './decide-incarnation.js'
import { ensureLandingTables } from '../tables/ensure-tables.js'
import { LandingWriter, type WritableObject } from './landing-writer.js'
import { maxDocumentBytesOf, sourceOf } from './source-of.js'
import type { StagedLanding } from './staged-landing.js'

/** Payload after which a raw object is closed: small enough that a batch is several, which threads read side by side. */
export const OBJECT_BYTES = 8 * 1024 * 1024

/** Reads the offsets of one slice of a plan, range after range. */
export async function fetchTopic(
  deps: LakeDeps,
  plan: TopicLandingPlan,
  slice: number,
  { onProgress, signal }: RunControl,
): Promise<StagedLanding> {
  const { topics } = deps
  if (topics === undefined) {
    throw new FirnError(
      'config',
      `this worker has no Kafka broker configured: set FIRN_KAFKA_BROKERS to land ${plan.topic}`,
    )
  }
  const { deadLetters } = await ensureLandingTables(deps, plan.source)
  const writer = new LandingWriter(deps, plan, deadLetters)
  const ranges = (plan.slices[slice] ?? []).flatMap((i) => plan.ranges[i] ?? [])
  const total = ranges.reduce((sum, { first, end }) => sum + end - first, 0)
  let read = 0
  for (const range of ranges) {
    for await (const object of topics.pack(packTask(deps, plan, range), signal)) {
      await writer.take(writable(object))
      read += object.end - object.first
      onProgress?.(`landed ${read} of ${total} offsets of ${plan.topic}`)
    }
  }
  await assertSameTopic(topics, plan)
  return await writer.finish()
}

/**
 * Fetches name a topic by its name. One that was made anew meanwhile has another identity for good, so that a look
 * afterwards tells whether all of it was read from the one that was planned.
 */
async function assertSameTopic(topics: Topics, { topic, incarnation }: TopicLandingPlan): Promise<void> {
  const { identity } = await topics.describe(topic)
  if (isIncarnationOf(incarnation, identity)) return
  throw new FirnError(
    'stale-range',
    `topic ${topic} was deleted and made again while it was read. Nothing was landed; land again.`,
  )
}

function packTask(deps: LakeDeps, plan: TopicLandingPlan, range: PartitionRange): TopicPackTask {
  const { definition } = sourceOf(deps, plan)
  return {
    topic: plan.topic,
    range,
    schema: definition.schema,
    identity: definition.identity,
    contract: definition.contract ?? 'evolve',
    ...(definition.eventTime === undefined ? {} : { eventTime: definition.eventTime }),
    maxDocumentBytes: maxDocumentBytesOf(definition),
    objectBytes: OBJECT_BYTES,
  }
}

function writable(object: PackedTopicObject): WritableObject {
  const { first, end, records, payloadBytes, minEventTimeMs, maxEventTimeMs, last } = object
  const range = {
    first,
    nextOffset: end,
    records,
    deadLetters: object.deadLetters.length,
    bytes: payloadBytes,
    ...(minEventTimeMs === undefined ? {} : { minEventTimeMs }),
    ...(maxEventTimeMs === undefined ? {} : { maxEventTimeMs }),
    ...(last === undefined ? {} : { lastRecord: `${last.offset}:${last.digest}` }),
  }
  return { ...object, ranges: [range] }
}
