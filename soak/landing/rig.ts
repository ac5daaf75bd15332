import { randomUUID } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Client } from '@temporalio/client'
import { Kafka, logLevel } from 'kafkajs'
import { packageRoot } from '../../engine/compiled-entry.js'
import { S3FileIO } from '../../iceberg/io/s3.js'
import { TASK_QUEUES, workflowIds } from '../../schemas/workflow-names.js'
import { readConfig } from '../../workers/config.js'
import { connectClient } from '../../workers/connection.js'
import { createLakeDeps, type Lake } from '../../workers/create-deps.js'
import { Random } from '../random.js'
import { type ServiceName, type Services, startServices } from '../services.js'
import { type S3Proxy, startS3Proxy } from './s3-proxy.js'
import { PARTITIONS, TOPIC } from './traffic.js'
import { WorkerProcess } from './worker-process.js'

export const PIPELINE = 'soak'
export const SOURCE = 'soak_events'

/** Everything real that a soak of landings needs: broker, store behind a proxy, Temporal, worker processes, a lake. */
export class Rig {
  workers: WorkerProcess[] = []
  kills = 0

  private constructor(
    readonly services: Services,
    readonly proxy: S3Proxy,
    readonly kafka: Kafka,
    readonly lake: Lake,
    private readonly workerEnv: Readonly<Record<string, string>>,
    private readonly directory: string,
  ) {}

  static async start(seed: number): Promise<Rig> {
    const directory = mkdtempSync(join(tmpdir(), 'firn-soak-landing-'))
    const services = await startServices(['temporal', 'kafka', 's3'], {
      dir: join(directory, 'services'),
      kafka: {
        'group.initial.rebalance.delay.ms': 0,
        'transaction.abort.timed.out.transaction.cleanup.interval.ms': 1000,
      },
    })
    const proxy = await startS3Proxy(services.env['FIRN_S3_ENDPOINT'] ?? '', new Random(seed))
    const common = {
      ...services.env,
      FIRN_HOME: join(directory, 'lake'),
      FIRN_PIPELINES: join(packageRoot(), 'soak', 'landing', 'pipeline'),
    }
    const kafka = new Kafka({
      brokers: (services.env['FIRN_KAFKA_BROKERS'] ?? '').split(','),
      clientId: 'soak',
      logLevel: logLevel.NOTHING,
      retry: { retries: 60, maxRetryTime: 2000 },
    })
    const admin = kafka.admin()
    await admin.connect()
    await admin.createTopics({ topics: [{ topic: TOPIC, numPartitions: PARTITIONS }], waitForLeaders: true })
    await admin.disconnect()
    const lake = await createLakeDeps(readConfig(common, directory), { io: storeOf(services.env) })
    return new Rig(services, proxy, kafka, lake, { ...common, FIRN_S3_ENDPOINT: proxy.endpoint }, directory)
  }

  addWorker(): WorkerProcess {
    const worker = new WorkerProcess(this.workerEnv)
    this.workers.push(worker)
    return worker
  }

  /** SIGKILL; another one takes its place. */
  async killWorker(worker: WorkerProcess): Promise<void> {
    await worker.kill()
    this.kills += 1
    this.workers = this.workers.filter((other) => other !== worker)
    this.addWorker()
  }

  async killService(name: ServiceName): Promise<void> {
    await this.services.kill(name)
    this.kills += 1
  }

  /** A client for as long as `use` runs: a restarted server is met with a new connection. */
  async withClient<T>(use: (client: Client) => Promise<T>): Promise<T> {
    const client = await connectClient({
      address: this.services.env['TEMPORAL_ADDRESS'] ?? '',
      namespace: 'default',
    })
    try {
      return await use(client)
    } finally {
      await client.connection.close()
    }
  }

  async startStream(): Promise<void> {
    await this.withClient((client) =>
      client.workflow.start('streamSource', {
        taskQueue: TASK_QUEUES.control,
        workflowId: workflowIds.stream(PIPELINE, SOURCE),
        args: [{ pipeline: PIPELINE, maxAgeMs: 500, maxRecords: 5000 }],
      }),
    )
  }

  async stop(): Promise<void> {
    await Promise.all(this.workers.map((worker) => worker.kill()))
    this.lake.close()
    await this.proxy.stop()
    await this.services.stop()
    rmSync(this.directory, { recursive: true, force: true })
  }
}

/** The store itself, past the proxy. */
function storeOf(env: Readonly<Record<string, string>>): S3FileIO {
  return new S3FileIO({
    endpoint: env['FIRN_S3_ENDPOINT'] ?? '',
    region: env['FIRN_S3_REGION'] ?? 'us-east-1',
    credentials: {
      accessKeyId: env['AWS_ACCESS_KEY_ID'] ?? '',
      secretAccessKey: env['AWS_SECRET_ACCESS_KEY'] ?? '',
    },
    newUuid: randomUUID,
  })
}
