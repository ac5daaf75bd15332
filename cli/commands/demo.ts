import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Command } from 'commander'
import { FirnError } from '../../schemas/error.js'
import { readConfig, type FirnConfig } from '../../workers/config.js'
import type { DemoFeed } from '../demo/demo-feed.js'
import { aborted, interruptible } from '../interruption.js'
import { printJson } from '../output.js'

const MARKER = 'demo.json'
/** Servers that `npm run services` keeps beside the lake. */
const SERVICES = 'services'

interface DemoOptions {
  readonly keep?: boolean
  readonly json?: boolean
  readonly kafka?: boolean
}

export function addDemoCommand(program: Command): void {
  program
    .command('demo')
    .description('the whole loop on 60 real documents: land, build, check, publish, train, score, maintain')
    .option(
      '--kafka',
      'through a topic of a real broker: the configured one, else one that is started for it',
    )
    .option('--keep', 'stay up afterwards, with Temporal’s UI to look at')
    .option('--json', 'print the summary as JSON')
    .action((options: DemoOptions) =>
      interruptible((signal) =>
        (options.kafka === true ? demoThroughTopic : demoThroughFolder)(options, signal),
      ),
    )
}

async function demoThroughFolder(options: DemoOptions, signal: AbortSignal): Promise<void> {
  const config = readConfig()
  await prepareHome(config)
  const { folderFeed } = await import('../demo/demo-feed.js')
  await demo({ config, feed: folderFeed(config), options, signal })
}

async function demoThroughTopic(options: DemoOptions, signal: AbortSignal): Promise<void> {
  const config = readConfig()
  await prepareHome(config)
  const { withTopicFeed } = await import('../demo/topic-feed.js')
  const run = async (): Promise<void> => {
    const config = readConfig()
    const { kafka } = config
    if (kafka === undefined)
      throw new FirnError('config', 'no Kafka broker is configured: set FIRN_KAFKA_BROKERS=host:port.')
    await withTopicFeed(kafka, signal, (feed) => demo({ config, feed, options, signal }))
  }
  if (config.kafka !== undefined) return run()
  const { withDemoBroker } = await import('../demo/demo-broker.js')
  await withDemoBroker(config.home, signal, (env) => {
    Object.assign(process.env, env)
    return run()
  })
}

async function demo(run: {
  readonly config: FirnConfig
  readonly feed: DemoFeed
  readonly options: DemoOptions
  readonly signal: AbortSignal
}): Promise<void> {
  const { config, feed, signal } = run
  const { keep = false, json = false } = run.options
  const { withOwnServer } = await import('../own-server.js')
  const { runDemo } = await import('../demo/run-demo.js')
  const { printSummary, summaryJson } = await import('../demo/summary.js')
  await withOwnServer(
    config,
    async (session) => {
      const summary = await runDemo(session, feed, signal)
      if (json) printJson(summaryJson(summary))
      else printSummary(summary, { home: config.home, uiUrl: session.uiUrl, keep })
      if (summary.topic?.exactlyOnce === false) process.exitCode = 1
      if (!keep) return
      process.stderr.write(`\nStaying up: ${session.uiUrl}. Ctrl-C stops it.\n`)
      await aborted(signal)
    },
    { announce: true, signal },
  )
}

/** The demo starts from an empty lake: it clears one that a demo made, and leaves any other alone. */
async function prepareHome(config: FirnConfig): Promise<void> {
  const { serverProcess } = await import('../server-files.js')
  const server = serverProcess(config)
  if (server !== undefined) {
    throw new FirnError(
      'invalid-input',
      `another command works on ${config.home} (process ${server}): end it first, or set FIRN_HOME to another folder.`,
    )
  }
  const marker = join(config.home, MARKER)
  if (existsSync(config.catalogPath) && !existsSync(marker)) {
    throw new FirnError(
      'invalid-input',
      `${config.home} holds a lake that the demo did not make. Set FIRN_HOME to another folder for the demo.`,
    )
  }
  if (existsSync(marker)) {
    for (const name of readdirSync(config.home).filter((other) => other !== SERVICES))
      rmSync(join(config.home, name), { recursive: true })
  }
  mkdirSync(config.home, { recursive: true })
  writeFileSync(marker, '{"madeBy":"firn demo"}\n')
}
