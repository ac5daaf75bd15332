import { delimiter, isAbsolute, join, resolve } from 'node:path'
import { z } from 'zod'
import { toLocalPath } from '../iceberg/io/location.js'
import { isS3Location } from '../iceberg/io/s3-location.js'
import type { KafkaConfig } from '../lake/land/kafka/kafka-config.js'
import { FirnError } from '../schemas/error.js'
import type { LakeSettings } from '../schemas/lake-deps.js'
import { CATALOG_SERVER, catalogServer, type CatalogServer } from './catalog-server.js'
import { KAFKA, kafkaConfig } from './kafka-settings.js'
import { SPARK, sparkSettings, type SparkSettings } from './spark-settings.js'
import { TEMPORAL, temporalConfig, type TemporalConfig } from './temporal-settings.js'
import { WORKER, workerSettings, type WorkerSettings } from './worker-settings.js'

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
  readonly settings: LakeSettings
  /** Broker that sources' topics are landed from; undefined: they are landed from folders and prefixes. */
  readonly kafka?: KafkaConfig
  readonly spark: SparkSettings
  readonly temporal: TemporalConfig
  readonly worker: WorkerSettings
}

export interface S3Config {
  readonly endpoint?: string
  readonly region?: string
  readonly pathStyle?: boolean
  readonly conditionalCreate?: boolean
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
  FIRN_STAGING_LEASE_DAYS: days(7),
  FIRN_TAG_RETENTION_DAYS: days(400),
  FIRN_TAG_THIN_AFTER_DAYS: days(7),
  FIRN_SNAPSHOT_MAX_AGE_DAYS: days(5),
  FIRN_ORPHAN_MIN_AGE_DAYS: days(3),
  FIRN_RAW_RETENTION_DAYS: z.coerce.number().positive().optional(),
  FIRN_PART_MB: count,
  FIRN_MAINTAIN_AFTER_COMMITS: count,
  FIRN_MAINTAIN_AFTER_FILES: count,
  FIRN_MAINTAIN_EVERY_HOURS: z.coerce.number().nonnegative().optional(),
  FIRN_SETTLE_SECONDS: z.coerce.number().nonnegative().default(0),
  ...SPARK,
  ...TEMPORAL,
  ...WORKER,
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
  const warehouse = warehouseLocation(given.FIRN_WAREHOUSE, home, cwd)
  const landingRoot = resolve(cwd, given.FIRN_LANDING ?? join(home, 'landing'))
  return {
    home,
    catalogName: given.FIRN_CATALOG_NAME,
    catalogPath: join(home, 'catalog.db'),
    ...(server === undefined ? {} : { catalogServer: server }),
    registryPath: join(home, 'registry.db'),
    warehouse,
    s3: s3Config(given),
    ...(given.FIRN_CACHE_MB === undefined ? {} : { cacheBytes: given.FIRN_CACHE_MB * 1_048_576 }),
    landingRoot,
    pipelineFolders: pipelineFolders(given.FIRN_PIPELINES, cwd),
    ...(given.FIRN_THREADS === undefined ? {} : { threads: given.FIRN_THREADS }),
    ...(given.FIRN_MEMORY_MB === undefined ? {} : { memoryLimitBytes: given.FIRN_MEMORY_MB * 1_048_576 }),
    settings: {
      stagingLeaseMs: given.FIRN_STAGING_LEASE_DAYS,
      tagRetentionMs: given.FIRN_TAG_RETENTION_DAYS,
      tagThinAfterMs: given.FIRN_TAG_THIN_AFTER_DAYS,
      snapshotMaxAgeMs: given.FIRN_SNAPSHOT_MAX_AGE_DAYS,
      orphanMinAgeMs: given.FIRN_ORPHAN_MIN_AGE_DAYS,
      ...maintenanceTriggers(given),
      ...(given.FIRN_RAW_RETENTION_DAYS === undefined
        ? {}
        : { rawRetentionMs: given.FIRN_RAW_RETENTION_DAYS * 86_400_000 }),
      ...(given.FIRN_PART_MB === undefined ? {} : { partBytes: given.FIRN_PART_MB * 1_048_576 }),
      settleMs: given.FIRN_SETTLE_SECONDS * 1000,
      landingRoot,
      ...(given.FIRN_ENGINE === undefined ? {} : { engine: given.FIRN_ENGINE }),
    },
    ...(kafka === undefined ? {} : { kafka }),
    spark: sparkSettings(given, warehouse),
    temporal: temporalConfig(given, cwd),
    worker: workerSettings(given),
  }
}

function maintenanceTriggers(given: Environment): Pick<LakeSettings, 'maintenance'> {
  const {
    FIRN_MAINTAIN_AFTER_COMMITS: commits,
    FIRN_MAINTAIN_AFTER_FILES: files,
    FIRN_MAINTAIN_EVERY_HOURS: hours,
  } = given
  const maintenance = {
    ...(commits === undefined ? {} : { commits }),
    ...(files === undefined ? {} : { files }),
    ...(hours === undefined ? {} : { everyMs: hours * 3_600_000 }),
  }
  return Object.keys(maintenance).length === 0 ? {} : { maintenance }
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
