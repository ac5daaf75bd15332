import { Worker, type NativeConnection, type WorkerOptions } from '@temporalio/worker'
import { createBuildActivities } from '../activities/build-activities.js'
import { createExternalActivities } from '../activities/external-activities.js'
import { createFeatureActivities } from '../activities/feature-activities.js'
import { createLandActivities } from '../activities/land-activities.js'
import { createMaintainActivities } from '../activities/maintain-activities.js'
import { createModelActivities } from '../activities/model-activities.js'
import { createWindowActivities } from '../activities/window-activities.js'
import { TASK_QUEUES, type TaskQueueGroup } from '../schemas/workflow-names.js'
import { activityMetrics } from './activity-metrics.js'
import type { FirnConfig } from './config.js'
import { createLakeDeps, type Lake } from './create-deps.js'
import { ensureSearchAttributes } from './search-attributes.js'
import { workflowBundlePath } from './workflow-bundle.js'

export interface StartWorkersOptions {
  /** Default: all in this process. */
  readonly queues?: readonly TaskQueueGroup[]
  /** A lake that is open already; the caller closes it. Default: the configuration's, closed at the end. */
  readonly lake?: Lake
  /** How long running activities may go on after `stop` before they are cancelled. Default 30 s. */
  readonly graceMs?: number
}

export interface RunningWorkers {
  /** Resolves when all workers have ended after `stop` or a signal; rejects if one of them failed. */
  readonly done: Promise<void>
  /** Takes no new work, lets running activities end within the grace time, then resolves. */
  stop(): Promise<void>
}

/**
 * How many activities of a queue run at once. DuckDB uses every core by itself, so data work is two at a time; slices of a
 * topic parse in threads of their own and mostly wait for the broker and the store.
 */
const CONCURRENT: Readonly<Record<TaskQueueGroup, number>> = {
  control: 8,
  data: 2,
  train: 1,
  stream: 4,
  watch: 200,
}

/** Starts workers on our task queues in this process. They poll when the promise resolves. */
export async function startWorkers(
  config: FirnConfig,
  connection: NativeConnection,
  options: StartWorkersOptions = {},
): Promise<RunningWorkers> {
  const { namespace } = config.temporal
  await ensureSearchAttributes(connection, namespace)
  const lake = options.lake ?? (await createLakeDeps(config))
  const close = (): void => {
    if (options.lake === undefined) lake.close()
  }
  let workers: readonly Worker[]
  try {
    const activities = createActivities(lake)
    workers = await Promise.all(
      (options.queues ?? (Object.keys(TASK_QUEUES) as TaskQueueGroup[])).map((group) =>
        Worker.create({
          ...workerOptions(group, options.graceMs ?? 30_000),
          connection,
          namespace,
          activities,
        }),
      ),
    )
  } catch (error) {
    close()
    throw error
  }
  const done = runAll(workers).finally(close)
  return {
    done,
    async stop() {
      for (const worker of workers) shutDown(worker)
      await done
    },
  }
}

/** Every activity of every queue: which queue one runs on is decided by the workflows alone. */
function createActivities(lake: Lake) {
  return {
    ...createLandActivities(lake.deps),
    ...createWindowActivities(lake.deps),
    ...createBuildActivities(lake.deps),
    ...createFeatureActivities(lake.deps),
    ...createModelActivities(lake.deps, lake.registry, lake.mlflow),
    ...createExternalActivities(lake.deps, lake.registry),
    ...createMaintainActivities(lake.deps),
  }
}

function workerOptions(group: TaskQueueGroup, graceMs: number): WorkerOptions {
  return {
    taskQueue: TASK_QUEUES[group],
    ...(group === 'control' ? { workflowBundle: { codePath: workflowBundlePath() } } : {}),
    maxConcurrentActivityTaskExecutions: CONCURRENT[group],
    interceptors: { activity: [activityMetrics] },
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
