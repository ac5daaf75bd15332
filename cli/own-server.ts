import { join } from 'node:path'
import { loadPipelines } from '../lake/define/load-pipeline.js'
import type { FirnConfig } from '../workers/config.js'
import { connectClient, connectWorker } from '../workers/connection.js'
import { createLakeDeps, type Lake } from '../workers/create-deps.js'
import { installRuntime } from '../workers/runtime.js'
import { startWorkers } from '../workers/start-worker.js'
import { startDevServer, type DevServer } from '../workers/temporal-server.js'
import { refuseAborted } from './interruption.js'
import { pipelineNamed } from './lake.js'
import { announceServer, historyFile, lockHistory } from './server-files.js'
import type { SessionOptions, TemporalSession } from './temporal-session.js'

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
      ...(unlock === undefined ? {} : { dbFile: historyFile(config) }),
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
  const withdraw = options.announce === true ? announceServer(config, { address, uiUrl }) : undefined
  const workerFailed = new Promise<never>((_, reject) => {
    workers.done.catch(reject)
  })
  try {
    refuseAborted(options.signal)
    return await Promise.race([use({ client, config, ownServer: true, uiUrl, address, lake }), workerFailed])
  } finally {
    withdraw?.()
    // A worker that failed has been told above.
    await workers.stop().catch(() => undefined)
    await client.connection.close()
    await connection.close()
  }
}
