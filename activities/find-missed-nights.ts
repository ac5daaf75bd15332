import type { Client, ScheduleDescription, WorkflowExecutionInfo } from '@temporalio/client'
import { ScheduleNotFoundError } from '@temporalio/client'
import { auditedBatches } from '../lake/nights/audited-batches.js'
import { missedNights, type KnownNight } from '../lake/nights/missed-nights.js'
import { batchIdOf, isBatchId } from '../schemas/batch.js'
import { parseDuration } from '../schemas/duration.js'
import type { LakeDeps } from '../schemas/lake-deps.js'
import type { MissedNights } from '../schemas/night-messages.js'
import type { Pipeline } from '../schemas/pipeline.js'
import { catchUpMs, scheduledInstants } from '../schemas/scheduled-instant.js'
import { SEARCH_ATTRIBUTES, workflowIds } from '../schemas/workflow-names.js'

/** A night that is due starts within this, beside the schedule's jitter. */
const START_MS = 60_000
const DAY_MS = 86_400_000

/** What of Temporal's client it needs: an activity's own will do. */
export type NightsClient = Pick<Client, 'workflow' | 'schedule' | 'workflowService' | 'options'>

/**
 * The dates that a pipeline's schedule was due at and that have no night, by Temporal's memory first and the audit table
 * where that leaves any open. It looks back as far as the catch-up window, not beyond the last change of the schedule, and
 * not beyond what Temporal remembers: a night that found nothing new leaves its trace nowhere else.
 */
export async function findMissedNights(
  deps: Pick<LakeDeps, 'catalog' | 'engine'>,
  client: NightsClient,
  pipeline: Pipeline,
  range: { readonly nowMs: number; readonly afterMs?: number; readonly beforeMs?: number },
): Promise<MissedNights> {
  const { schedule } = pipeline
  if (schedule === undefined) return { missed: [] }
  const { nowMs } = range
  const earliest = range.afterMs ?? nowMs - catchUpMs(schedule)
  const [found, known] = await Promise.all([
    describeSchedule(client, pipeline.name),
    knownNights(client, pipeline.name, earliest),
  ])
  if (found === undefined) return { missed: [] }
  const changed = (found.info.lastUpdatedAt ?? found.info.createdAt).getTime()
  const since = Math.max(earliest, changed)
  const after = range.afterMs ?? Math.max(since, await rememberedSince(client, found, { since, nowMs }))
  const startedBy = nowMs - START_MS - (parseDuration(schedule.jitter ?? '0s') ?? 0)
  const until = Math.min(startedBy, (range.beforeMs ?? Infinity) - 1)
  const instants = scheduledInstants(schedule, { after, until })
  const scheduleId = workflowIds.schedule(pipeline.name)
  const lookedBackTo = new Date(after).toISOString()
  if (instants.length === 0) return { scheduleId, lookedBackTo, missed: [] }
  const nights = [...startedNights(found, scheduleId), ...known]
  const waiting = Number(found.raw.info?.bufferSize ?? 0)
  const byTemporal = missedNights(instants, { nights, waiting, audited: new Set() })
  if (byTemporal.length === 0) return { scheduleId, lookedBackTo, missed: [] }
  const audited = await auditedBatches(deps, pipeline, after)
  return { scheduleId, lookedBackTo, missed: missedNights(instants, { nights, waiting, audited }) }
}

async function describeSchedule(
  client: NightsClient,
  pipeline: string,
): Promise<ScheduleDescription | undefined> {
  try {
    return await client.schedule.getHandle(workflowIds.schedule(pipeline)).describe()
  } catch (error) {
    if (error instanceof ScheduleNotFoundError) return undefined
    throw error
  }
}

/**
 * Since when every night is remembered: by the server's retention, or by the schedule's own last ten starts. The server is
 * asked only where these do not reach back to `since`.
 */
async function rememberedSince(
  client: NightsClient,
  { info }: ScheduleDescription,
  { since, nowMs }: { readonly since: number; readonly nowMs: number },
): Promise<number> {
  if (info.numActionsTaken <= info.recentActions.length) return info.createdAt.getTime()
  const oldest = Math.min(...info.recentActions.map(({ takenAt }) => takenAt.getTime()))
  return oldest <= since ? oldest : Math.min(oldest, nowMs - (await retentionMs(client)))
}

async function retentionMs({ workflowService, options }: NightsClient): Promise<number> {
  try {
    const { config } = await workflowService.describeNamespace({ namespace: options.namespace })
    return Number(config?.workflowExecutionRetentionTtl?.seconds ?? 0) * 1000 || DAY_MS
  } catch {
    return DAY_MS
  }
}

/** The schedule keeps its last starts longer than the server keeps their runs; their ids hold the instant. */
function startedNights({ info }: ScheduleDescription, scheduleId: string): readonly KnownNight[] {
  return info.recentActions.flatMap(({ action: { workflow } }) => {
    const instant = new Date(workflow.workflowId.slice(scheduleId.length + 1))
    if (Number.isNaN(instant.getTime())) return []
    return [{ batch: batchIdOf(instant), state: 'started' as const, workflowId: workflow.workflowId }]
  })
}

const STATES: Readonly<Record<string, KnownNight['state']>> = {
  RUNNING: 'running',
  PAUSED: 'running',
  COMPLETED: 'completed',
  FAILED: 'failed',
  CANCELLED: 'cancelled',
  TERMINATED: 'terminated',
  TIMED_OUT: 'timed out',
}

/** Nights of a pipeline that were started since; one that no worker has taken yet is known by its schedule alone. */
async function knownNights(
  client: NightsClient,
  pipeline: string,
  sinceMs: number,
): Promise<readonly KnownNight[]> {
  const query = nightsQuery(pipeline, `StartTime >= '${new Date(sinceMs).toISOString()}'`)
  const nights: KnownNight[] = []
  for await (const run of client.workflow.list({ query })) {
    const batch = batchOfNight(run)
    const state = STATES[run.status.name]
    if (batch !== undefined && state !== undefined)
      nights.push({ batch: batch.slice(0, 16), state, workflowId: run.workflowId })
  }
  return nights
}

export function nightsQuery(pipeline: string, more = ''): string {
  const own = `(${SEARCH_ATTRIBUTES.pipeline} = '${pipeline}' OR TemporalScheduledById = '${workflowIds.schedule(pipeline)}')`
  return `WorkflowType = 'nightly' AND ${own}${more === '' ? '' : ` AND ${more}`}`
}

/** What it says itself, else what its schedule was due at. */
export function batchOfNight({ typedSearchAttributes }: WorkflowExecutionInfo): string | undefined {
  const attributes = new Map(typedSearchAttributes.getAll().map(({ key, value }) => [key.name, value]))
  const said = attributes.get(SEARCH_ATTRIBUTES.batch)
  if (typeof said === 'string' && isBatchId(said)) return said
  const due = attributes.get('TemporalScheduledStartTime')
  return due instanceof Date ? batchIdOf(due) : undefined
}
