import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Client } from '@temporalio/client'
import { readConfig, type FirnConfig } from '../workers/config.js'
import { connectClient, connectWorker } from '../workers/connection.js'
import { createLakeDeps, type Lake } from '../workers/create-deps.js'
import { installRuntime } from '../workers/runtime.js'
import { startWorkers } from '../workers/start-worker.js'
import { startDevServer } from '../workers/temporal-server.js'

export interface TemporalSession {
  readonly client: Client
  readonly config: FirnConfig
  /** Web UI of the dev server; absent where a server of your own is configured. */
  readonly uiUrl?: string
}

/** What a running dev server leaves in the lake's folder, so that other commands find it. */
interface RunningServer {
  readonly pid: number
  readonly address: string
  readonly uiUrl: string
}

/**
 * Gives `use` a client: of the configured server; else of the one that `firn dev` runs on this lake; else of a dev
 * server and workers that are started here and stopped afterwards.
 */
export async function withTemporal<T>(use: (session: TemporalSession) => Promise<T>): Promise<T> {
  const config = readConfig()
  const running = config.temporal.address === undefined ? readRunningServer(config) : undefined
  if (config.temporal.address === undefined && running === undefined)
    return withOwnServer(config, (session) => use(session))
  const temporal = running === undefined ? config.temporal : { ...config.temporal, address: running.address }
  const client = await connectClient(temporal)
  try {
    return await use({ client, config, ...(running === undefined ? {} : { uiUrl: running.uiUrl }) })
  } finally {
    await client.connection.close()
  }
}

export interface OwnServerSession extends TemporalSession {
  readonly uiUrl: string
  readonly lake: Lake
  /** Rejects if a worker fails. */
  readonly workersDone: Promise<void>
}

/** Starts a dev server and workers for as long as `use` runs; `announce` lets other commands join them. */
export async function withOwnServer<T>(
  config: FirnConfig,
  use: (session: OwnServerSession) => Promise<T>,
  options: { readonly uiPort?: number; readonly port?: number; readonly announce?: boolean } = {},
): Promise<T> {
  mkdirSync(config.home, { recursive: true })
  installRuntime({ logFile: join(config.home, 'worker.log'), level: 'warn', shutdownSignals: [] })
  const unlock = lockHistory(config)
  const server = await startDevServer({
    ...(unlock === undefined ? {} : { dbFile: join(config.home, 'temporal.db') }),
    ...(options.port === undefined ? {} : { port: options.port }),
    ...(options.uiPort === undefined ? {} : { uiPort: options.uiPort }),
  })
  try {
    const temporal = { ...config.temporal, address: server.address }
    const lake = await createLakeDeps(config)
    const connection = await connectWorker(temporal)
    const client = await connectClient(temporal)
    const workers = await startWorkers({ ...config, temporal }, connection, { lake })
    if (options.announce === true)
      writeFileSync(
        serverFile(config),
        JSON.stringify({ pid: process.pid, address: server.address, uiUrl: server.uiUrl }),
      )
    try {
      return await use({ client, config, uiUrl: server.uiUrl, lake, workersDone: workers.done })
    } finally {
      if (options.announce === true) rmSync(serverFile(config), { force: true })
      await workers.stop()
      await client.connection.close()
      await connection.close()
      lake.close()
    }
  } finally {
    await server.stop()
    unlock?.()
  }
}

function serverFile(config: FirnConfig): string {
  return join(config.home, 'temporal.json')
}

function readRunningServer(config: FirnConfig): RunningServer | undefined {
  const server = readJson(serverFile(config)) as RunningServer | undefined
  return server !== undefined && isAlive(server.pid) ? server : undefined
}

/**
 * One dev server at a time keeps its history in `temporal.db`; another command beside it works in memory. Returns how
 * to give the file free, or undefined where somebody else has it.
 */
function lockHistory(config: FirnConfig): (() => void) | undefined {
  const path = join(config.home, 'temporal.lock')
  const owner = readJson(path)
  if (typeof owner === 'number' && !isAlive(owner)) rmSync(path, { force: true })
  try {
    writeFileSync(path, String(process.pid), { flag: 'wx' })
  } catch {
    return undefined
  }
  return () => rmSync(path, { force: true })
}

function readJson(path: string): unknown {
  try {
    return JSON.parse(readFileSync(path, 'utf8'))
  } catch {
    return undefined
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}
