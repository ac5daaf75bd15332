import { execFile } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { startServices } from '../soak/services.js'
import type { BenchRow } from './bench-row.js'
import { benchRow } from './bench-row.js'
import { fillTopic } from './landing/broker.js'
import type { Course, Result } from './landing/contestants.js'

export interface LandingBenchOptions {
  readonly quick: boolean
  /** Default 1,000,000; quick: 100,000. */
  readonly messages?: number
  /** Of one message. Default 250. */
  readonly sizeBytes?: number
  readonly log: (text: string) => void
}

type Figures = Result & { readonly peakMb: number }

const LARGE_BYTES = 10_000_000
const FEW = 1000
/** For messages of 10 MB. */
const BROKER_SETTINGS = { 'message.max.bytes': 20_000_000, 'log.segment.bytes': 104_857_600 }
/** Measured elsewhere, on a machine of this size: the best of its runs, in one task. */
const SINK = { perSecond: 81_000, cpu: 13.8, peakMb: 600 }
const SINK_NAME = 'Kafka Connect sink for Iceberg 1.10.1 at its best, NOT measured in this run'

/**
 * Landing from a real broker beside what kafkajs and JSON.parse do alone, each in a process of its own, one after
 * another over the same messages; and the memory that messages of 10 MB take.
 */
export async function benchLanding(options: LandingBenchOptions): Promise<BenchRow[]> {
  const { log } = options
  log('Kafka and Temporal start …')
  const services = await startServices(['kafka', 'temporal'], { kafka: BROKER_SETTINGS })
  const root = mkdtempSync(join(tmpdir(), 'firn-bench-landing-'))
  try {
    const env = { ...(process.env as Record<string, string>), ...services.env }
    const messages = options.messages ?? (options.quick ? 100_000 : 1_000_000)
    const sizeBytes = options.sizeBytes ?? 250
    const rows = await compare(root, env, { messages, sizeBytes }, log)
    return [...rows, ...(await withLargeMessages(root, env, options.quick ? 8 : 40, log))]
  } finally {
    await services.stop()
    rmSync(root, { recursive: true, force: true })
  }
}

type Load = Pick<Course, 'messages' | 'sizeBytes'>

const TOPIC = 'payment-events'

async function compare(
  root: string,
  env: Course['env'],
  load: Load,
  log: (text: string) => void,
): Promise<BenchRow[]> {
  const fixed = await withFewMessages(root, env, load, log)
  log(`${load.messages} messages of ${load.sizeBytes} B are produced …`)
  await fillTopic(env['FIRN_KAFKA_BROKERS'] ?? '', TOPIC, load)
  const run = async (name: string): Promise<Figures> => {
    const figures = await contestant(name, { ...load, topic: TOPIC, home: folder(root, name), env })
    log(`  ${name}: ${told(figures, load)}`)
    return figures
  }
  const bare = await run('consumer')
  const parsing = await run('consumer with JSON.parse')
  const writing = await run('consumer writing newline JSON')
  const parse = await run('JSON.parse')
  const landing = await run('landing')
  const temporal = await run('landing through Temporal')
  const work = `landing ${load.messages} messages of ${load.sizeBytes} B`
  const megabytes = (figures: Figures): number => (rate(figures) * load.sizeBytes) / 1e6
  return [
    benchRow(work, rate(landing), 'kafkajs consumer', rate(bare), 'messages/s'),
    benchRow(work, rate(landing), 'kafkajs consumer with JSON.parse', rate(parsing), 'messages/s'),
    benchRow(work, rate(landing), 'kafkajs consumer writing newline JSON', rate(writing), 'messages/s'),
    benchRow(work, rate(landing), 'JSON.parse alone', rate(parse), 'messages/s'),
    benchRow(work, rate(landing), SINK_NAME, SINK.perSecond, 'messages/s'),
    benchRow(`${work}, through Temporal`, rate(temporal), 'without Temporal', rate(landing), 'messages/s'),
    benchRow(work, megabytes(landing), 'kafkajs consumer with JSON.parse', megabytes(parsing), 'MB/s'),
    benchRow(work, perMillion(landing), 'kafkajs consumer', perMillion(bare), 'CPU s a million'),
    benchRow(
      work,
      perMillion(landing),
      'kafkajs consumer with JSON.parse',
      perMillion(parsing),
      'CPU s a million',
    ),
    benchRow(
      work,
      perMillion(landing),
      'kafkajs consumer writing newline JSON',
      perMillion(writing),
      'CPU s a million',
    ),
    benchRow(work, perMillion(landing), 'JSON.parse alone', perMillion(parse), 'CPU s a million'),
    benchRow(work, perMillion(landing), SINK_NAME, SINK.cpu, 'CPU s a million'),
    benchRow(`landing ${FEW} messages: what is fixed`, fixed.cpu, work, landing.cpu, 'CPU s'),
    benchRow(
      `${work}: peak of memory`,
      landing.peakMb,
      'kafkajs consumer with JSON.parse',
      parsing.peakMb,
      'MB',
    ),
    benchRow(`${work}: peak of memory`, landing.peakMb, `${SINK_NAME}; up to 1,200 MB`, SINK.peakMb, 'MB'),
  ]
}

/** What a landing takes however few messages there are: threads, connections, code that is read and optimized. */
async function withFewMessages(
  root: string,
  env: Course['env'],
  { sizeBytes }: Load,
  log: (text: string) => void,
): Promise<Figures> {
  const load = { messages: FEW, sizeBytes }
  await fillTopic(env['FIRN_KAFKA_BROKERS'] ?? '', TOPIC, load)
  const figures = await contestant('landing', { ...load, topic: TOPIC, home: folder(root, 'few'), env })
  log(`  landing ${FEW}: ${told(figures, load)}`)
  return figures
}

/** The same landing of a few and of many: its peak of memory must not grow with them. */
async function withLargeMessages(
  root: string,
  env: Course['env'],
  many: number,
  log: (text: string) => void,
): Promise<BenchRow[]> {
  const landed = async (messages: number): Promise<Figures> => {
    const load = { messages, sizeBytes: LARGE_BYTES }
    log(`${messages} messages of 10 MB …`)
    await fillTopic(env['FIRN_KAFKA_BROKERS'] ?? '', TOPIC, load)
    const home = folder(root, `large-${messages}`)
    const figures = await contestant('landing', { ...load, topic: TOPIC, home, env })
    log(`  landing: ${told(figures, load)}`)
    return figures
  }
  const few = await landed(many / 4)
  const all = await landed(many)
  const work = `landing ${many} messages of 10 MB`
  return [
    benchRow(work, (rate(all) * LARGE_BYTES) / 1e6, '', null, 'MB/s'),
    benchRow(`${work}: peak of memory`, all.peakMb, `the same with ${many / 4} of them`, few.peakMb, 'MB'),
  ]
}

async function contestant(name: string, course: Course): Promise<Figures> {
  const entry = join(import.meta.dirname, 'run-contestant.js')
  const args = [entry, 'landing/contestants', name, JSON.stringify({ ...course, env: firnEnv(course.env) })]
  const { stdout } = await promisify(execFile)(process.execPath, args, { env: { ...course.env, TZ: 'UTC' } })
  const figures = JSON.parse(stdout.trimEnd().split('\n').at(-1) ?? '') as Figures
  if (figures.messages !== course.messages) {
    throw new Error(`${name} saw ${figures.messages} messages of ${course.messages}`)
  }
  return figures
}

/** Nothing else of this process's environment changes what is measured. */
function firnEnv(env: Course['env']): Course['env'] {
  return Object.fromEntries(Object.entries(env).filter(([key]) => /^(FIRN|TEMPORAL)_/.test(key)))
}

function folder(root: string, name: string): string {
  const home = join(root, name.replaceAll(' ', '-'))
  mkdirSync(home)
  return home
}

function rate({ messages, seconds }: Figures): number {
  return messages / seconds
}

function perMillion({ messages, cpu }: Figures): number {
  return (cpu / messages) * 1e6
}

function told(figures: Figures, { sizeBytes }: Load): string {
  const { seconds, cpu, peakMb } = figures
  const perSecond = rate(figures)
  const speed = `${perSecond.toFixed(0)} messages/s, ${((perSecond * sizeBytes) / 1e6).toFixed(1)} MB/s`
  return `${speed}, ${seconds.toFixed(2)} s, ${cpu.toFixed(2)} CPU s, peak ${peakMb.toFixed(0)} MB`
}
