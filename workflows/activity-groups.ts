import {
  ActivityCancellationType,
  proxyActivities,
  type ActivityInterfaceFor,
  type ActivityOptions,
} from '@temporalio/workflow'
import type { BackfillActivities } from '../activities/backfill-activities.js'
import type { BuildActivities } from '../activities/build-activities.js'
import type { ExternalActivities } from '../activities/external-activities.js'
import type { FeatureActivities } from '../activities/feature-activities.js'
import type { LandActivities } from '../activities/land-activities.js'
import type { MaintainActivities } from '../activities/maintain-activities.js'
import type { ModelActivities } from '../activities/model-activities.js'
import type { NightActivities } from '../activities/night-activities.js'
import type { SparkActivities } from '../activities/spark-activities.js'
import type { ScheduleActivities } from '../activities/schedule-activities.js'
import type { RebuildActivities } from '../activities/rebuild-activities.js'
import type { WindowActivities } from '../activities/window-activities.js'
import type { ExternalDefinition } from '../schemas/model-definitions.js'
import { TASK_QUEUES } from '../schemas/workflow-names.js'
import { REPLAN_KINDS } from './replan.js'

type Activities = LandActivities &
  BackfillActivities &
  BuildActivities &
  FeatureActivities &
  ModelActivities &
  ExternalActivities &
  MaintainActivities &
  NightActivities &
  ScheduleActivities &
  SparkActivities &
  WindowActivities &
  RebuildActivities

/**
 * Every activity says it is alive every 2 s (activities/run-core), so ten seconds of silence mean a dead worker. An
 * attempt that was only slow is harmless: commits are fenced by the tables, not by time.
 */
const COMMON = {
  heartbeatTimeout: '10 seconds',
  cancellationType: ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
  retry: {
    initialInterval: '1 second',
    backoffCoefficient: 2,
    maximumInterval: '30 seconds',
    maximumAttempts: 10,
    // Final kinds are marked non-retryable where they are thrown; these are retried, but by planning anew.
    nonRetryableErrorTypes: [...REPLAN_KINDS],
  },
} satisfies ActivityOptions

/** Metadata and commits: short. */
export const control = proxyActivities<
  Pick<
    Activities,
    | 'commitLanding'
    | 'listBackfill'
    | 'resolveBatch'
    | 'planBuild'
    | 'planRebuild'
    | 'publishBatch'
    | 'listReadyModels'
    | 'pinTraining'
    | 'startRun'
    | 'finishRun'
    | 'registerVersion'
    | 'mirrorRegistry'
    | 'promoteVersion'
    | 'startSearch'
    | 'finishSearch'
    | 'findVersion'
    | 'compareReproduction'
    | 'listDueTrainings'
    | 'requestTraining'
    | 'settleVersions'
    | 'sweepScratch'
    | 'listMaintainable'
    | 'recordMaintenance'
  >
>({ ...COMMON, taskQueue: TASK_QUEUES.control, startToCloseTimeout: '10 minutes' })

/** Reads and writes data files: long, few at a time. */
export const data = proxyActivities<
  Pick<
    Activities,
    | 'lookAtNight'
    | 'planLanding'
    | 'fetchLanding'
    | 'buildTables'
    | 'buildPart'
    | 'mergeParts'
    | 'runChecks'
    | 'rebuildTables'
    | 'checkRebuild'
    | 'publishRebuild'
    | 'extendSplit'
    | 'scoreBatch'
    | 'maintainTable'
  >
>({ ...COMMON, taskQueue: TASK_QUEUES.data, startToCloseTimeout: '2 hours' })

/** A Spark session: waits for a cluster, and may take long. */
export const spark = proxyActivities<Pick<Activities, 'buildTablesOnSpark'>>({
  ...COMMON,
  taskQueue: TASK_QUEUES.data,
  startToCloseTimeout: '12 hours',
})

/** What a night looks at and tells besides its work, which does not wait long for it. */
export const alerting = proxyActivities<
  Pick<Activities, 'findMissedNights' | 'findLateSources' | 'raiseAlerts'>
>({
  ...COMMON,
  taskQueue: TASK_QUEUES.control,
  startToCloseTimeout: '2 minutes',
  retry: { ...COMMON.retry, maximumAttempts: 3 },
})

/** As `data`, for a stream's micro-batches and windows: not behind a night's long work. */
export const stream = proxyActivities<
  Pick<Activities, 'planLanding' | 'fetchLanding' | 'refreshWindows' | 'publishWindows'>
>({ ...COMMON, taskQueue: TASK_QUEUES.stream, startToCloseTimeout: '1 hour' })

/** Waits for records, or for another's end. Stopped at once where there is something else to do: nothing is lost. */
export const watch = proxyActivities<Pick<Activities, 'awaitRecords' | 'awaitEnd'>>({
  ...COMMON,
  taskQueue: TASK_QUEUES.watch,
  startToCloseTimeout: '2 hours',
  cancellationType: ActivityCancellationType.TRY_CANCEL,
})

/**
 * For a stream, which shows itself what it retries and goes on for ever: the server's own attempts, which nobody sees, end
 * after a few seconds.
 */
export const FEW_ATTEMPTS: ActivityOptions = { retry: { ...COMMON.retry, maximumAttempts: 3 } }

/** Data sets and training: one at a time. */
export const train = proxyActivities<
  Pick<Activities, 'buildDataset' | 'runTraining' | 'checkExternal' | 'rebuildDataset' | 'retrain'>
>({
  ...COMMON,
  taskQueue: TASK_QUEUES.train,
  startToCloseTimeout: '12 hours',
})

/** How long a training waits for a worker to take it, where its definition says nothing. */
export const EXTERNAL_WAIT_SECONDS = 600

/** Training by a worker of another language on a queue of its own; what it takes and gives is `runTraining`'s. */
export function external({
  taskQueue,
  waitSeconds = EXTERNAL_WAIT_SECONDS,
}: ExternalDefinition): ActivityInterfaceFor<{
  trainExternal: Activities['runTraining']
}> {
  return proxyActivities<{ trainExternal: Activities['runTraining'] }>({
    ...COMMON,
    taskQueue,
    startToCloseTimeout: '12 hours',
    // Nobody may be there: then the training ends with that, and doesn't wait for ever.
    scheduleToStartTimeout: waitSeconds * 1000,
  })
}
