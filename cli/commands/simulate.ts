import { resolve } from 'node:path'
import { InvalidArgumentError, Option, type Command } from 'commander'
import { FirnError } from '../../schemas/error.js'
import { readConfig, type FirnConfig } from '../../workers/config.js'
import { integerOption } from '../integer-option.js'
import { interruptible } from '../interruption.js'
import { startProgress } from '../progress.js'
import type { Simulation } from '../simulate/simulation.js'
import type { Sink } from '../simulate/sink.js'

interface SimulateOptions {
  readonly to: 'kafka' | 'dir'
  readonly seed: number
  readonly count: number
  readonly rate?: number
  readonly start: number
  readonly bad: number
  readonly dir?: string
  readonly topic?: string
  readonly partitions: number
  readonly compression: 'none' | 'gzip'
  readonly json?: true
}

const START = '2026-01-01T00:00:00Z'

export function addSimulateCommand(program: Command): void {
  const simulate = program
    .command('simulate')
    .description('send made-up documents to a topic or a folder: the same seed, the same documents')
  const quantum = simulate.command('quantum').description('made-up VQE runs, one document each')
  addOptions(quantum, { count: 100, ratePerSecond: 10 })
    .option(
      '--iterations <n>',
      'most iterations of a run; 100 make documents of about 50 kB',
      positiveOption,
      100,
    )
    .action(async (options: SimulateOptions & { readonly iterations: number }) => {
      const { quantumSimulation } = await import('../simulate/simulation.js')
      const { seed, start, iterations } = options
      await send(quantumSimulation({ seed, startMs: start, iterations }), options, 10)
    })
  const churn = simulate.command('churn').description('made-up payments of users who stay or leave')
  addOptions(churn, { count: 100_000, ratePerSecond: 1000 })
    .option('--users <n>', 'users who join in the first month, and again every year', positiveOption, 1000)
    .option('--late <share>', 'share of the events that arrive up to a day late', shareOption, 0)
    .action(async (options: SimulateOptions & { readonly users: number; readonly late: number }) => {
      const { churnSimulation } = await import('../simulate/simulation.js')
      const { seed, start, users, late } = options
      await send(churnSimulation({ seed, startMs: start, users, late }), options, 1000)
    })
}

function addOptions(
  command: Command,
  { count, ratePerSecond }: { readonly count: number; readonly ratePerSecond: number },
): Command {
  return command
    .addOption(new Option('--to <where>', 'where they go').choices(['kafka', 'dir']).makeOptionMandatory())
    .option('--count <n>', 'how many; 0: until Ctrl-C', integerOption, count)
    .option('--seed <n>', 'the same seed and options, the same documents', integerOption, 1)
    .option(
      '--rate <n>',
      `documents a second; 0: as fast as it goes (default: kafka ${ratePerSecond}, dir 0)`,
      integerOption,
    )
    .option('--start <instant>', 'time of the first document', instantOption, Date.parse(START))
    .option('--bad <share>', 'share of documents that break the contract, e.g. 0.01', shareOption, 0)
    .option(
      '--dir <folder>',
      'landing root for --to dir; they go into its folder of the topic (default: the lake’s)',
    )
    .option('--topic <name>', 'another topic than the pipeline’s')
    .option('--partitions <n>', 'partitions of a topic that is not there yet', positiveOption, 4)
    .addOption(
      new Option('--compression <codec>', 'of batches or files').choices(['none', 'gzip']).default('none'),
    )
    .option('--json', 'print the result as JSON')
}

async function send(simulation: Simulation, options: SimulateOptions, topicRate: number): Promise<void> {
  const config = readConfig()
  const { breakDocuments } = await import('../simulate/break-documents.js')
  const { runSimulation } = await import('../simulate/run-simulation.js')
  const { printSimulation } = await import('../simulate/print-simulation.js')
  const { seed, bad, rate = options.to === 'kafka' ? topicRate : 0 } = options
  const count = options.count === 0 ? Infinity : options.count
  const broken = breakDocuments(simulation.records, { seed, share: bad, members: simulation.requiredMembers })
  await interruptible(async (signal) => {
    const sink = await openSink(config, simulation, options, signal)
    const progress = startProgress(`simulating ${simulation.name}`)
    try {
      const onProgress = throttled((sent) =>
        progress.update(
          `${sent.toLocaleString('en-US')}${count === Infinity ? '' : ` of ${count.toLocaleString('en-US')}`}`,
        ),
      )
      const sent = await runSimulation({
        records: broken.records,
        sink,
        count,
        ratePerSecond: rate,
        signal,
        onProgress,
      })
      progress.done()
      printSimulation(
        { simulation, seed, sent, bad: broken.counts, place: sink.place },
        options.json === true,
      )
    } catch (error) {
      progress.failed()
      throw error
    }
  })
}

async function openSink(
  config: FirnConfig,
  simulation: Simulation,
  options: SimulateOptions,
  signal: AbortSignal,
): Promise<Sink> {
  const topic = options.topic ?? simulation.topic
  const gzip = options.compression === 'gzip'
  if (options.to === 'dir') {
    const { openFolderSink } = await import('../simulate/folder-sink.js')
    const lines = (number: number): string =>
      `${simulation.name}-${options.seed}-${String(number).padStart(6, '0')}.jsonl`
    const folder = resolve(options.dir ?? config.landingRoot, topic)
    const { fileName } = simulation
    return openFolderSink({ folder, lines, gzip, ...(fileName === undefined ? {} : { fileName }) })
  }
  if (options.dir !== undefined) {
    throw new FirnError('invalid-input', '--dir is for --to dir; leave it out, or send to the folder.')
  }
  if (config.kafka === undefined) {
    throw new FirnError(
      'config',
      'no Kafka broker is configured: set FIRN_KAFKA_BROKERS=host:port (docs/kafka.md), or use --to dir.',
    )
  }
  const { openTopicSink } = await import('../simulate/topic-sink.js')
  return openTopicSink({ kafka: config.kafka, topic, partitions: options.partitions, gzip, signal })
}

const EVERY_MS = { terminal: 200, log: 10_000 } as const

function throttled(update: (sent: number) => void): (sent: number) => void {
  let next = 0
  return (sent) => {
    const now = performance.now()
    if (now < next) return
    next = now + (process.stderr.isTTY ? EVERY_MS.terminal : EVERY_MS.log)
    update(sent)
  }
}

function positiveOption(text: string): number {
  const number = integerOption(text)
  if (number === 0) throw new InvalidArgumentError('Give a whole number from 1 on.')
  return number
}

function shareOption(text: string): number {
  const share = Number(text)
  if (text.trim() === '' || !(share >= 0 && share <= 1))
    throw new InvalidArgumentError('Give a number from 0 to 1.')
  return share
}

function instantOption(text: string): number {
  const ms = /^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:\d{2}))?$/.test(text)
    ? Date.parse(text)
    : NaN
  if (Number.isNaN(ms) || ms < 0) throw new InvalidArgumentError(`Give an instant such as ${START}.`)
  return ms
}
