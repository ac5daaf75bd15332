import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Kafka, logLevel } from 'kafkajs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { runFirn } from '../support/run-firn.js'
import { missingService, startServices, type Services } from '../support/services.js'

const missing = missingService('kafka')
if (missing !== undefined) console.warn(`demo-kafka: skipped, ${missing}`)

const root = mkdtempSync(join(tmpdir(), 'firn-demo-kafka-'))
let services: Services
let kafka: Kafka

describe.skipIf(missing !== undefined)('made-up documents and the demo, through a real broker', () => {
  beforeAll(async () => {
    services = await startServices(['kafka'])
    const brokers = [services.env['FIRN_KAFKA_BROKERS'] ?? '']
    kafka = new Kafka({ brokers, logLevel: logLevel.NOTHING })
  })
  afterAll(async () => {
    await services.stop()
    rmSync(root, { recursive: true, force: true })
  })

  it('sends each document once, a key always to one partition, and says where', async () => {
    const home = join(root, 'simulate')
    const args = ['simulate', 'churn', '--to', 'kafka', '--topic', 'sent-once', '--rate', '0', '--json']
    const first = await runFirn([...args, '--count', '20000', '--partitions', '3'], {
      home,
      env: services.env,
    })
    const result = JSON.parse(first.stdout) as { readonly sent: number; readonly to: object }
    expect(result).toMatchObject({ sent: 20_000, to: { kind: 'topic', partitions: 3, created: true } })
    const dir = join(root, 'folder')
    await runFirn(['simulate', 'churn', '--to', 'dir', '--dir', dir, '--count', '20000'], { home })
    const read = await readTopic('sent-once', 20_000)
    expect(read.map(({ value }) => value).sort()).toEqual(
      (await documentsOf(join(dir, 'payment-events'))).sort(),
    )
    const partitions = new Map<string, number>()
    for (const { key, value, partition } of read) {
      expect(key).toBe((JSON.parse(value) as { user_token: string }).user_token)
      expect(partitions.get(key) ?? partition).toBe(partition)
      partitions.set(key, partition)
    }
    expect(new Set(partitions.values()).size).toBe(3)
    const again = await runFirn([...args, '--count', '10', '--compression', 'gzip'], {
      home,
      env: services.env,
    })
    expect(JSON.parse(again.stdout)).toMatchObject({ sent: 10, to: { partitions: 3, created: false } })
    expect(await logEnd('sent-once')).toBe(20_010)
  })

  it('ends on Ctrl-C with exactly the documents in the topic that it says it sent', async () => {
    let asked = false
    const { code, stdout } = await runFirn(
      [
        'simulate',
        'quantum',
        '--to',
        'kafka',
        '--topic',
        'stopped',
        '--rate',
        '40',
        '--count',
        '0',
        '--json',
      ],
      {
        home: join(root, 'stopped'),
        env: services.env,
        onStderr(text, kill) {
          if (asked || !text.includes('simulating quantum: ')) return
          asked = true
          kill('SIGINT')
        },
      },
    )
    const { sent, stopped } = JSON.parse(stdout) as { readonly sent: number; readonly stopped: boolean }
    expect({ code, stopped }).toEqual({ code: 0, stopped: true })
    expect(sent).toBeGreaterThan(0)
    expect(await logEnd('stopped')).toBe(sent)
  })

  it('says which broker is not there', async () => {
    const { code, stdout } = await runFirn(['simulate', 'churn', '--to', 'kafka', '--json'], {
      home: join(root, 'nobody'),
      env: { FIRN_KAFKA_BROKERS: '127.0.0.1:1' },
    })
    expect(code).toBe(1)
    expect(JSON.parse(stdout)).toMatchObject({
      error: { kind: 'io', message: expect.stringContaining('127.0.0.1:1') as string },
    })
  })

  it('runs the demo from the topic: each night what was sent since, every offset once, and takes the topic away', async () => {
    const home = join(root, 'demo')
    const { code, stdout, stderr } = await runFirn(['demo', '--kafka', '--json'], { home, env: services.env })
    expect({ code, stderr: code === 0 ? '' : stderr }).toEqual({ code: 0, stderr: '' })
    const summary = JSON.parse(stdout) as {
      readonly nights: readonly {
        readonly land: { readonly records: number; readonly files: number; readonly lag: number }
        readonly status: string
      }[]
      readonly topic: {
        readonly partitions: readonly {
          readonly logEnd: number
          readonly records: number
          readonly lag: number
        }[]
      }
      readonly audit: readonly { readonly status: string; readonly duplicates: number }[]
      readonly lineage: {
        readonly sources: readonly {
          readonly ranges: readonly { readonly first: string; readonly next: string }[]
        }[]
      }
    }
    expect(summary.nights).toMatchObject([
      { status: 'published', land: { records: 40, files: 0, lag: 0 } },
      { status: 'published', land: { records: 20, lag: 0 } },
      { status: 'no_changes', land: { records: 0, lag: 0 } },
    ])
    expect(summary.topic).toMatchObject({
      topic: 'experiment.vqe',
      sent: 60,
      landed: 60,
      built: 60,
      offsetsTwice: 0,
      offsetsMissing: 0,
      deadLetters: 0,
      lag: 0,
      exactlyOnce: true,
    })
    expect(summary).toMatchObject({
      training: { version: 1, dataset: { rows: 60 } },
      promotion: { version: 1, alias: 'champion' },
      score: { version: 1, rows: 20 },
      reproduction: { verdict: 'identical' },
    })
    const [source] = summary.lineage.sources
    expect(source).toMatchObject({ ledger: 'raw.experiments', records: 60, gaps: [] })
    const traced = source!.ranges.reduce((sum, { first, next }) => sum + Number(next) - Number(first), 0)
    expect(traced).toBe(60)
    expect(summary.topic.partitions).toHaveLength(4)
    expect(summary.topic.partitions.reduce((sum, { records }) => sum + records, 0)).toBe(60)
    const admin = kafka.admin()
    await admin.connect()
    expect(await admin.listTopics()).not.toContain('experiment.vqe')
    await admin.disconnect()
  })

  it('does not touch a topic with records of somebody else', async () => {
    const home = join(root, 'refused')
    await runFirn(['simulate', 'quantum', '--to', 'kafka', '--count', '3', '--iterations', '2'], {
      home,
      env: services.env,
    })
    const { code, stdout } = await runFirn(['demo', '--kafka', '--json'], { home, env: services.env })
    expect(code).toBe(2)
    expect(JSON.parse(stdout)).toMatchObject({
      error: { message: expect.stringContaining('holds 3 records') as string },
    })
    expect(await logEnd('experiment.vqe')).toBe(3)
  })

  it('says what is missing where no broker is configured and none can be started', async () => {
    const { code, stdout } = await runFirn(['demo', '--kafka', '--json'], {
      home: join(root, 'nothing'),
      env: { FIRN_KAFKA_BROKERS: '', PATH: '', JAVA_HOME: '' },
    })
    expect(code).toBe(1)
    expect(JSON.parse(stdout)).toMatchObject({
      error: {
        kind: 'config',
        message: expect.stringMatching(/Java[^]*FIRN_KAFKA_BROKERS=host:port/) as string,
      },
    })
  })
})

async function logEnd(topic: string): Promise<number> {
  const admin = kafka.admin()
  await admin.connect()
  const offsets = await admin.fetchTopicOffsets(topic)
  await admin.disconnect()
  return offsets.reduce((sum, { high }) => sum + Number(high), 0)
}

interface Read {
  readonly key: string
  readonly value: string
  readonly partition: number
}

async function readTopic(topic: string, count: number): Promise<readonly Read[]> {
  const consumer = kafka.consumer({ groupId: `test-${topic}` })
  await consumer.connect()
  await consumer.subscribe({ topic, fromBeginning: true })
  const read: Read[] = []
  await new Promise<void>((resolve, reject) => {
    const eachMessage = async ({
      partition,
      message,
    }: {
      partition: number
      message: { key: Buffer | null; value: Buffer | null }
    }): Promise<void> => {
      read.push({ key: String(message.key), value: String(message.value), partition })
      if (read.length === count) resolve()
      return Promise.resolve()
    }
    consumer.run({ eachMessage }).catch(reject)
  })
  await consumer.disconnect()
  return read
}

async function documentsOf(folder: string): Promise<string[]> {
  const { readdir, readFile } = await import('node:fs/promises')
  const texts = await Promise.all((await readdir(folder)).map((name) => readFile(join(folder, name), 'utf8')))
  return texts.flatMap((text) => text.split('\n').filter((line) => line !== ''))
}
