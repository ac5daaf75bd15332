import { CompressionTypes, Partitioners, type Admin, type Kafka, type Producer } from 'kafkajs'
import { kafkaClient } from '../../lake/land/kafka/kafka-client.js'
import type { KafkaConfig } from '../../lake/land/kafka/kafka-config.js'
import { kafkaError } from '../../lake/land/kafka/kafka-error.js'
import { FirnError } from '../../schemas/error.js'
import type { SimulatedRecord } from './simulation.js'
import type { Sink } from './sink.js'

interface TopicOptions {
  readonly kafka: KafkaConfig
  readonly topic: string
  /** Of a topic that is made. */
  readonly partitions: number
  readonly gzip: boolean
  readonly signal: AbortSignal
}

/** A broker that does not answer is asked again for about a minute. */
const RETRY = { retries: 14, initialRetryTime: 200, maxRetryTime: 5000 }
/** How long an answer is awaited after Ctrl-C. */
const GRACE_MS = 5000

/** Sends by an idempotent producer: each record once, a key always to the same partition, in order. Makes a missing topic. */
export async function openTopicSink(options: TopicOptions): Promise<Sink> {
  const { kafka: config, topic, gzip, signal } = options
  const kafka = kafkaClient(config)
  const made = await ensureTopic(kafka, options)
  const producer = kafka.producer({
    idempotent: true,
    maxInFlightRequests: 1,
    allowAutoTopicCreation: false,
    createPartitioner: Partitioners.DefaultPartitioner,
    retry: RETRY,
  })
  const explain = (error: unknown): FirnError =>
    kafkaError(error, config, `topic ${topic} can't be written to`)
  await producer.connect().catch((error: unknown) => {
    throw explain(error)
  })
  const compression = gzip ? CompressionTypes.GZIP : CompressionTypes.None
  return {
    async write(records) {
      const sent = send(producer, { topic, compression, records })
      await unlessStuck(sent, signal).catch(async (error: unknown) => {
        await producer.disconnect().catch(() => undefined)
        throw explain(error)
      })
    },
    close: () => producer.disconnect(),
    place: { kind: 'topic', topic, brokers: config.brokers, ...made },
  }
}

async function send(
  producer: Producer,
  {
    topic,
    compression,
    records,
  }: { topic: string; compression: CompressionTypes; records: readonly SimulatedRecord[] },
): Promise<void> {
  // The broker's own time, or its retention might remove what lies in the past at once.
  const messages = records.map(({ key, value }) => ({ key, value }))
  await producer.send({ topic, acks: -1, compression, messages })
}

async function ensureTopic(
  kafka: Kafka,
  { kafka: config, topic, partitions }: TopicOptions,
): Promise<{ readonly partitions: number; readonly created: boolean }> {
  const admin = kafka.admin({ retry: { ...RETRY, retries: 3 } })
  try {
    await admin.connect()
    if ((await admin.listTopics()).includes(topic))
      return { partitions: await partitionsOf(admin, topic), created: false }
    const created = await admin.createTopics({
      topics: [{ topic, numPartitions: partitions }],
      waitForLeaders: true,
    })
    return { partitions: await partitionsOf(admin, topic), created }
  } catch (error) {
    throw kafkaError(error, config, `topic ${topic} can't be found or made`)
  } finally {
    await admin.disconnect().catch(() => undefined)
  }
}

async function partitionsOf(admin: Admin, topic: string): Promise<number> {
  const { topics } = await admin.fetchTopicMetadata({ topics: [topic] })
  return topics[0]?.partitions.length ?? 0
}

/** Rejects with `cancelled` where Ctrl-C came and the broker still says nothing after a while. */
function unlessStuck(sent: Promise<void>, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    let timer: NodeJS.Timeout | undefined
    const giveUp = (): void => {
      timer = setTimeout(() => {
        reject(
          new FirnError(
            'cancelled',
            `stopped while the broker gave no answer for ${GRACE_MS / 1000} s: whether the last records are there is not known.`,
          ),
        )
      }, GRACE_MS)
    }
    if (signal.aborted) giveUp()
    else signal.addEventListener('abort', giveUp, { once: true })
    void sent.then(resolve, reject).finally(() => {
      clearTimeout(timer)
      signal.removeEventListener('abort', giveUp)
    })
  })
}
