import { execFile } from 'node:child_process'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import type { Admin } from 'kafkajs'
import { kafkaClient } from '../../lake/land/kafka/kafka-client.js'
import type { KafkaConfig } from '../../lake/land/kafka/kafka-config.js'
import { readConfig } from '../../workers/config.js'
import type { Services } from '../support/services.js'

/** Our own settings for the listener without TLS, or those of the one with it. */
export function kafkaOf(env: Readonly<Record<string, string>>): KafkaConfig {
  const { kafka } = readConfig(env)
  if (kafka === undefined) throw new Error('no broker in the environment')
  return kafka
}

/** By the second listener; `changes` of single settings, undefined: not set. */
export function secureEnvironment(
  services: Services,
  changes: Readonly<Record<string, string | undefined>> = {},
): Record<string, string> {
  const { env } = services
  const settings = {
    FIRN_KAFKA_BROKERS: env['FIRN_KAFKA_TLS_BROKERS'],
    FIRN_KAFKA_TLS: 'true',
    FIRN_KAFKA_TLS_CA_PATH: env['FIRN_KAFKA_TLS_CA'],
    FIRN_KAFKA_SASL_MECHANISM: 'scram-sha-256',
    FIRN_KAFKA_USERNAME: env['FIRN_KAFKA_TLS_USERNAME'],
    FIRN_KAFKA_PASSWORD: env['FIRN_KAFKA_TLS_PASSWORD'],
    ...changes,
  }
  return Object.fromEntries(
    Object.entries(settings).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])),
  )
}

export async function withAdmin<T>(config: KafkaConfig, work: (admin: Admin) => Promise<T>): Promise<T> {
  const admin = kafkaClient(config).admin()
  await admin.connect()
  try {
    return await work(admin)
  } finally {
    await admin.disconnect()
  }
}

/** Records that are older than a week stay as well. */
export async function createTopic(
  config: KafkaConfig,
  topic: string,
  settings: Readonly<Record<string, string>> = {},
  numPartitions = 1,
): Promise<string> {
  const entries = Object.entries({ 'retention.ms': '-1', ...settings })
  const configEntries = entries.map(([name, value]) => ({ name, value }))
  await withAdmin(config, async (admin) => {
    await admin.createTopics({ topics: [{ topic, numPartitions, configEntries }], waitForLeaders: false })
    // The broker that is asked next may not have heard of it yet.
    const known = () =>
      admin.fetchTopicMetadata({ topics: [topic] }).then(
        () => true,
        () => false,
      )
    for (let asked = 0; asked < 50 && !(await known()); asked++) await sleep(100)
  })
  return topic
}

const run = promisify(execFile)

/** Topic and codec, written by Kafka's own producer: JavaProducer.java. */
export async function produceByJava(
  config: KafkaConfig,
  topics: readonly (readonly [topic: string, codec: string])[],
  count: number,
): Promise<void> {
  const cache = process.env['FIRN_CACHE'] ?? join(homedir(), '.cache', 'firn')
  const classes = join(cache, 'kafka-4.1.0', 'lib', '*')
  const program = join(import.meta.dirname, 'JavaProducer.java')
  const args = topics.flatMap(([topic, codec]) => [topic, codec, String(count)])
  await run('java', ['-cp', classes, program, config.brokers.join(','), ...args])
}
