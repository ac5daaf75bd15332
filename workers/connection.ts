import { Client, Connection } from '@temporalio/client'
import { NativeConnection } from '@temporalio/worker'
import { FirnError } from '../schemas/error.js'
import type { TemporalConfig, TlsConfig } from './config.js'

/** Connects a worker process; the caller closes it after its workers have ended. Throws `config`. */
export function connectWorker(config: TemporalConfig): Promise<NativeConnection> {
  return connect(config, () => NativeConnection.connect(connectionOptions(config)))
}

/** A client of the configured namespace; close its `connection` at the end. Throws `config`. */
export async function connectClient(config: TemporalConfig): Promise<Client> {
  const connection = await connect(config, () =>
    Connection.connect({ ...connectionOptions(config), connectTimeout: 5000 }),
  )
  return new Client({ connection, namespace: config.namespace })
}

function connectionOptions(config: TemporalConfig): {
  readonly address: string
  readonly tls?: TlsConfig & {
    readonly serverNameOverride?: string
    readonly serverRootCACertificate?: Buffer
  }
  readonly apiKey?: string
} {
  return {
    address: addressOf(config),
    ...(config.apiKey === undefined ? {} : { apiKey: config.apiKey }),
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
