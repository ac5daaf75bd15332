import { cpSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Kafka, logLevel, type Admin, type Producer } from 'kafkajs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { commitLanding } from '../../lake/land/commit-landing.js'
import { fetchLanding } from '../../lake/land/fetch-landing.js'
import { createKafkaTopics } from '../../lake/land/kafka/kafka-topics.js'
import { planLanding } from '../../lake/land/plan-landing.js'
import type { LandingAnswer, LandResult } from '../../schemas/messages.js'
import type { Pipeline } from '../../schemas/pipeline.js'
import type { Topics } from '../../schemas/topics.js'
import { testLake, type TestLake } from '../lake/support/lake.js'
import { missingService, startServices, type Services } from '../support/services.js'
import { createTopic } from './kafka-broker.js'

const BATCH = '20260701T020000Z'
const missing = missingService('kafka')

describe.skipIf(missing !== undefined)(
  `topics that change under the landing${missing ? ` (${missing})` : ''}`,
  () => {
    let services: Services
    let brokers: string[]
    let admin: Admin
    let producer: Producer
    let count = 0

    beforeAll(async () => {
      services = await startServices(['kafka'])
      brokers = services.env['FIRN_KAFKA_BROKERS']!.split(',')
      await connect()
    }, 300_000)
    afterAll(async () => {
      await disconnect()
      await services.stop()
    })

    async function connect(): Promise<void> {
      const kafka = new Kafka({
        brokers,
        logLevel: logLevel.NOTHING,
        retry: { retries: 30, maxRetryTime: 1000 },
      })
      admin = kafka.admin()
      producer = kafka.producer()
      await admin.connect()
      await producer.connect()
    }

    async function disconnect(): Promise<void> {
      await admin.disconnect()
      await producer.disconnect()
    }

    /** A lake of its own that lands a topic of its own. */
    async function lab(partitions: number, work: (landing: Landing) => Promise<void>): Promise<void> {
      const topic = `lab.${++count}`
      await createTopic({ brokers, clientId: 'test' }, topic, {}, partitions)
      const pipeline: Pipeline = {
        name: 'lab',
        namespace: 'lab_features',
        directory: '/nowhere',
        sources: { events: { kind: 'json', topic, schema: { id: 'string' }, identity: ['id'] } },
        tables: {},
        sqlTexts: {},
      }
      const lake = testLake([pipeline])
      const topics = createKafkaTopics({ brokers, clientId: 'test' })
      try {
        await work(new Landing(lake, topics, topic))
      } finally {
        await topics.close()
        lake.close()
      }
    }

    async function send(topic: string, records: number, partition = 0): Promise<void> {
      const messages = Array.from({ length: records }, (_, i) => ({
        partition,
        value: JSON.stringify({ id: `${partition}-${i}-${Math.random()}` }),
      }))
      await producer.send({ topic, messages })
    }

    test('retention that overtakes the ledger is told, and its offsets are named as lost by answer only', () =>
      lab(1, async (landing) => {
        await send(landing.topic, 5)
        expect(await landing.land()).toMatchObject({ records: 5 })
        await send(landing.topic, 10)
        // This makes the client find the partition's leader.
        await admin.fetchTopicOffsets(landing.topic)
        await admin.deleteTopicRecords({ topic: landing.topic, partitions: [{ partition: 0, offset: '9' }] })
        const failure = await landing.fails()
        expect(failure).toMatchObject({ kind: 'offsets-lost', context: { accept: 'lost-offsets' } })
        expect(failure.message).toMatch(/4 offsets of topic .* \(partition 0: 5 to 8\)/)
        expect(await landing.rows()).toHaveLength(1)
        expect(await landing.land(['lost-offsets'])).toMatchObject({ records: 6 })
        expect((await landing.rows()).map((row) => [row['path'], row['first'], row['next_offset']])).toEqual([
          [expect.stringMatching(/-0-0-5\.jsonl\.gz$/), 0n, 5n],
          ['gap:retention', 5n, 9n],
          [expect.stringMatching(/-0-9-15\.jsonl\.gz$/), 9n, 15n],
        ])
      }))

    test('a topic made anew with lower offsets is told from the old one', () =>
      lab(2, async (landing) => {
        await send(landing.topic, 8)
        await landing.land()
        await admin.deleteTopics({ topics: [landing.topic] })
        await createTopic({ brokers, clientId: 'test' }, landing.topic, {}, 2)
        await send(landing.topic, 3)
        const failure = await landing.fails()
        expect(failure).toMatchObject({ kind: 'source-changed' })
        expect(failure.message).toMatch(/deleted and made again/)
        expect(await landing.rows()).toHaveLength(1)
        expect(await landing.land([failure.context.accept])).toMatchObject({ records: 3 })
        expect(await landing.land()).toMatchObject({ records: 0 })
      }))

    test('an added partition is landed from its beginning, and said', () =>
      lab(1, async (landing) => {
        await send(landing.topic, 2)
        await landing.land()
        await admin.createPartitions({ topicPartitions: [{ topic: landing.topic, count: 2 }] })
        // The producer looks for partitions every few minutes only, and loses what goes to others.
        await disconnect()
        await connect()
        await send(landing.topic, 3, 1)
        const result = await landing.land()
        expect(result).toMatchObject({ records: 3 })
        expect(result.warnings).toEqual(['partition 1 is new: it is landed from its beginning'])
      }))

    test('a broker restored from a backup is noticed by its end, and where it has grown again by its records', () =>
      lab(1, async (landing) => {
        await send(landing.topic, 4)
        await landing.land()
        const backup = mkdtempSync(join(tmpdir(), 'firn-broker-'))
        const data = join(services.dir, 'kafka', 'data')
        try {
          await disconnect()
          await services.kill('kafka')
          cpSync(data, backup, { recursive: true })
          await services.start('kafka')
          await connect()
          await send(landing.topic, 4)
          expect(await landing.land()).toMatchObject({ records: 4 })
          await disconnect()
          await services.kill('kafka')
          rmSync(data, { recursive: true })
          cpSync(backup, data, { recursive: true })
          await services.start('kafka')
          await connect()
          expect((await landing.fails()).message).toMatch(
            /ends at offset 4, but the ledger has landed up to 8/,
          )
          await send(landing.topic, 6)
          const failure = await landing.fails()
          expect(failure).toMatchObject({ kind: 'source-changed' })
          expect(failure.message).toMatch(/the record at offset 7 of partition 0 is another one/)
          expect(await landing.land([failure.context.accept])).toMatchObject({ records: 10 })
        } finally {
          rmSync(backup, { recursive: true, force: true })
        }
      }))
  },
)

class Landing {
  constructor(
    private readonly lake: TestLake,
    private readonly topics: Topics,
    readonly topic: string,
  ) {}

  async land(accept?: readonly LandingAnswer[]): Promise<LandResult> {
    const deps = { ...this.lake.deps, topics: this.topics }
    const input = { pipeline: 'lab', batch: BATCH, ...(accept === undefined ? {} : { accept }) }
    const plan = await planLanding(deps, input)
    const slices = plan.kind === 'topic' ? plan.slices : []
    const fetched = await Promise.all(slices.map((_, slice) => fetchLanding(deps, plan, slice)))
    return await commitLanding(deps, plan, fetched)
  }

  /** What the landing pauses with; where the broker still settles after a restart, once it has. */
  async fails(): Promise<Error & { kind: string; context: { accept: LandingAnswer } }> {
    for (let tries = 0; ; tries++) {
      try {
        await this.land()
      } catch (error) {
        const { kind } = error as { kind?: string }
        if (kind === 'io' && tries < 60) continue
        return error as never
      }
      throw new Error('it landed')
    }
  }

  rows(): ReturnType<TestLake['rows']> {
    return this.lake.rows('raw.events', 'row_number')
  }
}
