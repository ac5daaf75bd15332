import { spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { createConnection } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { Client, Connection } from '@temporalio/client'
import { defineSearchAttributeKey } from '@temporalio/common'
import { ConfigResourceTypes, Kafka, logLevel, type KafkaConfig } from 'kafkajs'
import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { S3FileIO } from '../../iceberg/io/s3.js'
import { missingService, startServices, type ServiceName, type Services } from '../support/services.js'

const PIPELINE = defineSearchAttributeKey('FirnPipeline', 'KEYWORD')
const NAMES: readonly ServiceName[] = ['temporal', 'kafka', 's3', 'redis']
const lacks = NAMES.flatMap((name) => missingService(name) ?? [])
const because = (reasons: readonly string[]) => (reasons.length === 0 ? '' : ` [${reasons.join('; ')}]`)

describe.skipIf(lacks.length > 0)(`services from packages${because(lacks)}`, () => {
  // Spaces, a comma (which divides Kafka's log.dirs), quotes and other letters.
  const parent = mkdtempSync(join(tmpdir(), "firn services, é 'x' "))
  const dir = join(parent, 'all')
  let services: Services
  beforeAll(async () => {
    services = await startServices(NAMES, {
      dir,
      kafkaSasl: true,
      kafka: { 'log.segment.bytes': 1_048_576 },
    })
  })
  afterAll(async () => {
    await services.stop()
    rmSync(parent, { recursive: true, force: true })
  })

  test('each is used, and has what it was given after a stop in order', async () => {
    await useAll(services.env, 'first')
    expect(await readAll(services.env)).toEqual(['first'])
    await services.restart(NAMES)
    expect(await readAll(services.env)).toEqual(['first'])
  })

  test('each has what it was given after kill -9, at the same address', async () => {
    await useAll(services.env, 'second')
    await services.kill(NAMES)
    expect(states(dir)).toEqual(NAMES.map((name) => `${name} stopped`))
    await services.start(NAMES)
    expect(await readAll(services.env)).toEqual(['first', 'second'])
  })

  test('the broker takes its settings, over restarts too', async () => {
    const admin = kafka(services.env).admin()
    await admin.connect()
    const { resources } = await admin.describeConfigs({
      includeSynonyms: false,
      resources: [{ type: ConfigResourceTypes.BROKER, name: '1', configNames: ['log.segment.bytes'] }],
    })
    await admin.disconnect()
    expect(resources[0]!.configEntries.map((entry) => entry.configValue)).toEqual(['1048576'])
  })

  test('a broker that runs keeps its settings, and says that others were given', () => {
    expect(command(dir, 'start', 'kafka', '--kafka-set', 'log.segment.bytes=2097152').stderr).toContain(
      'kafka: runs already, without the settings given now',
    )
    expect(command(dir, 'start', 'kafka', '--kafka-set', 'log.segment.bytes=1048576').stderr).toContain(
      'kafka: runs already\n',
    )
  })

  test.each(['plain', 'scram-sha-256', 'scram-sha-512'] as const)(
    'the listener with TLS takes a login by %s and refuses a wrong password',
    async (mechanism) => {
      const { env } = services
      const login = (password: string): Partial<KafkaConfig> => ({
        brokers: [env['FIRN_KAFKA_TLS_BROKERS']!],
        ssl: { ca: [readFileSync(env['FIRN_KAFKA_TLS_CA']!)] },
        sasl: { mechanism: mechanism as 'plain', username: env['FIRN_KAFKA_TLS_USERNAME']!, password },
      })
      expect(await topics(kafka(env, login(env['FIRN_KAFKA_TLS_PASSWORD']!)))).toContain('said')
      await expect(topics(kafka(env, login('wrong')))).rejects.toThrow(/authentication/i)
      await expect(
        topics(kafka(env, { ...login(env['FIRN_KAFKA_TLS_PASSWORD']!), ssl: true })),
      ).rejects.toThrow(/certificate/i)
    },
  )

  test('a second start changes nothing, and status says where they are', async () => {
    const before = pids(dir)
    await services.start(NAMES)
    expect(pids(dir)).toEqual(before)
    expect(states(dir)).toEqual(NAMES.map((name) => `${name} running`))
  })

  test('two folders side by side know nothing of each other', async () => {
    const other = await startServices(['redis', 's3'])
    try {
      expect(await redis(other.env, 'GET said')).toBe('$-1')
      expect(other.env['FIRN_S3_ENDPOINT']).not.toBe(services.env['FIRN_S3_ENDPOINT'])
      expect(await objects(other.env)).toEqual([])
    } finally {
      await other.stop()
    }
    expect(existsSync(other.dir)).toBe(false)
    expect(await redis(services.env, 'PING')).toBe('+PONG')
  })

  test('keys lie where only their owner reads them, and in no log', () => {
    expect(statSync(join(dir, 'services.json')).mode & 0o777).toBe(0o600)
    expect(statSync(dir).mode & 0o777).toBe(0o700)
    const secrets = [services.env['AWS_SECRET_ACCESS_KEY']!, services.env['FIRN_KAFKA_TLS_PASSWORD']!]
    for (const name of NAMES) {
      const log = readFileSync(join(dir, `${name}.log`), 'utf8')
      expect(secrets.filter((secret) => log.includes(secret))).toEqual([])
    }
    const running = spawnSync('ps', ['-eo', 'args'], { encoding: 'utf8' }).stdout
    expect(secrets.filter((secret) => running.includes(secret))).toEqual([])
  })
})

describe.skipIf(missingService('redis') !== undefined)(
  `the life of a service${because([missingService('redis') ?? []].flat())}`,
  () => {
    test('services end with the process that wanted them, also where it is killed', async () => {
      const dir = newFolder()
      const waiting = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'])
      command(dir, 'start', 'redis', '--from', 'packages', '--while-pid', String(waiting.pid))
      expect(states(dir)).toEqual(['redis running'])
      waiting.kill('SIGKILL')
      while (states(dir)[0] !== 'redis stopped') await delay(100)
    })

    test('a pid that belongs to another process by now is left alone', () => {
      const dir = newFolder()
      command(dir, 'start', 'redis', '--from', 'packages')
      command(dir, 'kill', 'redis')
      const path = join(dir, 'services.json')
      const state = JSON.parse(readFileSync(path, 'utf8'))
      state.services.redis.process.pid = process.pid
      writeFileSync(path, JSON.stringify(state))
      expect(states(dir)).toEqual(['redis stopped'])
      command(dir, 'stop', '--force')
      command(dir, 'start', 'redis')
      expect(states(dir)).toEqual(['redis running'])
    })

    test('a service that is held still is stopped all the same', () => {
      const dir = newFolder()
      command(dir, 'start', 'redis', '--from', 'packages')
      command(dir, 'kill', 'redis', '--signal', 'SIGSTOP')
      expect(command(dir, 'stop', 'redis').stderr).toContain('redis: stopped\n')
    })

    test('a port that another program took meanwhile is named', async () => {
      const dir = newFolder()
      command(dir, 'start', 'redis', '--from', 'packages')
      const { ports } = JSON.parse(readFileSync(join(dir, 'services.json'), 'utf8')).services.redis
      command(dir, 'stop')
      const thief = spawn(process.execPath, [
        '-e',
        `require('net').createServer().listen(${ports.redis}, '127.0.0.1', () => console.log('has it'))`,
      ])
      await new Promise((resolve) => thief.stdout.once('data', resolve))
      onTestFinished(() => void thief.kill())
      const { status, stderr } = tryCommand(dir, 'start', 'redis')
      expect(status).toBe(1)
      expect(stderr).toContain(`its port ${ports.redis} is in use by another program`)
    })

    test('a service that ends while it starts shows its last lines', () => {
      const dir = newFolder()
      command(dir, 'start', 'redis', '--from', 'packages')
      command(dir, 'stop')
      const files = spawnSync('find', [join(dir, 'redis'), '-name', '*.manifest'], { encoding: 'utf8' })
      const file = files.stdout.trim() || join(dir, 'redis', 'data', 'appendonly.aof')
      writeFileSync(file, 'no such thing\n')
      const { status, stderr } = tryCommand(dir, 'start', 'redis')
      expect(status).toBe(1)
      expect(stderr).toMatch(/redis ended while it started\. The end of .*redis\.log:\n/)
    })

    test('starts at the same moment find one service', async () => {
      const dir = newFolder()
      const started = await Promise.all([
        startServices(['redis'], { dir }),
        startServices(['redis'], { dir }),
      ])
      expect(started[0].env).toEqual(started[1].env)
    })
  },
)

/** Gives every service a word to keep. */
async function useAll(env: Services['env'], word: string): Promise<void> {
  const producer = kafka(env).producer()
  await producer.connect()
  await producer.send({ topic: 'said', acks: -1, messages: [{ value: word }] })
  await producer.disconnect()
  await s3(env).write(`s3://features/said/${word}`, Buffer.from(word))
  expect(await redis(env, `APPEND said ${word}.`)).toMatch(/^:/)
  await temporal(env, (client) =>
    client.workflow.start(word, {
      taskQueue: 'nobody',
      workflowId: word,
      typedSearchAttributes: [{ key: PIPELINE, value: word }],
    }),
  )
}

/** The words that every service knows. */
async function readAll(env: Services['env']): Promise<string[]> {
  const admin = kafka(env).admin()
  await admin.connect()
  const [end] = await admin.fetchTopicOffsets('said')
  await admin.disconnect()
  const words = (await redis(env, 'GET said'))
    .split('\r\n')[1]!
    .split('.')
    .filter((word) => word !== '')
  const workflows = await temporal(env, async (client) => {
    const names: string[] = []
    for (const word of words) names.push((await client.workflow.getHandle(word).describe()).type)
    return names
  })
  expect(await objects(env)).toEqual(words)
  expect(workflows).toEqual(words)
  expect(Number(end!.high)).toBe(words.length)
  return words
}

function kafka(env: Services['env'], config: Partial<KafkaConfig> = {}): Kafka {
  const brokers = [env['FIRN_KAFKA_BROKERS']!]
  return new Kafka({ brokers, logLevel: logLevel.NOTHING, retry: { retries: 8 }, ...config })
}

async function topics(client: Kafka): Promise<string[]> {
  const admin = client.admin({ retry: { retries: 0 } })
  try {
    await admin.connect()
    return await admin.listTopics()
  } finally {
    await admin.disconnect()
  }
}

async function objects(env: Services['env']): Promise<string[]> {
  const words: string[] = []
  for await (const { location } of s3(env).list('s3://features/said/'))
    words.push(Buffer.from(await s3(env).read(location)).toString())
  return words
}

function s3(env: Services['env']): S3FileIO {
  return new S3FileIO({
    endpoint: env['FIRN_S3_ENDPOINT']!,
    region: env['FIRN_S3_REGION']!,
    credentials: { accessKeyId: env['AWS_ACCESS_KEY_ID']!, secretAccessKey: env['AWS_SECRET_ACCESS_KEY']! },
    newUuid: randomUUID,
  })
}

function redis(env: Services['env'], line: string): Promise<string> {
  const { port, hostname } = new URL(env['FIRN_REDIS_URL']!)
  return new Promise((resolve, reject) => {
    const socket = createConnection(Number(port), hostname, () => socket.end(`${line}\r\n`))
    let answer = ''
    socket.on('data', (chunk) => (answer += chunk.toString()))
    socket.on('error', reject)
    socket.on('close', () => resolve(answer.trimEnd()))
  })
}

async function temporal<T>(env: Services['env'], work: (client: Client) => Promise<T>): Promise<T> {
  const connection = await Connection.connect({ address: env['TEMPORAL_ADDRESS']! })
  try {
    return await work(new Client({ connection }))
  } finally {
    await connection.close()
  }
}

function newFolder(): string {
  const dir = mkdtempSync(join(tmpdir(), 'firn-services-'))
  onTestFinished(() => {
    command(dir, 'stop', '--force')
    rmSync(dir, { recursive: true, force: true })
  })
  return dir
}

function command(dir: string, ...args: string[]): { stdout: string; stderr: string } {
  const done = tryCommand(dir, ...args)
  if (done.status !== 0) throw new Error(`${args.join(' ')}: ${done.stderr}`)
  return done
}

function tryCommand(
  dir: string,
  ...args: string[]
): { status: number | null; stdout: string; stderr: string } {
  const script = join(import.meta.dirname, '..', '..', 'scripts', 'services.mjs')
  return spawnSync(process.execPath, [script, ...args, '--dir', dir], { encoding: 'utf8' })
}

function status(dir: string): { name: string; state: string; pid?: number }[] {
  return JSON.parse(command(dir, 'status', '--json').stdout) as ReturnType<typeof status>
}

function states(dir: string): string[] {
  return status(dir)
    .filter(({ state }) => state !== 'never started')
    .map(({ name, state }) => `${name} ${state}`)
}

function pids(dir: string): (number | undefined)[] {
  return status(dir).map(({ pid }) => pid)
}
