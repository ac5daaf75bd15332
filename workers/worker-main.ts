import { parseArgs } from 'node:util'
import { FirnError } from '../schemas/error.js'
import { TASK_QUEUES, type TaskQueueGroup } from '../schemas/workflow-names.js'
import { readConfig } from './config.js'
import { connectWorker } from './connection.js'
import { serveHealth, type Health } from './health.js'
import { installRuntime } from './runtime.js'
import { startWorkers } from './start-worker.js'

/** `node dist/workers/worker-main.js [--queues control,data,train,stream,watch]`: works until SIGTERM or SIGINT, then drains; a second one ends it at once. */
async function main(): Promise<void> {
  const queues = readQueues(queuesArgument())
  const config = readConfig()
  const { metricsAddress, healthAddress, logLevel } = config.worker
  // Before the runtime, which would keep a process alive that can't listen.
  let check = (): Promise<Health> =>
    Promise.resolve({ status: 'not-ready', queues: [], problems: ['starting'] })
  const health = healthAddress === undefined ? undefined : await serveHealth(healthAddress, () => check())
  try {
    installRuntime({
      ...(logLevel === undefined ? {} : { level: logLevel }),
      ...(metricsAddress === undefined ? {} : { metricsAddress }),
    })
    const connection = await connectWorker(config.temporal)
    try {
      const workers = await startWorkers(config, connection, { queues })
      check = () => workers.check()
      await workers.done
    } finally {
      await connection.close()
    }
  } finally {
    health?.close()
  }
}

function queuesArgument(): string | undefined {
  try {
    return parseArgs({ options: { queues: { type: 'string' } } }).values.queues
  } catch (error) {
    throw new FirnError('config', `${error instanceof Error ? error.message : String(error)}.`)
  }
}

function readQueues(text: string | undefined): readonly TaskQueueGroup[] {
  const known = Object.keys(TASK_QUEUES) as TaskQueueGroup[]
  if (text === undefined) return known
  const asked = text.split(',').map((name) => name.trim().replace(/^firn-/, ''))
  const wrong = asked.filter((name) => !known.some((group) => group === name))
  if (wrong.length === 0) return known.filter((group) => asked.includes(group))
  throw new FirnError('config', `--queues names ${wrong.join(', ')}; there are ${known.join(', ')}.`)
}

try {
  await main()
} catch (error) {
  console.error(error instanceof FirnError ? `worker: ${error.message}` : error)
  process.exitCode = error instanceof FirnError ? 2 : 3
}
