import { FirnError } from '../../../schemas/error.js'
import type { PartitionRange } from '../../../schemas/messages.js'
import type { FetchedPartition, FetchRequest } from './fetch-partition.js'
import { fetchPartition } from './fetch-partition.js'
import type { KafkaCluster } from './kafka-cluster.js'
import type { KafkaLink } from './kafka-link.js'
import { leaderOf } from './kafka-link.js'
import { listOffsets } from './list-offsets.js'
import { Patience } from './patience.js'
import type { DecodedChunk } from './record-batch.js'
import { decodeBatches, endOfBatches } from './record-batch.js'

export interface ReadOptions {
  /** Of one fetch; one is decoded while the next one comes. Default 4 MiB. */
  readonly fetchBytes?: number
  /** How long is waited in all for brokers that don't answer, or give nothing. Default 60 s. */
  readonly patienceMs?: number
}

const FETCH_BYTES = 4 * 1024 * 1024
const PATIENCE_MS = 60_000

/**
 * The committed records of exactly this range, in order; the last chunk's `next` is at or behind its end. Errors:
 * `stale-range` (offsets of it are not there any more), `contract-broken`, `config`, `io`.
 */
export async function* readRange(
  link: KafkaLink,
  topic: string,
  range: PartitionRange,
  { fetchBytes = FETCH_BYTES, patienceMs = PATIENCE_MS }: ReadOptions = {},
): AsyncGenerator<DecodedChunk> {
  const { partition, end } = range
  const where = `topic ${topic}, partition ${partition}`
  const patience = new Patience(patienceMs)
  const fetch = (offset: number) =>
    fetchAt(link, where, { topic, partition, offset, maxBytes: fetchBytes }, end)
  let position = range.first
  let coming: Promise<FetchedPartition> | undefined
  while (position < end) {
    const before = position
    try {
      const fetched = await (coming ?? fetch(position))
      coming = undefined
      const next = endOfBatches(fetched.bytes)
      if (next !== undefined && next > position && next < end) {
        coming = fetch(next)
        // It is looked at later, or never.
        coming.catch(() => undefined)
      }
      const chunk = decodeBatches(fetched, { first: position, end }, where)
      position = chunk.next
      if (position > before) yield chunk
      if (position === before) throw nothingMore(where, position, end, fetched.highWatermark)
      patience.restore()
    } catch (error) {
      coming = undefined
      await patience.after(error)
    }
  }
}

function fetchAt(
  link: KafkaLink,
  where: string,
  request: FetchRequest,
  end: number,
): Promise<FetchedPartition> {
  return link.use(where, request.topic, async (cluster) => {
    const broker = await leaderOf(cluster, request.topic, request.partition)
    const fetched = await fetchPartition(broker, request)
    if (fetched.errorCode !== 0) throw await refusal(cluster, where, request, end, fetched.errorCode)
    return fetched
  })
}

/** Kafka's numbers of errors. */
const OFFSET_OUT_OF_RANGE = 1
const UNKNOWN_TOPIC_OR_PARTITION = 3
const TOPIC_AUTHORIZATION_FAILED = 29

async function refusal(
  cluster: KafkaCluster,
  where: string,
  { topic, partition, offset }: FetchRequest,
  end: number,
  code: number,
): Promise<FirnError> {
  const fail = (kind: FirnError['kind'], message: string): FirnError =>
    new FirnError(kind, `${where}: ${message}`, { context: { topic, partition, offset, end, code } })
  switch (code) {
    case OFFSET_OUT_OF_RANGE: {
      const [there] = await listOffsets(cluster, topic, [partition])
      if (there !== undefined && offset < there.earliest)
        return fail(
          'stale-range',
          `offset ${offset} was removed meanwhile, the first one there is ${there.earliest}. Plan again.`,
        )
      if (there !== undefined && offset > there.end)
        return fail(
          'stale-range',
          `offset ${offset} is not there, the topic ends at ${there.end} now. Plan again.`,
        )
      return fail('io', `the broker has no offset ${offset} at the moment`)
    }
    case UNKNOWN_TOPIC_OR_PARTITION:
      return fail('not-found', 'it is not there any more')
    case TOPIC_AUTHORIZATION_FAILED:
      return fail('config', 'the brokers let this user not read it. Grant READ on the topic.')
    default:
      return fail('io', `the broker answers with Kafka's error ${code} at offset ${offset}`)
  }
}

function nothingMore(where: string, position: number, end: number, highWatermark: number): FirnError {
  return new FirnError(
    'io',
    `${where}: nothing comes from offset ${position} on, although ${end} is the end of what was planned and the broker ` +
      `says that the partition goes to ${highWatermark}. Look at the partition's replicas; landing goes on from here.`,
    { context: { position, end, highWatermark } },
  )
}
