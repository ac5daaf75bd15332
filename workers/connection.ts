import { Client, Connection } from '@temporalio/client'
import type { NativeConnection } from '@temporalio/worker'
import { blotSecrets } from '../activities/secrets.js'
import { FirnError } from '../schemas/error.js'
import { readApiKey, type TemporalConfig, type TlsConfig } from './temporal-settings.js'

/** Connects a worker process; the caller closes it after its workers have ended. Throws `config`. */
export async function connectWorker(config: TemporalConfig): Promise<NativeConnection> {
  // A client alone has no need of it, and it takes half a second to load.
  const { NativeConnection } = await import('@temporalio/worker')
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
  if (traceEndpoint === undefined) return new Client({ connection, namespace })
  const { startTracing } = await import('./tracing.js')
  const interceptors = (await startTracing(traceEndpoint)).client
  return new Client({ connection, namespace, interceptors })
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
    const why = causesOf(cause)
    throw new FirnError(
      'config',
      `no Temporal server answers at ${addressOf(config)} (${blotSecrets(why)}): ${whatToDo(config, why)}`,
      { cause },
    )
  }
}

/** The SDK's own message seldom says why TLS failed; the errors below it do. */
function causesOf(error: unknown): string {
  const messages: string[] = []
  for (let at = error; at instanceof Error && messages.length < 5; at = at.cause)
    if (!messages.some((message) => message.includes(at.message))) messages.push(at.message)
  return messages.length === 0 ? String(error) : messages.join(': ')
}

function whatToDo({ tls, apiKey, apiKeyFile }: TemporalConfig, why: string): string {
  if (tls === undefined)
    return 'start one, or correct TEMPORAL_ADDRESS; where it speaks TLS, say TEMPORAL_TLS=true.'
  const said = HINTS.find(([pattern]) => pattern.test(why))?.[1]
  if (said !== undefined) return said
  const key =
    apiKey === undefined && apiKeyFile === undefined ? '' : ' Its API key may be wrong (TEMPORAL_API_KEY).'
  return `start one, or correct TEMPORAL_ADDRESS; with TLS, TEMPORAL_TLS_SERVER_CA_CERT_PATH has to hold who signed its certificate (which must not have expired), TEMPORAL_TLS_SERVER_NAME a name in it, TEMPORAL_TLS_CLIENT_CERT_PATH a certificate that it takes, and TEMPORAL_TLS=false turns TLS off where it speaks none.${key}`
}

const HINTS: readonly (readonly [RegExp, string])[] = [
  [
    /expired/i,
    "its certificate has expired, or this machine's clock is wrong: renew the one, or set the other.",
  ],
  [
    /NotValidForName|altname|Hostname\/IP|not valid for/i,
    'its certificate is for another name: TEMPORAL_TLS_SERVER_NAME says which one to expect.',
  ],
  [
    /UnknownIssuer|self[- ]signed|unable to (get|verify)|BadSignature|signature/i,
    'its certificate was signed by nobody known here: put who signed it into TEMPORAL_TLS_SERVER_CA_CERT_PATH.',
  ],
  [
    /CertificateRequired|certificate required|certificate_required/i,
    'it asks for a certificate: TEMPORAL_TLS_CLIENT_CERT_PATH and TEMPORAL_TLS_CLIENT_KEY_PATH name ours.',
  ],
  [
    /InvalidContentType|wrong version number|corrupt message|packet length/i,
    'it does not speak TLS: TEMPORAL_TLS=false.',
  ],
]
