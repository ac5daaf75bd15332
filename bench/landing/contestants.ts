import { closeSync, openSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import type { EachBatchPayload } from 'kafkajs'
import { Kafka, logLevel } from 'kafkajs'
import { commitLanding } from '../../lake/land/commit-landing.js'
import { fetchLanding } from '../../lake/land/fetch-landing.js'
import { planLanding } from '../../lake/land/plan-landing.js'
import type { LakeDeps } from '../../schemas/lake-deps.js'
import type { LandResult } from '../../schemas/messages.js'
import { TASK_QUEUES } from '../../schemas/workflow-names.js'
import type { FirnConfig } from '../../workers/config.js'
import { readConfig } from '../../workers/config.js'
import { connectClient, connectWorker } from '../../workers/connection.js'
import { createLakeDeps } from '../../workers/create-deps.js'
import { installRuntime } from '../../workers/runtime.js'
import { startWorkers } from '../../workers/start-worker.js'
import { paymentMessage } from './payment-messages.js'

export interface Course {
  readonly messages: number
  readonly sizeBytes: number
  readonly topic: string
  /** Folder of this contestant's own. */
  readonly home: string
  readonly env: Readonly<Record<string, string>>
}

/** Seconds by the clock are counted from the first message on; `cpu` is all that the process took for it. */
export interface Result {
  readonly messages: number
  readonly seconds: number
  readonly cpu: number
}

const BATCH = '20260701T020000Z'
const PIPELINE = 'churn'

export const CONTESTANTS: Readonly<Record<string, (course: Course) => Promise<Result>>> = {
  consumer: (course) => consume(course, () => undefined),
  'consumer with JSON.parse': (course) =>
    consume(course, ({ batch }) => {
      for (const { value } of batch.messages) if (value !== null) JSON.parse(value.toString())
    }),
  'consumer writing newline JSON': async (course) => {
    const file = openSync(join(course.home, 'messages.jsonl'), 'w')
    const result = await consume(course, ({ batch }) => {
      const lines = batch.messages.map(({ value }) => value?.toString() ?? 'null')
      writeSync(file, lines.join('\n') + '\n')
    })
    closeSync(file)
    return result
  },
  'JSON.parse': parseAlone,
  landing: land,
  'landing through Temporal': landThroughTemporal,
}

/** kafkajs as its documentation shows it, as fast as it goes. */
async function consume(course: Course, take: (payload: EachBatchPayload) => void): Promise<Result> {
  const brokers = (course.env['FIRN_KAFKA_BROKERS'] ?? '').split(',')
  const kafka = new Kafka({ clientId: 'bench', brokers, logLevel: logLevel.NOTHING })
  const consumer = kafka.consumer({ groupId: `bench-${process.pid}`, maxBytesPerPartition: 20_000_000 })
  await consumer.connect()
  await consumer.subscribe({ topics: [course.topic], fromBeginning: true })
  let [messages, started] = [0, 0]
  let cpu = process.cpuUsage()
  await new Promise<void>((resolve, reject) => {
    const eachBatch = (payload: EachBatchPayload): Promise<void> => {
      if (started === 0) [started, cpu] = [performance.now(), process.cpuUsage()]
      take(payload)
      messages += payload.batch.messages.length
      if (messages >= course.messages) resolve()
      return Promise.resolve()
    }
    consumer.run({ eachBatch }).catch(reject)
  })
  const result = measured(messages, started, cpu)
  await consumer.disconnect()
  return result
}

/** What parsing costs that nobody gets round: the values are in memory. */
function parseAlone(course: Course): Promise<Result> {
  const distinct = Math.min(course.messages, 50_000)
  const values = Array.from({ length: distinct }, (_, i) =>
    Buffer.from(paymentMessage(i, course.sizeBytes).value),
  )
  const [started, cpu] = [performance.now(), process.cpuUsage()]
  for (let i = 0; i < course.messages; i++) JSON.parse(values[i % distinct]?.toString() ?? '')
  return Promise.resolve(measured(course.messages, started, cpu))
}

/** Plan, fetch, commit as the workflow does them, without Temporal, until nothing waits. */
async function land(course: Course): Promise<Result> {
  const lake = await createLakeDeps(configOf(course))
  const [started, cpu] = [performance.now(), process.cpuUsage()]
  let messages = 0
  for (let landed = await landOnce(lake.deps); landed.records > 0; landed = await landOnce(lake.deps)) {
    messages += landed.records
  }
  const result = measured(messages, started, cpu)
  lake.close()
  return result
}

async function landOnce(deps: LakeDeps): Promise<LandResult> {
  const plan = await planLanding(deps, { pipeline: PIPELINE, batch: BATCH })
  const slices = plan.kind === 'topic' ? plan.slices : []
  const fetched = await Promise.all(slices.map((_, slice) => fetchLanding(deps, plan, slice)))
  return await commitLanding(deps, plan, fetched)
}

/** A worker and a client in this process, on a real server. */
async function landThroughTemporal(course: Course): Promise<Result> {
  installRuntime({ level: 'error', shutdownSignals: [] })
  const config = configOf(course)
  const connection = await connectWorker(config.temporal)
  const client = await connectClient(config.temporal)
  const workers = await startWorkers(config, connection)
  const [started, cpu] = [performance.now(), process.cpuUsage()]
  const input = { pipeline: PIPELINE, batch: BATCH }
  const start = { taskQueue: TASK_QUEUES.control, workflowId: `land-${process.pid}`, args: [input] }
  const landed = (await client.workflow.execute('landSource', start)) as LandResult
  const result = measured(landed.records, started, cpu)
  await workers.stop()
  await client.connection.close()
  await connection.close()
  return result
}

function configOf({ home, env }: Course): FirnConfig {
  return readConfig({ ...env, FIRN_HOME: home }, home)
}

function measured(messages: number, started: number, cpu: NodeJS.CpuUsage): Result {
  const { user, system } = process.cpuUsage(cpu)
  return { messages, seconds: (performance.now() - started) / 1000, cpu: (user + system) / 1e6 }
}
