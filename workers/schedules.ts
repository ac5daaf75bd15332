import {
  ScheduleNotFoundError,
  ScheduleOverlapPolicy,
  type Client,
  type ScheduleOptions,
} from '@temporalio/client'
import type { NightlyInput } from '../schemas/messages.js'
import type { Pipeline } from '../schemas/pipeline.js'
import { TASK_QUEUES } from '../schemas/workflow-names.js'

export interface AppliedSchedule {
  readonly id: string
  readonly change: 'created' | 'updated'
  readonly cron: string
  readonly timezone: string
}

/** Brings the Schedule `nightly-<pipeline>` of every pipeline that has one in line with its definition. */
export async function applySchedules(
  client: Client,
  pipelines: Iterable<Pipeline>,
): Promise<readonly AppliedSchedule[]> {
  const applied: AppliedSchedule[] = []
  for (const pipeline of pipelines) {
    if (pipeline.schedule === undefined) continue
    const options = scheduleOptions(pipeline, pipeline.schedule.nightly, pipeline.schedule.timezone ?? 'UTC')
    applied.push({
      id: options.scheduleId,
      change: await applyOne(client, options),
      cron: pipeline.schedule.nightly,
      timezone: pipeline.schedule.timezone ?? 'UTC',
    })
  }
  return applied
}

/**
 * A night that is late holds back the next one, which runs after it (the default would drop it silently); nights missed
 * while the server was down are caught up for a week.
 */
function scheduleOptions(pipeline: Pipeline, cron: string, timezone: string) {
  const input: NightlyInput = { pipeline: pipeline.name }
  return {
    scheduleId: `nightly-${pipeline.name}`,
    spec: { cronExpressions: [cron], timezone },
    policies: { overlap: ScheduleOverlapPolicy.BUFFER_ONE, catchupWindow: '7 days', pauseOnFailure: false },
    action: {
      type: 'startWorkflow',
      workflowType: 'nightly',
      workflowId: `nightly-${pipeline.name}`,
      taskQueue: TASK_QUEUES.control,
      args: [input],
      staticSummary: `night of ${pipeline.name}`,
    },
  } satisfies ScheduleOptions
}

async function applyOne(client: Client, options: ScheduleOptions): Promise<'created' | 'updated'> {
  const handle = client.schedule.getHandle(options.scheduleId)
  try {
    await handle.update((previous) => ({
      ...previous,
      spec: options.spec,
      policies: { ...previous.policies, ...options.policies },
      action: { ...options.action, workflowId: options.action.workflowId ?? options.scheduleId },
    }))
    return 'updated'
  } catch (error) {
    if (!(error instanceof ScheduleNotFoundError)) throw error
    await client.schedule.create(options)
    return 'created'
  }
}
