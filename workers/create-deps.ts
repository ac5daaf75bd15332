import { randomBytes, randomUUID } from 'node:crypto'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { createDuckDBEngine } from '../engine/duckdb/duckdb-engine.js'
import { createRewriter } from '../engine/duckdb/rewriter.js'
import type { FileIO } from '../iceberg/io/file-io.js'
import type { SnapshotId } from '../iceberg/spec/snapshot.js'
import { webhookOf } from '../lake/alerts/webhook.js'
import { loadPipelines } from '../lake/define/load-pipeline.js'
import { createMlflowClient, type MlflowClient } from '../ml/mlflow/mlflow-client.js'
import { readMlflowSettings } from '../ml/mlflow/mlflow-settings.js'
import { openModelRegistry, type ModelRegistry } from '../ml/registry/model-registry.js'
import type { LakeDeps } from '../schemas/lake-deps.js'
import type { Topics } from '../schemas/topics.js'
import type { FirnConfig } from './config.js'
import { openCatalog } from './open-catalog.js'
import { openSpark } from './open-spark.js'

/** A lake that is open in this process. */
export interface Lake {
  readonly deps: LakeDeps
  readonly registry: ModelRegistry
  /** The configured tracking server; absent where none is. */
  readonly mlflow?: MlflowClient
  close(): void
}

export interface LakeOverrides {
  readonly io?: FileIO
  /** Milliseconds since 1970. */
  readonly now?: () => number
  /** In place of the configured broker's; closed with the lake all the same. */
  readonly topics?: Topics
}

/** Opens the lake of a configuration, made where it doesn't exist yet. `overrides` are for tests with faults. */
export async function createLakeDeps(config: FirnConfig, overrides: LakeOverrides = {}): Promise<Lake> {
  const pipelines = await loadPipelines(config.pipelineFolders)
  mkdirSync(join(config.home, 'tmp'), { recursive: true })
  const now = overrides.now ?? Date.now
  const catalog = await openCatalog(config, overrides)
  const engine = createDuckDBEngine({
    tempDirectory: join(config.home, 'tmp'),
    io: catalog.io,
    cacheDirectory: join(config.home, 'cache'),
    ...(config.cacheBytes === undefined ? {} : { cacheBytes: config.cacheBytes }),
    ...(config.threads === undefined ? {} : { threads: config.threads }),
    ...(config.memoryLimitBytes === undefined ? {} : { memoryLimitBytes: config.memoryLimitBytes }),
  })
  const topics = overrides.topics ?? (await openTopics(config))
  const webhook = webhookOf(process.env)
  const registry = openModelRegistry({ path: config.registryPath })
  const deps: LakeDeps = {
    catalog,
    engine,
    rewriter: createRewriter(engine),
    warehouse: config.warehouse,
    pipelines,
    now,
    newSnapshotId,
    newUuid: randomUUID,
    ...(topics === undefined ? {} : { topics }),
    sourceStore: config.s3,
    ...(webhook === undefined ? {} : { webhook }),
    spark: openSpark(config),
    settings: config.settings,
  }
  const mlflow = readMlflowSettings()
  return {
    deps,
    registry,
    ...(mlflow === undefined ? {} : { mlflow: createMlflowClient({ ...mlflow, now, newUuid: randomUUID }) }),
    close() {
      void topics?.close()
      registry.close()
      catalog.close()
    },
  }
}

/** The client is loaded only where a broker is configured. */
async function openTopics({ kafka }: FirnConfig): Promise<Topics | undefined> {
  if (kafka === undefined) return undefined
  const { createKafkaTopics } = await import('../lake/land/kafka/kafka-topics.js')
  return createKafkaTopics(kafka)
}

/** Positive, 63 bits, never 0. */
function newSnapshotId(): SnapshotId {
  return ((randomBytes(8).readBigUInt64BE() >> 1n) | 1n) as SnapshotId
}
