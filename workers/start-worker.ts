import { Runtime, Worker, type NativeConnection, type WorkerOptions } from '@temporalio/worker'
import { createBackfillActivities } from '../activities/backfill-activities.js'
import { createBuildActivities } from '../activities/build-activities.js'
import { createExternalActivities } from '../activities/external-activities.js'
import { createFeatureActivities } from '../activities/feature-activities.js'
import { createLandActivities } from '../activities/land-activities.js'
import { createMaintainActivities } from '../activities/maintain-activities.js'
import { createModelActivities } from '../activities/model-activities.js'
import { createNightActivities } from '../activities/night-activities.js'
import { createSparkActivities } from '../activities/spark-activities.js'
import { createScheduleActivities } from '../activities/schedule-activities.js'
import { createRebuildActivities } from '../activities/rebuild-activities.js'
import { createWindowActivities } from '../activities/window-activities.js'
import { TASK_QUEUES, type TaskQueueGroup } from '../schemas/workflow-names.js'
import { activityLog } from './activity-log.js'
import { activityMetrics } from './activity-metrics.js'
import { activityRetries } from './activity-retries.js'
import type { FirnConfig } from './config.js'
import { createLakeDeps, type Lake } from './create-deps.js'
import { checkWorkers } from './check-workers.js'
import type { Health } from './health.js'
import { measureEventLoop } from './event-loop-lag.js'
import { observedLake } from './observed-lake.js'
import { ensureSearchAttributes } from './search-attributes.js'
import { startTracing, type Tracing } from './tracing.js'
import { versioningOf } from './versioning.js'
import { workflowBundlePath } from './workflow-bundle.js'
import type { WorkerSettings } from './worker-settings.js'

export interface StartWorkersOptions {
  /** Default: all in this process. */
  readonly queues?: readonly TaskQueueGroup[]
  /** A lake that is open already; the caller closes it. Default: the configuration's, closed at the end. */
  readonly lake?: Lake
  /** How long running activities may go on after `stop` before they are cancelled. Default: the configuration's. */
  readonly graceMs?: number
}

export interface RunningWorkers {
  /** Resolves when all workers have ended after `stop` or a signal; rejects if one of them failed. */
  readonly done: Promise<void>
  /** Takes no new work, lets running activities end within the grace time, then resolves. */
  stop(): Promise<void>
  /** Asks the server and the catalog, and how each queue is polled. */
  check(): Promise<Health>
}

/** Starts workers on our task queues in this process. They poll when the promise resolves. */
export async function startWorkers(
  config: FirnConfig,
  connection: NativeConnection,
  options: StartWorkersOptions = {},
): Promise<RunningWorkers> {
  const { namespace, traceEndpoint } = config.temporal
  await ensureSearchAttributes(connection, namespace)
  const tracing = traceEndpoint === undefined ? undefined : await startTracing(traceEndpoint)
  const lake = options.lake ?? (await createLakeDeps(config))
  const settings = { ...config.worker, graceMs: options.graceMs ?? config.worker.graceMs }
  const groups = options.queues ?? (Object.keys(TASK_QUEUES) as TaskQueueGroup[])
  let workers: readonly Worker[]
  try {
    const observed = observedLake(lake, Runtime.instance().metricMeter, tracing?.inSpan)
    const shared = { connection, namespace, activities: createActivities(observed) }
    workers = await Promise.all(
      groups.map((group) => Worker.create({ ...workerOptions(group, settings, tracing), ...shared })),
    )
  } catch (error) {
    if (options.lake === undefined) lake.close()
    throw error
  }
  const stopMeasuring = measureEventLoop(Runtime.instance().metricMeter)
  const done = runAll(workers).finally(() => {
    stopMeasuring()
    if (options.lake === undefined) lake.close()
  })
  return {
    done,
    async stop() {
      for (const worker of workers) shutDown(worker)
      await done
    },
    check: () => checkWorkers(workers, connection, lake),
  }
}

/** Every activity of every queue: which queue one runs on is decided by the workflows alone. */
function createActivities(lake: Lake) {
  return {
    ...createLandActivities(lake.deps),
    ...createWindowActivities(lake.deps),
    ...createBuildActivities(lake.deps),
    ...createRebuildActivities(lake.deps),
    ...createSparkActivities(lake.deps),
    ...createBackfillActivities(lake.deps),
    ...createFeatureActivities(lake.deps),
    ...createModelActivities(lake.deps, lake.registry, lake.mlflow),
    ...createExternalActivities(lake.deps, lake.registry),
    ...createMaintainActivities(lake.deps),
    ...createScheduleActivities(lake.deps),
    ...createNightActivities(lake.deps),
  }
}

function workerOptions(group: TaskQueueGroup, settings: WorkerSettings, tracing?: Tracing): WorkerOptions {
  const { graceMs, cachedWorkflows } = settings
  const runsWorkflows = group === 'control'
  return {
    taskQueue: TASK_QUEUES[group],
    ...(runsWorkflows
      ? { workflowBundle: { codePath: workflowBundlePath(tracing === undefined ? 'plain' : 'traced') } }
      : {}),
    ...(cachedWorkflows === undefined ? {} : { maxCachedWorkflows: cachedWorkflows }),
    ...versioningOf(settings.deployment),
    maxConcurrentActivityTaskExecutions: settings.concurrent[group],
    interceptors: {
      activity: [...(tracing?.activity ?? []), activityLog, activityMetrics, activityRetries],
      ...(tracing === undefined ? {} : { client: tracing.client }),
    },
    ...(tracing === undefined ? {} : { sinks: tracing.sinks }),
    // Heartbeats are sent as often as activities make them, so that the server knows of a dead worker soon.
    maxHeartbeatThrottleInterval: '2 seconds',
    // After a crash, workflow tasks that wait for the dead worker's cache go to another one this soon.
    stickyQueueScheduleToStartTimeout: '3 seconds',
    shutdownGraceTime: graceMs,
    // An activity that doesn't heed its cancellation doesn't hold up the process: its next attempt is elsewhere.
    shutdownForceTime: graceMs + 10_000,
  }
}

/** Where one worker fails, the others are drained and the failure is told. */
async function runAll(workers: readonly Worker[]): Promise<void> {
  const runs = workers.map(async (worker) => {
    try {
      await worker.run()
    } finally {
      for (const other of workers) shutDown(other)
    }
  })
  const ended = await Promise.allSettled(runs)
  for (const run of ended) if (run.status === 'rejected') throw run.reason
}

function shutDown(worker: Worker): void {
  if (worker.getState() === 'RUNNING') worker.shutdown()
}
