import { z } from 'zod'
import { TASK_QUEUES, type TaskQueueGroup } from '../schemas/workflow-names.js'
import { FirnError } from '../schemas/error.js'

/** How a worker process works, and who may ask how it is. */
export interface WorkerSettings {
  /** How long running activities may go on after a signal before they are cancelled. */
  readonly graceMs: number
  /** How many activities of a queue run at once in one process. */
  readonly concurrent: Readonly<Record<TaskQueueGroup, number>>
  /** Workflows kept in memory between their steps; undefined: what the process's heap allows, 600 a GB. */
  readonly cachedWorkflows?: number
  /** Undefined: `info` for a worker process, `warn` for the workers of a command. */
  readonly logLevel?: LogLevel
  /** Worker versioning is on where a deployment is named. */
  readonly deployment?: { readonly name: string; readonly buildId?: string }
  /** `host:port` of `/livez` and `/readyz`; nothing listens without. */
  readonly healthAddress?: string
  /** `host:port` where Prometheus finds the worker's metrics; nothing listens without. */
  readonly metricsAddress?: string
}

export type LogLevel = (typeof LEVELS)[number]
const LEVELS = ['debug', 'info', 'warn', 'error'] as const

/**
 * DuckDB uses every core by itself, so data work is two at a time; slices of a topic parse in threads of their own and mostly
 * wait for the broker and the store.
 */
const CONCURRENT: Readonly<Record<TaskQueueGroup, number>> = {
  control: 8,
  data: 2,
  train: 1,
  stream: 4,
  watch: 200,
}

const count = z.coerce.number().int().positive().max(10_000).optional()
const name = z
  .string()
  .regex(/^[\w.+-]{1,200}$/, 'give letters, digits, "-", "_", "+" and ".", at most 200')
  .optional()
const listenAddress = z
  .string()
  .regex(
    /^(\[[0-9a-f:]+\]|\d{1,3}(\.\d{1,3}){3}):\d{1,5}$/i,
    'give an IP address and a port, such as 127.0.0.1:9464',
  )
  .optional()

/** Of the environment. */
export const WORKER = {
  FIRN_GRACE_SECONDS: z.coerce.number().nonnegative().max(86_400).default(30),
  FIRN_CONCURRENT_CONTROL: count,
  FIRN_CONCURRENT_DATA: count,
  FIRN_CONCURRENT_TRAIN: count,
  FIRN_CONCURRENT_STREAM: count,
  FIRN_CONCURRENT_WATCH: count,
  FIRN_CACHED_WORKFLOWS: count,
  FIRN_LOG_LEVEL: z.enum(LEVELS).optional(),
  FIRN_DEPLOYMENT: name,
  FIRN_BUILD_ID: name,
  FIRN_HEALTH_ADDRESS: listenAddress,
  FIRN_METRICS_ADDRESS: listenAddress,
}

type Given = z.infer<z.ZodObject<typeof WORKER>>

/** Throws `config`. */
export function workerSettings(given: Given): WorkerSettings {
  const { FIRN_DEPLOYMENT: deployment, FIRN_BUILD_ID: buildId } = given
  if (deployment === undefined && buildId !== undefined) {
    throw new FirnError(
      'config',
      'FIRN_BUILD_ID is for worker versioning, but FIRN_DEPLOYMENT names no deployment: set or unset both.',
    )
  }
  if (deployment?.includes('.') === true) {
    throw new FirnError('config', 'FIRN_DEPLOYMENT may hold no "." (Temporal puts one before the build id).')
  }
  return {
    graceMs: given.FIRN_GRACE_SECONDS * 1000,
    concurrent: concurrentOf(given),
    ...(given.FIRN_LOG_LEVEL === undefined ? {} : { logLevel: given.FIRN_LOG_LEVEL }),
    ...(given.FIRN_CACHED_WORKFLOWS === undefined ? {} : { cachedWorkflows: given.FIRN_CACHED_WORKFLOWS }),
    ...(deployment === undefined
      ? {}
      : { deployment: { name: deployment, ...(buildId === undefined ? {} : { buildId }) } }),
    ...(given.FIRN_HEALTH_ADDRESS === undefined ? {} : { healthAddress: given.FIRN_HEALTH_ADDRESS }),
    ...(given.FIRN_METRICS_ADDRESS === undefined ? {} : { metricsAddress: given.FIRN_METRICS_ADDRESS }),
  }
}

function concurrentOf(given: Given): Readonly<Record<TaskQueueGroup, number>> {
  const groups = Object.keys(TASK_QUEUES) as TaskQueueGroup[]
  const asked = (group: TaskQueueGroup): number | undefined =>
    given[`FIRN_CONCURRENT_${group.toUpperCase() as Uppercase<TaskQueueGroup>}`]
  return Object.fromEntries(groups.map((group) => [group, asked(group) ?? CONCURRENT[group]])) as Record<
    TaskQueueGroup,
    number
  >
}
