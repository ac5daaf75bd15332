import type { Client } from '@temporalio/client'
import { FirnError } from '../schemas/error.js'
import { readConfig, type FirnConfig } from '../workers/config.js'
import { connectClient } from '../workers/connection.js'
import { announcedServer } from './server-files.js'

export interface TemporalSession {
  readonly client: Client
  readonly config: FirnConfig
  readonly address: string
  /** The server was started by this command and ends with it. */
  readonly ownServer: boolean
  /** Web UI of the dev server; absent where a server of your own is configured. */
  readonly uiUrl?: string
}

export interface SessionOptions {
  /** Where it is aborted while the session starts, `use` is not called. */
  readonly signal: AbortSignal
  /** Has to exist where our own workers are to run it; other servers' workers know their own. */
  readonly pipeline?: string | undefined
  /** Where a server is started: lets other commands on this lake join it. */
  readonly announce?: boolean
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
  if (address === undefined && found === undefined) {
    // Workers take most of a second to load: commands that find a server do without.
    const { withOwnServer } = await import('./own-server.js')
    return withOwnServer(config, use, options)
  }
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

/** The announced server; undefined where none is, or where its process ended without a word. */
async function findRunningServer(
  config: FirnConfig,
): Promise<{ client: Client; address: string; uiUrl: string } | undefined> {
  const server = announcedServer(config)
  if (server === undefined) return undefined
  try {
    const client = await connectClient({ ...config.temporal, address: server.address })
    return { client, address: server.address, uiUrl: server.uiUrl }
  } catch {
    return undefined
  }
}
