import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { z } from 'zod'
import { FirnError } from '../schemas/error.js'

/** How a Temporal server is reached. */
export interface TemporalConfig {
  /** Undefined: none is configured; commands that need one start a dev server. */
  readonly address?: string
  readonly namespace: string
  readonly apiKey?: string
  /** File that holds the API key: read again every minute, so that something else may keep it fresh. */
  readonly apiKeyFile?: string
  readonly tls?: TlsConfig
  /** OpenTelemetry collector (OTLP over HTTP) that gets the spans; undefined: none are made. */
  readonly traceEndpoint?: string
}

export interface TlsConfig {
  readonly serverName?: string
  readonly serverRootCa?: Buffer
  readonly clientCert?: { readonly crt: Buffer; readonly key: Buffer }
}

const text = z.string().min(1).optional()

/** Of the environment. */
export const TEMPORAL = {
  TEMPORAL_ADDRESS: text,
  TEMPORAL_NAMESPACE: z.string().min(1).default('default'),
  TEMPORAL_API_KEY: text,
  TEMPORAL_API_KEY_FILE: text,
  TEMPORAL_TLS: z.enum(['true', 'false', '1', '0']).optional(),
  TEMPORAL_TLS_SERVER_NAME: text,
  TEMPORAL_TLS_SERVER_CA_CERT_PATH: text,
  TEMPORAL_TLS_CLIENT_CERT_PATH: text,
  TEMPORAL_TLS_CLIENT_KEY_PATH: text,
  FIRN_OTLP_ENDPOINT: z.url({ protocol: /^https?$/ }).optional(),
  OTEL_EXPORTER_OTLP_ENDPOINT: z.url({ protocol: /^https?$/ }).optional(),
}

type Given = z.infer<z.ZodObject<typeof TEMPORAL>>

/** Throws `config`, without the values: some are secrets. */
export function temporalConfig(given: Given, cwd: string): TemporalConfig {
  const tls = tlsConfig(given, cwd)
  const traceEndpoint = given.FIRN_OTLP_ENDPOINT ?? given.OTEL_EXPORTER_OTLP_ENDPOINT
  return {
    namespace: given.TEMPORAL_NAMESPACE,
    ...(given.TEMPORAL_ADDRESS === undefined ? {} : { address: given.TEMPORAL_ADDRESS }),
    ...apiKeyOf(given, cwd),
    ...(tls === undefined ? {} : { tls }),
    ...(traceEndpoint === undefined ? {} : { traceEndpoint }),
  }
}

function apiKeyOf(given: Given, cwd: string): Pick<TemporalConfig, 'apiKey' | 'apiKeyFile'> {
  const { TEMPORAL_API_KEY: apiKey, TEMPORAL_API_KEY_FILE: file } = given
  if (file === undefined) return apiKey === undefined ? {} : { apiKey }
  if (apiKey === undefined) return { apiKeyFile: resolve(cwd, file) }
  throw new FirnError('config', 'TEMPORAL_API_KEY and TEMPORAL_API_KEY_FILE are both set: unset one of them.')
}

/** The key as it is now; undefined where none is configured. Throws `config` where its file can't be read. */
export function readApiKey({
  apiKey,
  apiKeyFile,
}: Pick<TemporalConfig, 'apiKey' | 'apiKeyFile'>): string | undefined {
  if (apiKeyFile === undefined) return apiKey
  const key = readFile(apiKeyFile, 'TEMPORAL_API_KEY_FILE').toString('utf8').trim()
  if (key !== '') return key
  throw new FirnError(
    'config',
    `TEMPORAL_API_KEY_FILE names ${apiKeyFile}, which is empty: put the key there.`,
  )
}

/** TLS is on where asked for, with an API key, or where a certificate is given; TEMPORAL_TLS=false turns it off. */
function tlsConfig(given: Given, cwd: string): TlsConfig | undefined {
  const { TEMPORAL_TLS: asked, TEMPORAL_TLS_CLIENT_CERT_PATH: crt, TEMPORAL_TLS_CLIENT_KEY_PATH: key } = given
  if (asked === 'false' || asked === '0') return undefined
  if ((crt === undefined) !== (key === undefined)) {
    throw new FirnError(
      'config',
      'TEMPORAL_TLS_CLIENT_CERT_PATH and TEMPORAL_TLS_CLIENT_KEY_PATH belong together: set both or none.',
    )
  }
  const ca = given.TEMPORAL_TLS_SERVER_CA_CERT_PATH
  const apiKey = given.TEMPORAL_API_KEY ?? given.TEMPORAL_API_KEY_FILE
  const wanted = [asked, apiKey, ca, crt, given.TEMPORAL_TLS_SERVER_NAME]
  if (wanted.every((value) => value === undefined)) return undefined
  const read = (path: string): Buffer => readFile(resolve(cwd, path), 'the TLS file')
  return {
    ...(given.TEMPORAL_TLS_SERVER_NAME === undefined ? {} : { serverName: given.TEMPORAL_TLS_SERVER_NAME }),
    ...(ca === undefined ? {} : { serverRootCa: read(ca) }),
    ...(crt === undefined || key === undefined ? {} : { clientCert: { crt: read(crt), key: read(key) } }),
  }
}

function readFile(path: string, what: string): Buffer {
  try {
    return readFileSync(path)
  } catch (cause) {
    throw new FirnError('config', `${what} ${path} can't be read: correct its path or its permissions.`, {
      cause,
    })
  }
}
