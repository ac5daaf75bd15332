import type { Client } from '@temporalio/client'
import type { temporal } from '@temporalio/proto'
import { FirnError } from '../schemas/error.js'
import { TASK_QUEUES } from '../schemas/workflow-names.js'

/** An activity that failed and is tried again. */
export interface RetryingActivity {
  readonly workflowId: string
  readonly runId: string
  readonly workflow: string
  readonly activityId: string
  readonly activity: string
  /** The attempt that runs, or comes next. */
  readonly attempt: number
  /** Absent: as often as it takes. */
  readonly attempts?: number
  readonly state: 'waiting' | 'running'
  /** Kind of the error and its message. */
  readonly cause: string
  /** ISO 8601; absent while it runs. */
  readonly nextTryAt?: string
}

/**
 * Activities of running workflows of ours that are past their first attempt: what Temporal's lists show as `Running`. One
 * call for each running workflow, since the server has no list of them.
 */
export async function listRetrying(
  client: Client,
  workflowId?: string,
): Promise<readonly RetryingActivity[]> {
  const queues = Object.values(TASK_QUEUES).map((queue) => `'${queue}'`)
  const ours = `ExecutionStatus = 'Running' AND TaskQueue IN (${queues.join(', ')})`
  const query = workflowId === undefined ? ours : `${ours} AND WorkflowId = '${quoted(workflowId)}'`
  const found: RetryingActivity[] = []
  for await (const run of client.workflow.list({ query })) {
    const { raw } = await client.workflow.getHandle(run.workflowId, run.runId).describe()
    for (const activity of raw.pendingActivities ?? []) {
      if ((activity.attempt ?? 1) > 1) found.push(retrying(run, activity))
    }
  }
  return found
}

/**
 * Tries them at once instead of at their next time. The server counts their attempts from one again. Returns those that
 * were waiting; one that runs is left alone.
 */
export async function retryNow(
  client: Client,
  workflowId?: string,
  { dryRun = false }: { readonly dryRun?: boolean } = {},
): Promise<readonly RetryingActivity[]> {
  const waiting = (await listRetrying(client, workflowId)).filter(({ state }) => state === 'waiting')
  if (!dryRun) for (const activity of waiting) await reset(client, activity)
  return waiting
}

async function reset(client: Client, { workflowId, runId, activityId }: RetryingActivity): Promise<void> {
  try {
    await client.workflowService.resetActivity({
      namespace: client.options.namespace,
      execution: { workflowId, runId },
      identity: client.options.identity,
      id: activityId,
    })
  } catch (cause) {
    const details = (cause as { readonly details?: unknown }).details
    throw new FirnError(
      'config',
      `activity ${activityId} of ${workflowId} can't be tried now (${typeof details === 'string' ? details : String(cause)}): the server has to know ResetActivity, 1.28 or later; it is tried by itself at its next time.`,
      { cause },
    )
  }
}

/** PENDING_ACTIVITY_STATE_STARTED of Temporal's API, whose package is not for ES modules. */
const PENDING_STARTED = 2

type Pending = temporal.api.workflow.v1.IPendingActivityInfo

function retrying(
  run: { readonly workflowId: string; readonly runId: string; readonly type: string },
  activity: Pending,
): RetryingActivity {
  const { lastFailure, maximumAttempts } = activity
  const kind = lastFailure?.applicationFailureInfo?.type
  const isRunning = Number(activity.state) === PENDING_STARTED
  const next = activity.nextAttemptScheduleTime ?? activity.scheduledTime
  return {
    ...{ workflowId: run.workflowId, runId: run.runId, workflow: run.type },
    activityId: activity.activityId ?? '',
    activity: activity.activityType?.name ?? '',
    attempt: activity.attempt ?? 1,
    ...(maximumAttempts ? { attempts: maximumAttempts } : {}),
    state: isRunning ? 'running' : 'waiting',
    cause: `${kind ? `${kind}: ` : ''}${lastFailure?.message ?? 'not told'}`,
    ...(isRunning || !next ? {} : { nextTryAt: new Date(Number(next.seconds) * 1000).toISOString() }),
  }
}

/** Ids go into a query: no quote of theirs may end it. */
function quoted(id: string): string {
  return id.replaceAll('\\', '\\\\').replaceAll("'", "\\'")
}
