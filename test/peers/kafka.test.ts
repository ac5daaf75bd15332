import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { kafkaClient } from '../../lake/land/kafka/kafka-client.js'
import type { KafkaConfig } from '../../lake/land/kafka/kafka-config.js'
import { KafkaLink } from '../../lake/land/kafka/kafka-link.js'
import { createKafkaTopics } from '../../lake/land/kafka/kafka-topics.js'
import type { ReadOptions } from '../../lake/land/kafka/read-range.js'
import { readRange } from '../../lake/land/kafka/read-range.js'
import { allRecords } from '../support/topic-records.js'
import { recordDigest } from '../../lake/land/record-digest.js'
import type { Topics, TopicRecord } from '../../schemas/topics.js'
import { javaRecord } from '../lake/support/java-record.js'
import { missingService, startServices, type Services } from '../support/services.js'
import { createTopic, kafkaOf, produceByJava, secureEnvironment, withAdmin } from './kafka-broker.js'

const reason = missingService('kafka')
const CODECS = ['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const
const MIB = 1024 * 1024
let services: Services
let config: KafkaConfig
let topics: Topics
let link: KafkaLink

beforeAll(async () => {
  if (reason !== undefined) return
  services = await startServices(['kafka'], {
    kafkaSasl: true,
    kafka: { 'log.cleaner.backoff.ms': 100, 'log.initial.task.delay.ms': 0 },
  })
  config = kafkaOf(services.env)
  topics = createKafkaTopics(config)
  link = new KafkaLink(config)
}, 180_000)
afterAll(async () => {
  if (reason !== undefined) return
  await topics.close()
  await link.close()
  await services.stop()
})

async function read(topic: string, first: number, end: number, options: ReadOptions = {}, partition = 0) {
  const records: TopicRecord[] = []
  let next = first
  for await (const chunk of readRange(link, topic, { partition, first, end }, options)) {
    records.push(...allRecords(chunk.records))
    next = chunk.next
  }
  return { records, next }
}

async function produce(
  topic: string,
  messages: readonly { readonly key?: string; readonly value: string | Buffer | null }[],
): Promise<void> {
  const producer = kafkaClient(config).producer({ idempotent: true, maxInFlightRequests: 1 })
  await producer.connect()
  await producer.send({ topic, messages: messages.map((message) => ({ partition: 0, ...message })) })
  await producer.disconnect()
}

/** A process that was killed holds its port for a moment. */
async function startAgain(): Promise<void> {
  for (let left = 20; ; left--) {
    try {
      await services.start('kafka')
      return
    } catch (error) {
      if (left === 0 || !String(error).includes('in use')) throw error
      await sleep(250)
    }
  }
}

async function digestAt(topic: string, partition: number, offset: number): Promise<string | undefined> {
  const [digest] = await topics.digestsAt(topic, [{ partition, offset }])
  return digest
}

async function stateOf(topic: string) {
  const { identity, partitions } = await topics.describe(topic)
  const [only] = partitions
  return { identity, count: partitions.length, earliest: only!.earliest, end: only!.end }
}

function numbered(count: number, from = 0) {
  return Array.from({ length: count }, (_, i) => ({ key: `k${i + from}`, value: `{"n":${i + from}}` }))
}

const valueOf = ({ value }: TopicRecord): string | null =>
  value === null ? null : Buffer.from(value).toString()
const plain = (record: TopicRecord): unknown => ({
  ...record,
  key: record.key && Buffer.from(record.key).toString('latin1'),
  value: record.value && Buffer.from(record.value).toString('latin1'),
})

describe.skipIf(reason !== undefined)(`Kafka (${reason ?? '4.1'})`, () => {
  describe('a topic', () => {
    it('is another one once it was deleted and made again, and a partition may be added', async () => {
      await createTopic(config, 'again')
      await produce('again', numbered(3))
      const before = await stateOf('again')
      expect(before).toMatchObject({ count: 1, earliest: 0, end: 3 })
      expect((await stateOf('again')).identity).toBe(before.identity)
      await withAdmin(config, (admin) =>
        admin.createPartitions({ topicPartitions: [{ topic: 'again', count: 3 }] }),
      )
      await expect.poll(() => stateOf('again'), { timeout: 20_000 }).toMatchObject({ ...before, count: 3 })
      await withAdmin(config, (admin) => admin.deleteTopics({ topics: ['again'] }))
      await createTopic(config, 'again')
      const after = await stateOf('again')
      expect(after).toMatchObject({ count: 1, earliest: 0, end: 0 })
      expect(after.identity).not.toBe(before.identity)
    })

    it('that is not there is said so, and asking for it makes none', async () => {
      await expect(topics.describe('nobody.made.it')).rejects.toMatchObject({
        kind: 'not-found',
        message: expect.stringContaining('nobody.made.it') as string,
      })
      await expect(topics.describe('not a name')).rejects.toMatchObject({ kind: 'not-found' })
      const all = await withAdmin(config, (admin) => admin.listTopics())
      expect(all).not.toContain('nobody.made.it')
    })

    it('tells how far it was landed to a group that nobody is in', async () => {
      await createTopic(config, 'hint', {}, 2)
      const offsets = [
        { partition: 0, offset: 7 },
        { partition: 1, offset: 9 },
      ]
      // A broker that was just started has no place for them yet, which is no error.
      const noted = async () => {
        await topics.noteOffsets('firn-hint', 'hint', offsets)
        const [group] = await withAdmin(config, (admin) =>
          admin.fetchOffsets({ groupId: 'firn-hint', topics: ['hint'] }),
        )
        return group!.partitions.map(({ partition, offset }) => [partition, Number(offset)]).sort()
      }
      await expect.poll(noted, { timeout: 30_000, interval: 500 }).toEqual([
        [0, 7],
        [1, 9],
      ])
      await topics.noteOffsets('firn-hint', 'nobody.made.it', offsets)
    })
  })

  describe('a range', () => {
    it('holds what Java’s own producer wrote, in every codec', async () => {
      const count = 300
      const written = CODECS.map((codec) => [`java.${codec}`, codec] as const)
      for (const [topic] of written) await createTopic(config, topic)
      await produceByJava(config, written, count)
      const expected = Array.from({ length: count }, (_, i) => plain(javaRecord(i)))
      for (const [topic] of written) {
        const { records, next } = await read(topic, 0, count)
        expect(records.map(plain), topic).toEqual(expected)
        expect(next).toBe(count)
        // Small fetches, from the middle of a batch to the middle of another.
        const part = await read(topic, 97, 203, { fetchBytes: 1000 })
        expect(part.records.map(plain), topic).toEqual(expected.slice(97, 203))
      }
    })

    it('holds what was committed; an open transaction ends the log', async () => {
      await createTopic(config, 'txn')
      const producer = kafkaClient(config).producer({
        ...{ transactionalId: 'txn-1', idempotent: true, maxInFlightRequests: 1 },
      })
      await producer.connect()
      const write = async (values: readonly string[], how: 'commit' | 'abort') => {
        const transaction = await producer.transaction()
        for (const value of values) await transaction.send({ topic: 'txn', messages: [{ value }] })
        await transaction[how]()
      }
      await write(['a1', 'a2'], 'commit')
      await write(['lost1', 'lost2'], 'abort')
      await produce('txn', [{ value: 'plain' }])
      await write(['lost3'], 'abort')
      await write(['b1'], 'commit')
      // What ends a transaction is written a moment after the producer was told.
      const endIs = (end: number) =>
        expect.poll(async () => (await stateOf('txn')).end, { timeout: 20_000 }).toBe(end)
      const end = 11
      await endIs(end)
      const open = await producer.transaction()
      await open.send({ topic: 'txn', messages: [{ value: 'open' }] })
      await produce('txn', [{ value: 'behind it' }])
      expect((await stateOf('txn')).end).toBe(end)
      const { records, next } = await read('txn', 0, end)
      expect(records.map(valueOf)).toEqual(['a1', 'a2', 'plain', 'b1'])
      expect(next).toBe(end)
      await open.abort()
      await producer.disconnect()
      await endIs(14)
      const { records: all } = await read('txn', end, 14, { fetchBytes: 1 })
      expect(all.map(valueOf)).toEqual(['behind it'])
    })

    it('runs over the holes that compaction leaves', async () => {
      await createTopic(config, 'compacted', {
        'cleanup.policy': 'compact',
        'segment.bytes': '1048576',
        'segment.ms': '100',
        'min.cleanable.dirty.ratio': '0.001',
        'delete.retention.ms': '0',
      })
      const keys = 5
      for (let round = 0; round < 8; round++) {
        await produce(
          'compacted',
          Array.from({ length: 50 }, (_, i) => ({ key: `k${i % keys}`, value: `${round}-${i}` })),
        )
        await sleep(150)
      }
      const { end } = await stateOf('compacted')
      expect(end).toBe(400)
      await expect
        .poll(async () => (await read('compacted', 0, end)).records.length, {
          timeout: 60_000,
          interval: 500,
        })
        .toBeLessThan(150)
      const { records, next } = await read('compacted', 0, end)
      expect(next).toBe(end)
      const offsets = records.map(({ offset }) => offset)
      expect(offsets).toEqual([...new Set(offsets)].sort((a, b) => a - b))
      const last = new Map(records.map((record) => [Buffer.from(record.key!).toString(), valueOf(record)]))
      expect([...last.values()].sort()).toEqual(['7-45', '7-46', '7-47', '7-48', '7-49'])
      // A range of nothing but holes ends where it should.
      const hole = offsets.findIndex((offset, i) => offset - (offsets[i - 1] ?? -1) > 10)
      const [first, behind] = [offsets[hole - 1] ?? -1, offsets[hole]!]
      const empty = await read('compacted', first + 1, behind)
      expect(empty.records).toEqual([])
      expect(empty.next).toBeGreaterThanOrEqual(behind)
      expect(await digestAt('compacted', 0, first + 1)).toBeUndefined()
    })

    it('that retention has removed is stale, from its beginning or meanwhile', async () => {
      await createTopic(config, 'short')
      await produce('short', numbered(100))
      const digest = await digestAt('short', 0, 10)
      expect(digest).toBe(recordDigest((await read('short', 10, 11)).records[0]!))
      await withAdmin(config, async (admin) => {
        await admin.fetchTopicOffsets('short')
        await admin.deleteTopicRecords({ topic: 'short', partitions: [{ partition: 0, offset: '40' }] })
      })
      expect(await stateOf('short')).toMatchObject({ earliest: 40, end: 100 })
      await expect(read('short', 39, 100)).rejects.toMatchObject({
        kind: 'stale-range',
        message: expect.stringContaining(
          'offset 39 was removed meanwhile, the first one there is 40',
        ) as string,
      })
      expect((await read('short', 40, 100)).records).toHaveLength(60)
      const places = [
        { partition: 0, offset: 10 },
        { partition: 0, offset: 40 },
        { partition: 0, offset: 100 },
        { partition: 5, offset: 1 },
      ]
      expect(await topics.digestsAt('short', places)).toEqual([
        undefined,
        expect.stringMatching(/^[0-9a-f]{8}$/),
        undefined,
        undefined,
      ])
    })

    it('behind the log’s end is waited for, then said; further behind it is stale', async () => {
      await createTopic(config, 'waiting')
      await produce('waiting', numbered(3))
      await expect(read('waiting', 0, 5, { patienceMs: 300 })).rejects.toMatchObject({
        kind: 'io',
        message: expect.stringContaining('nothing comes from offset 3 on') as string,
        context: { position: 3, end: 5, highWatermark: 3 },
      })
      await expect(read('waiting', 4, 5)).rejects.toMatchObject({ kind: 'stale-range' })
      const late = read('waiting', 0, 5)
      await sleep(300)
      await produce('waiting', numbered(2, 3))
      expect((await late).records).toHaveLength(5)
    })

    it('goes on where it was when the broker is killed and started again', async () => {
      await createTopic(config, 'killed')
      const filler = 'x'.repeat(4000)
      const count = 3000
      for (let from = 0; from < count; from += 200) {
        await produce(
          'killed',
          numbered(200, from).map(({ key, value }) => ({ key, value: value + filler })),
        )
      }
      const offsets: number[] = []
      let restarted: Promise<void> | undefined
      for await (const { records } of readRange(
        link,
        'killed',
        { partition: 0, first: 0, end: count },
        { fetchBytes: 300_000 },
      )) {
        offsets.push(...allRecords(records).map(({ offset }) => offset))
        restarted ??= services.kill('kafka').then(startAgain)
        await sleep(20)
      }
      await restarted
      expect(offsets).toEqual(Array.from({ length: count }, (_, i) => i))
      expect(await stateOf('killed')).toMatchObject({ earliest: 0, end: count })
    })

    it('of messages of 10 MB takes no more memory than a few of them', async () => {
      await createTopic(config, 'large', { 'max.message.bytes': String(12 * MIB) })
      const count = 24
      const value = Buffer.alloc(10 * MIB, 'snow ')
      const producer = kafkaClient(config).producer()
      await producer.connect()
      for (let i = 0; i < count; i++) await producer.send({ topic: 'large', messages: [{ value }] })
      await producer.disconnect()
      let peak = 0
      let read = 0
      for await (const { records } of readRange(link, 'large', { partition: 0, first: 0, end: count })) {
        for (; records.next(); read++) expect(records.valueEnd - records.valueFrom).toBe(value.length)
        globalThis.gc?.()
        peak = Math.max(peak, process.memoryUsage().arrayBuffers)
      }
      expect(read).toBe(count)
      expect(peak).toBeLessThan(120 * MIB)
    })
  })

  describe('TLS and logins', () => {
    const describeBy = async (environment: Record<string, string>) => {
      const secure = createKafkaTopics(kafkaOf(environment))
      try {
        return await secure.describe('java.none')
      } finally {
        await secure.close()
      }
    }

    it.each(['scram-sha-256', 'scram-sha-512', 'plain'])(
      '%s over TLS with an authority of our own',
      async (mechanism) => {
        const secure = kafkaOf(secureEnvironment(services, { FIRN_KAFKA_SASL_MECHANISM: mechanism }))
        const own = new KafkaLink(secure)
        const records: TopicRecord[] = []
        for await (const chunk of readRange(own, 'java.none', { partition: 0, first: 0, end: 20 }))
          records.push(...allRecords(chunk.records))
        await own.close()
        expect(records).toHaveLength(20)
      },
    )

    it('a wrong password is said, and not told', async () => {
      const password = 'not-the-password-8431'
      for (const mechanism of ['scram-sha-256', 'plain']) {
        const changes = { FIRN_KAFKA_PASSWORD: password, FIRN_KAFKA_SASL_MECHANISM: mechanism }
        const error = await describeBy(secureEnvironment(services, changes)).catch(
          (caught: unknown) => caught as Error,
        )
        expect(error).toMatchObject({
          kind: 'config',
          message: expect.stringMatching(
            /refused the login of user "firn" by .*FIRN_KAFKA_PASSWORD/,
          ) as string,
        })
        expect(JSON.stringify([error, (error as Error).stack, (error as Error).cause])).not.toContain(
          password,
        )
      }
    })

    it.each([
      [
        'a certificate that nobody vouches for',
        { FIRN_KAFKA_TLS_CA_PATH: undefined },
        /FIRN_KAFKA_TLS_CA_PATH/,
      ],
      [
        'a mechanism that the broker lacks',
        {
          FIRN_KAFKA_SASL_MECHANISM: 'oauthbearer',
          FIRN_KAFKA_USERNAME: undefined,
          FIRN_KAFKA_PASSWORD: undefined,
          FIRN_KAFKA_TOKEN: 'a.b.c',
        },
        /no login by oauthbearer/,
      ],
      [
        'another name than the certificate’s',
        { FIRN_KAFKA_TLS_SERVER_NAME: 'elsewhere.example' },
        /certificate/i,
      ],
    ])('%s is a question of settings', async (_, changes, message) => {
      await expect(describeBy(secureEnvironment(services, changes))).rejects.toMatchObject({
        kind: 'config',
        message: expect.stringMatching(message) as string,
      })
    })

    it('a listener that wants TLS or a login hints at it', async () => {
      const off = Object.fromEntries(
        ['TLS', 'TLS_CA_PATH', 'SASL_MECHANISM', 'USERNAME', 'PASSWORD'].map((name) => [
          `FIRN_KAFKA_${name}`,
          undefined,
        ]),
      )
      await expect(describeBy(secureEnvironment(services, off))).rejects.toThrow(/TLS/)
      const tlsOnly = {
        ...off,
        FIRN_KAFKA_TLS: 'true',
        FIRN_KAFKA_TLS_CA_PATH: services.env['FIRN_KAFKA_TLS_CA'],
      }
      await expect(describeBy(secureEnvironment(services, tlsOnly))).rejects.toThrow(/login/)
      const tlsAtPlain = secureEnvironment(services, {
        FIRN_KAFKA_BROKERS: services.env['FIRN_KAFKA_BROKERS'],
      })
      await expect(describeBy(tlsAtPlain)).rejects.toThrow(/TLS/)
    })

    it('nobody at the address is no question of settings', async () => {
      await expect(describeBy({ FIRN_KAFKA_BROKERS: '127.0.0.1:1' })).rejects.toMatchObject({
        kind: 'io',
        message: expect.stringContaining('127.0.0.1:1') as string,
      })
    })
  })
})
