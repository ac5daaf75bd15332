import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { kafkaClient } from '../../lake/land/kafka/kafka-client.js'
import type { KafkaConfig } from '../../lake/land/kafka/kafka-config.js'
import { createKafkaTopics } from '../../lake/land/kafka/kafka-topics.js'
import { PackThreads } from '../../lake/land/kafka/pack-threads.js'
import type { PackedTopicObject, Topics, TopicPackTask } from '../../schemas/topics.js'
import { runFirn } from '../support/run-firn.js'
import { missingService, startServices, type Services } from '../support/services.js'
import { createTopic, kafkaOf, secureEnvironment } from './kafka-broker.js'

const reason = missingService('kafka')
const COUNT = 2000
let services: Services
let config: KafkaConfig
let topics: Topics

beforeAll(async () => {
  if (reason !== undefined) return
  services = await startServices(['kafka'], { kafkaSasl: true })
  config = kafkaOf(services.env)
  topics = createKafkaTopics(config)
  await createTopic(config, 'events')
  const producer = kafkaClient(config).producer()
  await producer.connect()
  const messages = Array.from({ length: COUNT }, (_, i) => ({
    key: `k${i}`,
    // Each hundredth is no document.
    value: i % 100 === 99 ? 'broken' : JSON.stringify({ n: i, text: 'snow '.repeat(20) }),
  }))
  await producer.send({ topic: 'events', messages })
  await producer.disconnect()
}, 180_000)
afterAll(async () => {
  if (reason !== undefined) return
  await topics.close()
  await services.stop()
})

function task(first: number, end: number, changes: Partial<TopicPackTask> = {}): TopicPackTask {
  return {
    topic: 'events',
    range: { partition: 0, first, end },
    schema: { n: 'long', text: 'string' },
    identity: ['n'],
    contract: 'evolve',
    maxDocumentBytes: 1024 * 1024,
    objectBytes: 50_000,
    ...changes,
  }
}

async function packed(from: Pick<Topics, 'pack'>, given: TopicPackTask): Promise<PackedTopicObject[]> {
  const objects: PackedTopicObject[] = []
  for await (const object of from.pack(given)) objects.push(object)
  return objects
}

describe.skipIf(reason !== undefined)(`packing from Kafka (${reason ?? '4.1'})`, () => {
  it('gives objects that follow each other without a hole, and the same ones again', async () => {
    const objects = await packed(topics, task(50, COUNT))
    expect(objects.length).toBeGreaterThan(3)
    expect(objects[0]!.first).toBe(50)
    expect(objects.at(-1)!.end).toBe(COUNT)
    objects.slice(1).forEach(({ first }, i) => expect(first).toBe(objects[i]!.end))
    const lines = objects.flatMap(({ bytes }) => gunzipSync(bytes).toString().trim().split('\n'))
    const offsets = lines.map((line) => (JSON.parse(line) as { offset: number }).offset)
    const letters = objects.flatMap(({ deadLetters }) => deadLetters)
    expect(letters.map(({ offset }) => offset)).toEqual(
      Array.from({ length: 20 }, (_, i) => i * 100 + 99).filter((offset) => offset >= 50),
    )
    expect(letters.map(({ raw }) => Buffer.from(raw).toString())).toEqual(
      Array(letters.length).fill('broken'),
    )
    expect([...offsets, ...letters.map(({ offset }) => offset)].sort((a, b) => a - b)).toEqual(
      Array.from({ length: COUNT - 50 }, (_, i) => i + 50),
    )
    const again = await packed(topics, task(50, COUNT))
    expect(again.map(({ sha256 }) => sha256)).toEqual(objects.map(({ sha256 }) => sha256))
    const { offset, digest } = objects.at(-1)!.last!
    expect(await topics.digestsAt('events', [{ partition: 0, offset }])).toEqual([digest])
  })

  it('ends with the error of the thread, and the next one works', async () => {
    await expect(packed(topics, task(0, COUNT, { contract: 'freeze' }))).rejects.toMatchObject({
      kind: 'contract-broken',
      context: { offset: 99 },
    })
    await expect(packed(topics, task(COUNT + 1, COUNT + 2))).rejects.toMatchObject({ kind: 'stale-range' })
    expect(await packed(topics, task(0, 10))).toHaveLength(1)
  })

  it('can be cancelled, before and while it waits', async () => {
    const aborted = AbortSignal.abort()
    await expect(topics.pack(task(0, COUNT), aborted).next()).rejects.toMatchObject({ kind: 'cancelled' })
    const controller = new AbortController()
    // It would wait for a minute: the offsets are not there.
    const waiting = topics.pack(task(COUNT, COUNT + 5), controller.signal).next()
    setTimeout(() => controller.abort(), 300)
    await expect(waiting).rejects.toMatchObject({ kind: 'cancelled' })
  })

  it('uses a few threads again and again, side by side', async () => {
    const threads = new PackThreads(config, { threads: 2 })
    const ranges = Array.from({ length: 8 }, (_, i) => task(i * 200, (i + 1) * 200))
    const objects = await Promise.all(ranges.map((one) => packed(threads, one)))
    expect(objects.flat().reduce((sum, { records }) => sum + records, 0)).toBe(1600 - 16)
    await threads.close()
    await expect(packed(threads, task(0, 1))).rejects.toMatchObject({ kind: 'cancelled' })
  })

  it('frees the thread of a reader that stops early', async () => {
    const threads = new PackThreads(config, { threads: 1 })
    for await (const { first } of threads.pack(task(0, COUNT))) {
      expect(first).toBe(0)
      break
    }
    expect(await packed(threads, task(0, 10))).toHaveLength(1)
    await threads.close()
  })
})

describe.skipIf(reason !== undefined)(`firn doctor (${reason ?? 'Kafka 4.1'})`, () => {
  const findingFor = async (env: Record<string, string>) => {
    const home = mkdtempSync(join(tmpdir(), 'firn-doctor-'))
    try {
      const { stdout, stderr } = await runFirn(['doctor', '--json'], { home, env })
      expect(stdout, stderr).not.toBe('')
      const findings = JSON.parse(stdout) as { check: string; state: string; detail: string }[]
      return findings.find(({ check }) => check === 'Kafka')
    } finally {
      rmSync(home, { recursive: true })
    }
  }

  it('names the topics that are not there', async () => {
    expect(await findingFor({ FIRN_KAFKA_BROKERS: config.brokers.join() })).toMatchObject({
      state: 'warning',
      detail: expect.stringMatching(/answers.*No topic .*experiment\.vqe.*create/) as string,
    })
  })

  it('says which setting a refused login is about, without the password', async () => {
    const env = secureEnvironment(services, { FIRN_KAFKA_PASSWORD: 'wrong-8431' })
    const finding = await findingFor(env)
    expect(finding).toMatchObject({
      state: 'failed',
      detail: expect.stringContaining('FIRN_KAFKA_PASSWORD') as string,
    })
    expect(JSON.stringify(finding)).not.toContain('wrong-8431')
  })

  it('is content without a broker', async () => {
    expect(await findingFor({ FIRN_KAFKA_BROKERS: '' })).toMatchObject({ state: 'ok' })
  })
})
