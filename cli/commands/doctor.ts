import { randomUUID } from 'node:crypto'
import { existsSync, mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import type { Command } from 'commander'
import { FirnError } from '../../schemas/error.js'
import type { Topics, TopicState } from '../../schemas/topics.js'
import { readConfig, type FirnConfig } from '../../workers/config.js'
import { probeStore } from '../probe-store.js'
import { printJson, printTable } from '../output.js'

interface Finding {
  readonly check: string
  readonly state: 'ok' | 'warning' | 'failed'
  /** What was found, and what to do where it is not well. */
  readonly detail: string
}

const FILE_STORE = 'file store'

export function addDoctorCommand(program: Command): void {
  program
    .command('doctor')
    .description('look at everything that Firn needs and say what to do')
    .option('--json', 'print [{check, state, detail}]')
    .action(async (options: { json?: true }) => {
      const config = readConfig()
      const { nativeTensorflowVersion } = await import('../../ml/training/tensorflow.js')
      const findings = [
        examine('Node', () => Promise.resolve(process.versions.node)),
        examine('lake folder', () => checkFolder(config)),
        checkFileStore(config),
        examine('catalog', () => checkCatalog(config)),
        examine('Temporal', () => checkTemporal(config)),
        checkKafka(config),
        examine('TensorFlow', () => nativeTensorflowVersion(), 'warning'),
      ]
      const report = await Promise.all(findings)
      if (report.some((finding) => finding.state === 'failed')) process.exitCode = 1
      if (options.json === true) {
        printJson(report)
        return
      }
      const marks = { ok: '✓', warning: '!', failed: '✗' }
      printTable(
        ['', 'check', 'found'],
        report.map((finding) => [marks[finding.state], finding.check, finding.detail]),
      )
    })
}

async function examine(
  check: string,
  look: () => Promise<string>,
  worst: 'warning' | 'failed' = 'failed',
): Promise<Finding> {
  try {
    return { check, state: 'ok', detail: await look() }
  } catch (error) {
    return { check, state: worst, detail: error instanceof Error ? error.message : String(error) }
  }
}

async function checkFolder(config: FirnConfig): Promise<string> {
  const existed = existsSync(config.home)
  const probe = join(config.home, '.doctor')
  mkdirSync(probe, { recursive: true })
  rmSync(existed ? probe : config.home, { recursive: true })
  return Promise.resolve(existed ? config.home : `${config.home} (made with the first landing)`)
}

async function checkFileStore(config: FirnConfig): Promise<Finding> {
  const existed = existsSync(config.home)
  const { openStorage } = await import('../../workers/open-catalog.js')
  try {
    const { missing } = await probeStore(openStorage(config), config.warehouse, randomUUID())
    const detail = missing ?? `${config.warehouse}: writes, reads, lists, deletes; create-if-absent holds`
    return { check: FILE_STORE, state: missing === undefined ? 'ok' : 'warning', detail }
  } catch (error) {
    return {
      check: FILE_STORE,
      state: 'failed',
      detail: error instanceof Error ? error.message : String(error),
    }
  } finally {
    if (!existed) rmSync(config.home, { recursive: true, force: true })
  }
}

async function checkCatalog(config: FirnConfig): Promise<string> {
  if (!existsSync(config.catalogPath)) return `none yet; SQLite at ${config.catalogPath}`
  const { createLakeDeps } = await import('../../workers/create-deps.js')
  const lake = await createLakeDeps(config)
  try {
    const { catalog, pipelines } = lake.deps
    const namespaces = await catalog.listNamespaces()
    const tables = await Promise.all(namespaces.map((namespace) => catalog.listTables(namespace)))
    return `${tables.flat().length} tables in ${namespaces.length} namespaces; pipelines ${[...pipelines.keys()].join(', ')}`
  } finally {
    lake.close()
  }
}

async function checkTemporal(config: FirnConfig): Promise<string> {
  if (config.temporal.address !== undefined) {
    const { connectClient } = await import('../../workers/connection.js')
    const client = await connectClient(config.temporal)
    await client.connection.close()
    return `answers at ${config.temporal.address}`
  }
  const { findTemporalServer } = await import('../../workers/temporal-server.js')
  const server = findTemporalServer()
  if (server === undefined)
    throw new FirnError('config', 'no dev server found: run `npm run setup`, or set TEMPORAL_ADDRESS')
  return `dev server at ${server}, started when a command needs it`
}

/** The topic of every source is asked for: a broker is well where it answers, whether or not they are there. */
async function checkKafka(config: FirnConfig): Promise<Finding> {
  const { kafka } = config
  const finding = (state: Finding['state'], detail: string): Finding => ({ check: 'Kafka', state, detail })
  if (kafka === undefined)
    return finding('ok', 'none configured, sources are folders and prefixes; FIRN_KAFKA_BROKERS names one')
  const { loadPipelines } = await import('../../lake/define/load-pipeline.js')
  const { createKafkaTopics } = await import('../../lake/land/kafka/kafka-topics.js')
  const topics = createKafkaTopics(kafka)
  try {
    const pipelines = [...(await loadPipelines(config.pipelineFolders)).values()]
    const names = new Set(
      pipelines.flatMap(({ sources }) => Object.values(sources).map((source) => source.topic)),
    )
    const found = await Promise.all([...names].map(async (name) => describeOrMissing(topics, name)))
    const missing = found.filter(({ state }) => state === undefined).map(({ name }) => name)
    const brokers = kafka.brokers.join(',')
    const there = found.flatMap(({ name, state }) => (state === undefined ? [] : [topicText(name, state)]))
    const said = [`${brokers} answers`, ...there].join('; ')
    if (kafka.sasl?.mechanism === 'plain' && kafka.tls === undefined)
      return finding('warning', `${said}. The password goes unencrypted: set FIRN_KAFKA_TLS=true`)
    if (missing.length === 0) return finding('ok', said)
    return finding('warning', `${said}. No topic ${missing.join(', ')}: create what you want to land from`)
  } catch (error) {
    return finding('failed', error instanceof Error ? error.message : String(error))
  } finally {
    await topics.close()
  }
}

async function describeOrMissing(
  topics: Topics,
  name: string,
): Promise<{ readonly name: string; readonly state: TopicState | undefined }> {
  try {
    return { name, state: await topics.describe(name) }
  } catch (error) {
    if (error instanceof FirnError && error.kind === 'not-found') return { name, state: undefined }
    throw error
  }
}

function topicText(name: string, { partitions }: TopicState): string {
  const offsets = partitions.reduce((sum, { earliest, end }) => sum + end - earliest, 0)
  return `${name} has ${partitions.length} partitions with ${offsets} offsets`
}
