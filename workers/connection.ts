import { Client, Connection } from '@temporalio/client'
import { NativeConnection } from '@temporalio/worker'
import { FirnError } from '../schemas/error.js'
import { readApiKey, type TemporalConfig, type TlsConfig } from './temporal-settings.js'
import { startTracing } from './tracing.js'

/** Connects a worker process; the caller closes it after its workers have ended. Throws `config`. */
export async function connectWorker(config: TemporalConfig): Promise<NativeConnection> {
  const apiKey = readApiKey(config)
  const connection = await connect(config, () =>
    NativeConnection.connect({ ...connectionOptions(config), ...(apiKey === undefined ? {} : { apiKey }) }),
  )
  if (config.apiKeyFile !== undefined) keepApiKey(connection, config, apiKey)
  return connection
}

/** A client of the configured namespace; close its `connection` at the end. Throws `config`. */
export async function connectClient(config: TemporalConfig): Promise<Client> {
  const apiKey = readApiKey(config) === undefined ? {} : { apiKey: () => readApiKey(config) ?? '' }
  const connection = await connect(config, () =>
    Connection.connect({ ...connectionOptions(config), ...apiKey, connectTimeout: 5000 }),
  )
  const { traceEndpoint, namespace } = config
  const interceptors =
    traceEndpoint === undefined ? {} : { interceptors: (await startTracing(traceEndpoint)).client }
  return new Client({ connection, namespace, ...interceptors })
}

const KEY_CHECK_MS = 60_000

/** A key that was replaced in its file is used from then on; one that can't be read leaves the old one in use. */
function keepApiKey(connection: NativeConnection, config: TemporalConfig, first: string | undefined): void {
  let used = first
  const timer = setInterval(() => {
    try {
      const now = readApiKey(config)
      if (now === undefined || now === used) return
      used = now
      connection.setApiKey(now).catch(() => clearInterval(timer))
    } catch {
      // Something may be writing it just now: the next look finds it.
    }
  }, KEY_CHECK_MS)
  timer.unref()
}

function connectionOptions(config: TemporalConfig): {
  readonly address: string
  readonly tls?: TlsConfig & {
    readonly serverNameOverride?: string
    readonly serverRootCACertificate?: Buffer
  }
} {
  return {
    address: addressOf(config),
    ...(config.tls === undefined ? {} : { tls: sdkTls(config.tls) }),
  }
}

function sdkTls(tls: TlsConfig) {
  return {
    ...(tls.serverName === undefined ? {} : { serverNameOverride: tls.serverName }),
    ...(tls.serverRootCa === undefined ? {} : { serverRootCACertificate: tls.serverRootCa }),
    ...(tls.clientCert === undefined ? {} : { clientCertPair: tls.clientCert }),
  }
}

function addressOf(config: TemporalConfig): string {
  return config.address ?? '127.0.0.1:7233'
}

async function connect<T>(config: TemporalConfig, open: () => Promise<T>): Promise<T> {
  try {
    return await open()
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause)
    throw new FirnError(
      'config',
      `no Temporal server answers at ${addressOf(config)} (${why}): start one, or correct TEMPORAL_ADDRESS and the TLS settings.`,
      { cause },
    )
  }
}
