import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Client } from '@temporalio/client'
import { loadPipelines } from '../lake/define/load-pipeline.js'
import { readConfig, type FirnConfig } from '../workers/config.js'
import { FirnError } from '../schemas/error.js'
import { connectClient, connectWorker } from '../workers/connection.js'
import { createLakeDeps, type Lake } from '../workers/create-deps.js'
import { installRuntime } from '../workers/runtime.js'
import { startWorkers } from '../workers/start-worker.js'
import { startDevServer, type DevServer } from '../workers/temporal-server.js'
import { refuseAborted } from './interruption.js'
import { pipelineNamed } from './lake.js'

export interface TemporalSession {
  readonly client: Client
  readonly config: FirnConfig
  readonly address: string
  /** The server was started by this command and ends with it. */
  readonly ownServer: boolean
  /** Web UI of the dev server; absent where a server of your own is configured. */
  readonly uiUrl?: string
}

interface SessionOptions {
  /** Where it is aborted while the session starts, `use` is not called. */
  readonly signal: AbortSignal
  /** Has to exist where our own workers are to run it; other servers' workers know their own. */
  readonly pipeline?: string | undefined
  /** Where a server is started: lets other commands on this lake join it. */
  readonly announce?: boolean
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
export async function withTemporal<T>(
  use: (session: TemporalSession) => Promise<T>,
  options: SessionOptions,
): Promise<T> {
  const config = readConfig()
  const { address } = config.temporal
  const found = address === undefined ? await findRunningServer(config) : undefined
  if (address === undefined && found === undefined) return withOwnServer(config, use, options)
  const session = found ?? { client: await connectClient(config.temporal), address: address ?? '' }
  try {
    return await use({ ...session, config, ownServer: false })
  } finally {
    await session.client.connection.close()
  }
}

/** As withTemporal, for what makes no sense on a server that was only just started. Throws `not-found`. */
export async function withRunningTemporal<T>(
  use: (session: Pick<TemporalSession, 'client' | 'address'>) => Promise<T>,
): Promise<T> {
  return withTemporalIfRunning((session) => {
    if (session !== undefined) return use(session)
    throw new FirnError(
      'not-found',
      `no Temporal server is configured (TEMPORAL_ADDRESS), and neither \`firn dev\` nor \`firn stream\` runs on the lake in ${readConfig().home}.`,
    )
  })
}

/** As withRunningTemporal; `use` is given nothing where no server is configured and none runs on this lake. */
export async function withTemporalIfRunning<T>(
  use: (session: Pick<TemporalSession, 'client' | 'address'> | undefined) => T | Promise<T>,
): Promise<T> {
  const config = readConfig()
  const { address } = config.temporal
  const session =
    address === undefined
      ? await findRunningServer(config)
      : { client: await connectClient(config.temporal), address }
  try {
    return await use(session)
  } finally {
    await session?.client.connection.close()
  }
}

export interface OwnServerSession extends TemporalSession {
  readonly uiUrl: string
  readonly lake: Lake
}

interface OwnServerOptions extends SessionOptions {
  readonly uiPort?: number
  readonly port?: number
}

/** How long activities may go on that still run when a command ends. */
const GRACE_MS = 5000

/** Starts a dev server and workers for as long as `use` runs. Rejects also when a worker fails. */
export async function withOwnServer<T>(
  config: FirnConfig,
  use: (session: OwnServerSession) => Promise<T>,
  options: OwnServerOptions,
): Promise<T> {
  if (options.pipeline !== undefined)
    pipelineNamed(await loadPipelines(config.pipelineFolders), options.pipeline)
  const lake = await createLakeDeps(config)
  try {
    return await withServer(config, options, (server) => withWorkers({ config, lake, server, options, use }))
  } finally {
    lake.close()
  }
}

async function withServer<T>(
  config: FirnConfig,
  { port, uiPort, announce }: OwnServerOptions,
  use: (server: DevServer) => Promise<T>,
): Promise<T> {
  installRuntime({
    logFile: join(config.home, 'worker.log'),
    level: config.worker.logLevel ?? 'warn',
    shutdownSignals: [],
    // Those that stay up: a command beside them must not want the same port.
    ...(announce === true && config.worker.metricsAddress !== undefined
      ? { metricsAddress: config.worker.metricsAddress }
      : {}),
  })
  const unlock = lockHistory(config)
  try {
    const server = await startDevServer({
      ...(unlock === undefined ? {} : { dbFile: join(config.home, 'temporal.db') }),
      ...(port === undefined ? {} : { port }),
      ...(uiPort === undefined ? {} : { uiPort }),
    })
    try {
      return await use(server)
    } finally {
      await server.stop()
    }
  } finally {
    unlock?.()
  }
}

interface WorkersOptions<T> {
  readonly config: FirnConfig
  readonly lake: Lake
  readonly server: DevServer
  readonly options: OwnServerOptions
  readonly use: (session: OwnServerSession) => Promise<T>
}

async function withWorkers<T>({ config, lake, server, options, use }: WorkersOptions<T>): Promise<T> {
  const { address, uiUrl } = server
  const temporal = { ...config.temporal, address }
  const connection = await connectWorker(temporal)
  const client = await connectClient(temporal)
  const workers = await startWorkers({ ...config, temporal }, connection, { lake, graceMs: GRACE_MS })
  const announced = serverFile(config)
  if (options.announce === true)
    writeFileSync(announced, JSON.stringify({ pid: process.pid, address, uiUrl }))
  const workerFailed = new Promise<never>((_, reject) => {
    workers.done.catch(reject)
  })
  try {
    refuseAborted(options.signal)
    return await Promise.race([use({ client, config, ownServer: true, uiUrl, address, lake }), workerFailed])
  } finally {
    if (options.announce === true) rmSync(announced, { force: true })
    // A worker that failed has been told above.
    await workers.stop().catch(() => undefined)
    await client.connection.close()
    await connection.close()
  }
}

function lockFile(config: FirnConfig): string {
  return join(config.home, 'temporal.lock')
}

function serverFile(config: FirnConfig): string {
  return join(config.home, 'temporal.json')
}

/** The announced server; undefined where none is, or where its process ended without a word. */
async function findRunningServer(
  config: FirnConfig,
): Promise<{ client: Client; address: string; uiUrl: string } | undefined> {
  const server = readJson(serverFile(config)) as RunningServer | undefined
  if (server === undefined || !isAlive(server.pid)) return undefined
  try {
    const client = await connectClient({ ...config.temporal, address: server.address })
    return { client, address: server.address, uiUrl: server.uiUrl }
  } catch {
    return undefined
  }
}

/** Process that runs a dev server on this lake; undefined where none does. */
export function serverProcess(config: FirnConfig): number | undefined {
  const announced = readJson(serverFile(config)) as RunningServer | undefined
  return [announced?.pid, readJson(lockFile(config))].find(
    (pid): pid is number => typeof pid === 'number' && isAlive(pid),
  )
}

/**
 * One dev server at a time keeps its history in `temporal.db`; another command beside it works in memory. Returns how
 * to give the file free, or undefined where somebody else has it.
 */
function lockHistory(config: FirnConfig): (() => void) | undefined {
  const path = lockFile(config)
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
