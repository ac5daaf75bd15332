import { readFileSync } from 'node:fs'
import { delimiter, isAbsolute, join, resolve } from 'node:path'
import { z } from 'zod'
import { toLocalPath } from '../iceberg/io/location.js'
import { isS3Location } from '../iceberg/io/s3-location.js'
import type { KafkaConfig } from '../lake/land/kafka/kafka-config.js'
import { FirnError } from '../schemas/error.js'
import type { LakeSettings } from '../schemas/lake-deps.js'
import { CATALOG_SERVER, catalogServer, type CatalogServer } from './catalog-server.js'
import { KAFKA, kafkaConfig } from './kafka-settings.js'

/** Everything that a process of ours takes from its environment. Paths are absolute. */
export interface FirnConfig {
  /** Folder of the lake: `catalog.db`, `registry.db`, `temporal.db`, `warehouse/`, `landing/`. */
  readonly home: string
  readonly catalogName: string
  readonly catalogPath: string
  /** Where one is named it holds the catalog, and not `catalogPath`. */
  readonly catalogServer?: CatalogServer
  readonly registryPath: string
  /** `file:///…` or `s3://bucket/prefix` */
  readonly warehouse: string
  /** How S3 and stores like it are reached; credentials come from the SDK's chain (AWS_* variables, profiles, roles). */
  readonly s3: S3Config
  /** Bytes of copies of remote files to keep in `<home>/cache`; undefined: the engine's default. */
  readonly cacheBytes?: number
  /** Folder with a sub-folder a topic, where a landing looks that names no folder. Also in `settings`. */
  readonly landingRoot: string
  /** Folders of further pipelines, or folders that hold such; Firn's own are always there. */
  readonly pipelineFolders: readonly string[]
  /** DuckDB threads of one session; undefined: the number of cores. */
  readonly threads?: number
  readonly memoryLimitBytes?: number
  /** `host:port` where Prometheus finds the worker's metrics; nothing listens without. */
  readonly metricsAddress?: string
  readonly settings: LakeSettings
  /** Broker that sources' topics are landed from; undefined: they are landed from folders and prefixes. */
  readonly kafka?: KafkaConfig
  readonly temporal: TemporalConfig
}

export interface S3Config {
  readonly endpoint?: string
  readonly region?: string
  readonly pathStyle?: boolean
  readonly conditionalCreate?: boolean
}

export interface TemporalConfig {
  /** Undefined: none is configured; commands that need one start a dev server. */
  readonly address?: string
  readonly namespace: string
  readonly apiKey?: string
  readonly tls?: TlsConfig
}

export interface TlsConfig {
  readonly serverName?: string
  readonly serverRootCa?: Buffer
  readonly clientCert?: { readonly crt: Buffer; readonly key: Buffer }
}

const text = z.string().min(1).optional()
const count = z.coerce.number().int().positive().optional()
const yesOrNo = z
  .enum(['true', 'false', '1', '0'])
  .transform((value) => value === 'true' || value === '1')
  .optional()
const days = (byDefault: number) =>
  z.coerce
    .number()
    .nonnegative()
    .default(byDefault)
    .transform((value) => value * 86_400_000)

const ENVIRONMENT = z.object({
  FIRN_HOME: z.string().min(1).default('.firn'),
  FIRN_CATALOG_NAME: z.string().min(1).default('firn'),
  ...CATALOG_SERVER,
  ...KAFKA,
  FIRN_WAREHOUSE: text,
  FIRN_LANDING: text,
  FIRN_PIPELINES: text,
  FIRN_S3_ENDPOINT: z.url({ protocol: /^https?$/ }).optional(),
  FIRN_S3_REGION: text,
  FIRN_S3_PATH_STYLE: yesOrNo,
  FIRN_S3_CONDITIONAL_CREATE: yesOrNo,
  FIRN_CACHE_MB: count,
  FIRN_THREADS: count,
  FIRN_MEMORY_MB: count,
  FIRN_METRICS_ADDRESS: z
    .string()
    .regex(
      /^(\[[0-9a-f:]+\]|\d{1,3}(\.\d{1,3}){3}):\d{1,5}$/i,
      'give an IP address and a port, such as 127.0.0.1:9464',
    )
    .optional(),
  FIRN_STAGING_LEASE_DAYS: days(7),
  FIRN_TAG_RETENTION_DAYS: days(400),
  FIRN_TAG_THIN_AFTER_DAYS: days(7),
  FIRN_SNAPSHOT_MAX_AGE_DAYS: days(5),
  FIRN_ORPHAN_MIN_AGE_DAYS: days(3),
  FIRN_RAW_RETENTION_DAYS: z.coerce.number().positive().optional(),
  FIRN_SETTLE_SECONDS: z.coerce.number().nonnegative().default(0),
  TEMPORAL_ADDRESS: text,
  TEMPORAL_NAMESPACE: z.string().min(1).default('default'),
  TEMPORAL_API_KEY: text,
  TEMPORAL_TLS: z.enum(['true', 'false', '1', '0']).optional(),
  TEMPORAL_TLS_SERVER_NAME: text,
  TEMPORAL_TLS_SERVER_CA_CERT_PATH: text,
  TEMPORAL_TLS_CLIENT_CERT_PATH: text,
  TEMPORAL_TLS_CLIENT_KEY_PATH: text,
})
type Environment = z.infer<typeof ENVIRONMENT>

/** Reads and checks the configuration; an empty variable counts as not set. Throws `config`. */
export function readConfig(env: NodeJS.ProcessEnv = process.env, cwd = process.cwd()): FirnConfig {
  const set = Object.fromEntries(Object.entries(env).filter(([, value]) => value !== ''))
  const parsed = ENVIRONMENT.safeParse(set)
  if (!parsed.success) {
    const wrong = parsed.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`).join('; ')
    throw new FirnError('config', `the environment is wrong: ${wrong}. Correct or unset it.`)
  }
  const given = parsed.data
  const home = resolve(cwd, given.FIRN_HOME)
  const server = catalogServer(given)
  const kafka = kafkaConfig(given, cwd)
  const landingRoot = resolve(cwd, given.FIRN_LANDING ?? join(home, 'landing'))
  return {
    home,
    catalogName: given.FIRN_CATALOG_NAME,
    catalogPath: join(home, 'catalog.db'),
    ...(server === undefined ? {} : { catalogServer: server }),
    registryPath: join(home, 'registry.db'),
    warehouse: warehouseLocation(given.FIRN_WAREHOUSE, home, cwd),
    s3: s3Config(given),
    ...(given.FIRN_CACHE_MB === undefined ? {} : { cacheBytes: given.FIRN_CACHE_MB * 1_048_576 }),
    landingRoot,
    pipelineFolders: pipelineFolders(given.FIRN_PIPELINES, cwd),
    ...(given.FIRN_THREADS === undefined ? {} : { threads: given.FIRN_THREADS }),
    ...(given.FIRN_MEMORY_MB === undefined ? {} : { memoryLimitBytes: given.FIRN_MEMORY_MB * 1_048_576 }),
    ...(given.FIRN_METRICS_ADDRESS === undefined ? {} : { metricsAddress: given.FIRN_METRICS_ADDRESS }),
    settings: {
      stagingLeaseMs: given.FIRN_STAGING_LEASE_DAYS,
      tagRetentionMs: given.FIRN_TAG_RETENTION_DAYS,
      tagThinAfterMs: given.FIRN_TAG_THIN_AFTER_DAYS,
      snapshotMaxAgeMs: given.FIRN_SNAPSHOT_MAX_AGE_DAYS,
      orphanMinAgeMs: given.FIRN_ORPHAN_MIN_AGE_DAYS,
      ...(given.FIRN_RAW_RETENTION_DAYS === undefined
        ? {}
        : { rawRetentionMs: given.FIRN_RAW_RETENTION_DAYS * 86_400_000 }),
      settleMs: given.FIRN_SETTLE_SECONDS * 1000,
      landingRoot,
    },
    ...(kafka === undefined ? {} : { kafka }),
    temporal: temporalConfig(given, cwd),
  }
}

function warehouseLocation(given: string | undefined, home: string, cwd: string): string {
  if (given === undefined) return `file://${join(home, 'warehouse')}`
  const scheme = /^([a-z][a-z0-9+.-]+):/i.exec(given)?.[1]
  if (scheme === undefined) return `file://${isAbsolute(given) ? given : resolve(cwd, given)}`
  if (scheme === 'file') return `file://${toLocalPath(given)}`
  if (isS3Location(given)) return given.replace(/(?<=[^/])\/+$/, '')
  throw new FirnError(
    'config',
    `FIRN_WAREHOUSE names a store of kind "${scheme}", which is not supported: give a path or s3://bucket/prefix.`,
  )
}

function s3Config(given: Environment): S3Config {
  const {
    FIRN_S3_ENDPOINT: endpoint,
    FIRN_S3_REGION: region,
    FIRN_S3_PATH_STYLE: pathStyle,
    FIRN_S3_CONDITIONAL_CREATE: conditionalCreate,
  } = given
  return {
    ...(endpoint === undefined ? {} : { endpoint }),
    ...(region === undefined ? {} : { region }),
    ...(pathStyle === undefined ? {} : { pathStyle }),
    ...(conditionalCreate === undefined ? {} : { conditionalCreate }),
  }
}

function pipelineFolders(given: string | undefined, cwd: string): readonly string[] {
  return (given ?? '')
    .split(delimiter)
    .filter((folder) => folder !== '')
    .map((folder) => resolve(cwd, folder))
}

function temporalConfig(given: Environment, cwd: string): TemporalConfig {
  const tls = tlsConfig(given, cwd)
  return {
    namespace: given.TEMPORAL_NAMESPACE,
    ...(given.TEMPORAL_ADDRESS === undefined ? {} : { address: given.TEMPORAL_ADDRESS }),
    ...(given.TEMPORAL_API_KEY === undefined ? {} : { apiKey: given.TEMPORAL_API_KEY }),
    ...(tls === undefined ? {} : { tls }),
  }
}

/** TLS is on where asked for, with an API key, or where a certificate is given; TEMPORAL_TLS=false turns it off. */
function tlsConfig(given: Environment, cwd: string): TlsConfig | undefined {
  const { TEMPORAL_TLS: asked, TEMPORAL_TLS_CLIENT_CERT_PATH: crt, TEMPORAL_TLS_CLIENT_KEY_PATH: key } = given
  if (asked === 'false' || asked === '0') return undefined
  if ((crt === undefined) !== (key === undefined)) {
    throw new FirnError(
      'config',
      'TEMPORAL_TLS_CLIENT_CERT_PATH and TEMPORAL_TLS_CLIENT_KEY_PATH belong together: set both or none.',
    )
  }
  const ca = given.TEMPORAL_TLS_SERVER_CA_CERT_PATH
  const wanted = [asked, given.TEMPORAL_API_KEY, ca, crt, given.TEMPORAL_TLS_SERVER_NAME]
  if (wanted.every((value) => value === undefined)) return undefined
  const read = (path: string): Buffer => readPem(resolve(cwd, path))
  return {
    ...(given.TEMPORAL_TLS_SERVER_NAME === undefined ? {} : { serverName: given.TEMPORAL_TLS_SERVER_NAME }),
    ...(ca === undefined ? {} : { serverRootCa: read(ca) }),
    ...(crt === undefined || key === undefined ? {} : { clientCert: { crt: read(crt), key: read(key) } }),
  }
}

function readPem(path: string): Buffer {
  try {
    return readFileSync(path)
  } catch (cause) {
    throw new FirnError(
      'config',
      `the TLS file ${path} can't be read: correct its path or its permissions.`,
      { cause },
    )
  }
}
