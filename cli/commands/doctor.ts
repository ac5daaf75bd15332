import { randomUUID } from 'node:crypto'
import { existsSync, mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import type { Command } from 'commander'
import { FirnError } from '../../schemas/error.js'
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
