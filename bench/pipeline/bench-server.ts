import type { Client } from '@temporalio/client'
import { TASK_QUEUES, type TaskQueueGroup } from '../../schemas/workflow-names.js'
import { readConfig } from '../../workers/config.js'
import { connectClient, connectWorker } from '../../workers/connection.js'
import { createLakeDeps, type Lake } from '../../workers/create-deps.js'
import { installRuntime } from '../../workers/runtime.js'
import { startWorkers } from '../../workers/start-worker.js'
import { startDevServer } from '../../workers/temporal-server.js'

export interface PipelineBench {
  readonly quick: boolean
  readonly log: (text: string) => void
  readonly address: string
  readonly home: string
}

export const PIPELINE = 'quantum'

/** Temporal's dev server, its workflows in memory, for as long as `use` runs. */
export async function withBenchServer<T>(use: (address: string) => Promise<T>): Promise<T> {
  installRuntime({ level: 'error', shutdownSignals: [] })
  const server = await startDevServer()
  try {
    return await use(server.address)
  } finally {
    await server.stop()
  }
}

/** A lake, a client, and workers of this process on some queues. */
export async function withWorkers<T>(
  { address, home }: PipelineBench,
  queues: readonly TaskQueueGroup[],
  use: (lake: Lake, client: Client) => Promise<T>,
  settings: Readonly<Record<string, string>> = {},
): Promise<T> {
  const config = readConfig({ FIRN_HOME: home, TEMPORAL_ADDRESS: address, ...settings }, home)
  const lake = await createLakeDeps(config)
  const connection = await connectWorker(config.temporal)
  const client = await connectClient(config.temporal)
  const workers = await startWorkers(config, connection, { lake, queues })
  try {
    return await use(lake, client)
  } finally {
    await workers.stop()
    await client.connection.close()
    await connection.close()
    lake.close()
  }
}

/** Starts a workflow and waits for its result. */
export async function execute(client: Client, name: string, workflowId: string, input: object) {
  const handle = await client.workflow.start(name, {
    taskQueue: TASK_QUEUES.control,
    workflowId,
    args: [input],
  })
  return { handle, result: (await handle.result()) as unknown }
}
