import { kafkaClient } from '../../lake/land/kafka/kafka-client.js'
import type { KafkaConfig } from '../../lake/land/kafka/kafka-config.js'
import { kafkaError } from '../../lake/land/kafka/kafka-error.js'
import { recordId } from '../../lake/land/record-id.js'
import quantum from '../../pipelines/quantum/pipeline.js'
import { readSample } from '../../pipelines/quantum/sample/unpack-sample.js'
import { FirnError } from '../../schemas/error.js'
import { openTopicSink } from '../simulate/topic-sink.js'
import { accountForTopic } from './account-for-topic.js'
import type { DemoFeed } from './demo-feed.js'

const PARTITIONS = 4

/**
 * Gives `use` the pipeline's topic on a broker: made here, and removed afterwards. Refuses one that holds records, since
 * they are somebody's, and the demo would land them.
 */
export async function withTopicFeed<T>(
  kafka: KafkaConfig,
  signal: AbortSignal,
  use: (feed: DemoFeed) => Promise<T>,
): Promise<T> {
  const { topic, identity } = quantum.sources['experiments'] ?? { topic: 'experiment.vqe', identity: [] }
  await refuseUsedTopic(kafka, topic)
  const sink = await openTopicSink({ kafka, topic, partitions: PARTITIONS, gzip: true, signal })
  const sample = readSample()
  let sent = 0
  try {
    return await use({
      account: (deps) => accountForTopic(deps, { brokers: kafka.brokers, topic, sent }),
      async deliver(from, count) {
        for (const { document } of sample.slice(from, from + count)) {
          await sink.write([{ key: recordId(identity, JSON.parse(document)), value: document }])
          sent += 1
        }
      },
    })
  } finally {
    await sink.close()
    await removeTopic(kafka, topic)
  }
}

async function refuseUsedTopic(kafka: KafkaConfig, topic: string): Promise<void> {
  const admin = kafkaClient(kafka).admin()
  try {
    await admin.connect()
    if (!(await admin.listTopics()).includes(topic)) return
    const offsets = await admin.fetchTopicOffsets(topic)
    const records = offsets.reduce((sum, { low, high }) => sum + Number(high) - Number(low), 0)
    if (records === 0) return
    throw new FirnError(
      'invalid-input',
      `topic ${topic} on ${kafka.brokers.join(',')} holds ${records} records, and the demo would land them: name another ` +
        'broker by FIRN_KAFKA_BROKERS, leave it unset (the demo starts a broker of its own), or delete the topic if a ' +
        'demo left it behind.',
    )
  } catch (error) {
    throw kafkaError(error, kafka, `topic ${topic} can't be looked at`)
  } finally {
    await admin.disconnect().catch(() => undefined)
  }
}

/** Nothing depends on it: a broker that is gone by now took the topic along. */
async function removeTopic(kafka: KafkaConfig, topic: string): Promise<void> {
  const admin = kafkaClient(kafka).admin({ retry: { retries: 1 } })
  try {
    await admin.connect()
    await admin.deleteTopics({ topics: [topic] })
  } catch {
    process.stderr.write(`! topic ${topic} could not be removed from ${kafka.brokers.join(',')}\n`)
  } finally {
    await admin.disconnect().catch(() => undefined)
  }
}
