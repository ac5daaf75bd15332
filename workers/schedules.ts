import {
  ScheduleNotFoundError,
  ScheduleOverlapPolicy,
  type Client,
  type ScheduleDescription,
  type ScheduleOptions,
  type ScheduleUpdateOptions,
} from '@temporalio/client'
import { FirnError } from '../schemas/error.js'
import type { NightlyInput } from '../schemas/messages.js'
import type { Pipeline, ScheduleDefinition } from '../schemas/pipeline.js'
import { catchUpMs } from '../schemas/scheduled-instant.js'
import { TASK_QUEUES, workflowIds } from '../schemas/workflow-names.js'

export interface AppliedSchedule {
  readonly id: string
  /** `stale`: no pipeline has it any more; `deleted` where that was asked for. */
  readonly change: 'created' | 'updated' | 'unchanged' | 'stale' | 'deleted'
  readonly cron: string
  readonly timezone: string
}

export interface ApplyOptions {
  /** Say what would change, and change nothing. */
  readonly dryRun?: boolean
  /** Delete schedules of pipelines that are gone or have none any more. */
  readonly prune?: boolean
}

/** Memo of every night's start that holds its schedule's definition: the server rewrites cron expressions. */
const DEFINITION_MEMO = 'firnSchedule'

/**
 * Brings the schedule `nightly-<pipeline>` of every pipeline that has one in line with its definition. Whether it is paused,
 * and why, is the definition's when it is made and people's afterwards.
 */
export async function applySchedules(
  client: Client,
  pipelines: Iterable<Pipeline>,
  { dryRun = false, prune = false }: ApplyOptions = {},
): Promise<readonly AppliedSchedule[]> {
  const applied: AppliedSchedule[] = []
  const wanted = new Set<string>()
  for (const { name, schedule } of pipelines) {
    if (schedule === undefined) continue
    const options = scheduleOptions(name, schedule)
    wanted.add(options.scheduleId)
    const change = await applyOne(client, options, dryRun)
    applied.push({ id: options.scheduleId, change, ...cronOfDefinition(schedule) })
  }
  for (const id of await ourSchedules(client)) {
    if (wanted.has(id)) continue
    const definition = definitionOf(await describeSchedule(client, id))
    const goes = prune && !dryRun
    if (goes) await client.schedule.getHandle(id).delete()
    applied.push({ id, change: goes ? 'deleted' : 'stale', ...cronOfDefinition(definition) })
  }
  return applied
}

/** Ids of the schedules on the server that start nights. */
export async function ourSchedules(client: Client): Promise<readonly string[]> {
  const ids: string[] = []
  const prefix = workflowIds.schedule('')
  for await (const { scheduleId, action } of client.schedule.list())
    if (action?.workflowType === 'nightly' && scheduleId.startsWith(prefix)) ids.push(scheduleId)
  return ids.sort()
}

/** Throws `not-found` with what to do. */
export async function describeSchedule(client: Client, id: string): Promise<ScheduleDescription> {
  try {
    return await client.schedule.getHandle(id).describe()
  } catch (error) {
    if (!(error instanceof ScheduleNotFoundError)) throw error
    throw new FirnError(
      'not-found',
      `the server has no schedule ${id}: \`firn schedules apply\` makes one for each pipeline whose definition has a schedule.`,
    )
  }
}

/** As it was when the schedule was last applied; of schedules of 0.1 nothing is known but what the server says. */
export function definitionOf({ action }: ScheduleDescription): ScheduleDefinition | undefined {
  const text = action.memo?.[DEFINITION_MEMO]
  return typeof text === 'string' ? (JSON.parse(text) as ScheduleDefinition) : undefined
}

function cronOfDefinition(definition: ScheduleDefinition | undefined) {
  return { cron: definition?.nightly ?? '?', timezone: definition?.timezone ?? 'UTC' }
}

/**
 * A night that is late holds back the next one, which runs after it (the default would drop it silently); nights missed
 * while the server was down are caught up.
 */
function scheduleOptions(pipeline: string, schedule: ScheduleDefinition) {
  const input: NightlyInput = { pipeline }
  return {
    scheduleId: workflowIds.schedule(pipeline),
    spec: {
      cronExpressions: [schedule.nightly],
      timezone: schedule.timezone ?? 'UTC',
      ...(schedule.jitter === undefined ? {} : { jitter: schedule.jitter }),
    },
    policies: {
      overlap: ScheduleOverlapPolicy.BUFFER_ONE,
      catchupWindow: catchUpMs(schedule),
      pauseOnFailure: false,
    },
    state: {
      ...(schedule.paused === undefined ? {} : { paused: schedule.paused }),
      ...(schedule.note === undefined ? {} : { note: schedule.note }),
    },
    action: {
      type: 'startWorkflow',
      workflowType: 'nightly',
      workflowId: workflowIds.schedule(pipeline),
      taskQueue: TASK_QUEUES.control,
      args: [input],
      memo: { [DEFINITION_MEMO]: JSON.stringify(schedule) },
      staticSummary: `night of ${pipeline}`,
    },
  } satisfies ScheduleOptions
}

async function applyOne(
  client: Client,
  options: ReturnType<typeof scheduleOptions>,
  dryRun: boolean,
): Promise<'created' | 'updated' | 'unchanged'> {
  const handle = client.schedule.getHandle(options.scheduleId)
  try {
    const { action } = await handle.describe()
    if (action.memo?.[DEFINITION_MEMO] === options.action.memo[DEFINITION_MEMO]) return 'unchanged'
    const { spec, policies, action: start } = options
    if (!dryRun)
      await handle.update(({ state }): ScheduleUpdateOptions => ({ state, spec, policies, action: start }))
    return 'updated'
  } catch (error) {
    if (!(error instanceof ScheduleNotFoundError)) throw error
    if (!dryRun) await client.schedule.create(options)
    return 'created'
  }
}
