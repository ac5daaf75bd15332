import { setTimeout } from 'node:timers/promises'
import type { Admin } from 'kafkajs'
import { Kafka, logLevel } from 'kafkajs'
import { paymentMessage } from './payment-messages.js'

const PARTITIONS = 4
const BATCH_BYTES = 500_000
const TRIES = 100

/** Fills a topic of four partitions, made anew, uncompressed, as producers do by default. */
export async function fillTopic(
  broker: string,
  topic: string,
  load: { readonly messages: number; readonly sizeBytes: number },
): Promise<void> {
  const kafka = new Kafka({ clientId: 'bench', brokers: broker.split(','), logLevel: logLevel.NOTHING })
  const admin = kafka.admin()
  await admin.connect()
  await makeTopic(admin, topic)
  await admin.disconnect()
  const producer = kafka.producer({ allowAutoTopicCreation: false })
  await producer.connect()
  const perBatch = Math.max(1, Math.floor(BATCH_BYTES / load.sizeBytes))
  for (let from = 0, batch = 0; from < load.messages; from += perBatch, batch++) {
    const count = Math.min(perBatch, load.messages - from)
    const partition = batch % PARTITIONS
    const messages = Array.from({ length: count }, (_, i) => ({
      ...paymentMessage(from + i, load.sizeBytes),
      partition,
    }))
    await producer.send({ topic, messages, acks: 1 })
  }
  await producer.disconnect()
}

async function makeTopic(admin: Admin, topic: string): Promise<void> {
  if ((await admin.listTopics()).includes(topic)) await admin.deleteTopics({ topics: [topic] })
  const configEntries = [{ name: 'max.message.bytes', value: '20000000' }]
  const wanted = { topics: [{ topic, numPartitions: PARTITIONS, configEntries }], waitForLeaders: false }
  for (let made = false, left = TRIES; ; left -= 1) {
    try {
      made ||= await admin.createTopics(wanted)
      const { topics } = await admin.fetchTopicMetadata({ topics: [topic] })
      if (topics[0]?.partitions.every(({ leader }) => leader >= 0)) return
    } catch (error) {
      // A deleted topic is gone, and a new one known to its broker, some time after the answer.
      if (left === 0) throw error
    }
    await setTimeout(200)
  }
}
