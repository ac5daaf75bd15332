import { randomBytes, randomUUID } from 'node:crypto'
import type { SparkEngine } from '../engine/spark/spark-job.js'
import { createSparkEngine, type SparkCatalog } from '../engine/spark/spark-engine.js'
import { FirnError } from '../schemas/error.js'
import type { FirnConfig } from './config.js'
import { sparkFolder } from './spark-settings.js'

/** Spark as a configuration describes it; nothing runs before the first job. */
export function openSpark(config: FirnConfig): SparkEngine {
  const { command, master, packages, jars, conf } = config.spark
  return createSparkEngine({
    ...{ command, master, packages, jars, newUuid: randomUUID },
    conf: { ...storageConf(config), ...conf },
    tempDirectory: sparkFolder(config.home),
    withCatalog: (use) => withCatalog(config, use),
  })
}

/** The catalog that Spark is to use: the one named for it, the lake's server, or one that runs for as long as the job. */
async function withCatalog<T>(config: FirnConfig, use: (catalog: SparkCatalog) => Promise<T>): Promise<T> {
  const { catalogUri, catalogToken, master } = config.spark
  const { catalogServer, catalogName: name } = config
  const isLocal = master.startsWith('local')
  if (!isLocal && config.warehouse.startsWith('file:')) {
    throw new FirnError(
      'config',
      `Spark on ${master} can't reach ${config.warehouse} on this machine's disk: set FIRN_WAREHOUSE to s3://bucket/prefix, or FIRN_SPARK_MASTER to local[*].`,
    )
  }
  const storage = storageProperties(config)
  if (catalogUri !== undefined)
    return await use({
      name,
      properties: { type: 'rest', uri: catalogUri, ...storage },
      ...(catalogToken === undefined ? {} : { token: catalogToken }),
    })
  if (catalogServer !== undefined) {
    const { uri, warehouse, token, properties } = catalogServer
    const named = warehouse === undefined ? {} : { warehouse }
    return await use({
      name,
      properties: { ...properties, type: 'rest', uri, ...named, ...storage },
      ...(token === undefined ? {} : { token }),
    })
  }
  if (!isLocal) {
    throw new FirnError(
      'config',
      `Spark on ${master} can't reach a catalog that only this machine serves: run \`firn catalog serve --host … --tokens …\` and name it in FIRN_SPARK_CATALOG_URI and FIRN_SPARK_CATALOG_TOKEN.`,
    )
  }
  return await withOwnServer(config, (uri, token) =>
    use({ name, properties: { type: 'rest', uri, ...storage }, token }),
  )
}

/** Serves the lake's catalog to this machine while `use` runs, to who has a token that is drawn for it. */
async function withOwnServer<T>(
  config: FirnConfig,
  use: (uri: string, token: string) => Promise<T>,
): Promise<T> {
  const { parseTokens } = await import('../server/catalog/access.js')
  const { serveCatalog } = await import('./serve-catalog.js')
  const token = randomBytes(32).toString('hex')
  const grants = [{ namespace: '*', role: 'write' }]
  const tokens = parseTokens(JSON.stringify([{ token, name: 'spark', grants }]), 'drawn for Spark')
  return await serveCatalog(config, { port: 0, tokens }, ({ uri }) => use(uri, token))
}

/** Iceberg's own access to the store; credentials come from its chain (AWS_* variables, roles), never by an option. */
function storageProperties({ warehouse, s3 }: FirnConfig): Readonly<Record<string, string>> {
  if (!warehouse.startsWith('s3')) return {}
  return {
    'io-impl': 'org.apache.iceberg.aws.s3.S3FileIO',
    ...(s3.endpoint === undefined ? {} : { 's3.endpoint': s3.endpoint }),
    ...(s3.region === undefined ? {} : { 'client.region': s3.region }),
    's3.path-style-access': isPathStyle(s3),
  }
}

/** Spark's own access, by which it reads raw records. */
function storageConf({ warehouse, s3 }: FirnConfig): Readonly<Record<string, string>> {
  if (!warehouse.startsWith('s3')) return {}
  return {
    'spark.hadoop.fs.s3.impl': 'org.apache.hadoop.fs.s3a.S3AFileSystem',
    ...(s3.endpoint === undefined ? {} : { 'spark.hadoop.fs.s3a.endpoint': s3.endpoint }),
    ...(s3.region === undefined ? {} : { 'spark.hadoop.fs.s3a.endpoint.region': s3.region }),
    'spark.hadoop.fs.s3a.path.style.access': isPathStyle(s3),
  }
}

/** As our own client decides it: an endpoint of one's own seldom has names for its buckets. */
function isPathStyle({ pathStyle, endpoint }: FirnConfig['s3']): string {
  return String(pathStyle ?? endpoint !== undefined)
}
