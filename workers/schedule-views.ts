import type { Client } from '@temporalio/client'
import { batchOfNight, findMissedNights, nightsQuery } from '../activities/find-missed-nights.js'
import { batchIdOf } from '../schemas/batch.js'
import type { LakeDeps } from '../schemas/lake-deps.js'
import type { MissedNight, MissedNights } from '../schemas/night-messages.js'
import { scheduledInstants } from '../schemas/scheduled-instant.js'
import { SEARCH_ATTRIBUTES, workflowIds } from '../schemas/workflow-names.js'
import { definitionOf, describeSchedule, ourSchedules } from './schedules.js'

const YEAR_MS = 366 * 86_400_000

export interface ScheduleView {
  readonly id: string
  readonly pipeline: string
  /** The pipeline's definition has no schedule, or there is no such pipeline. */
  readonly stale: boolean
  readonly cron: string
  readonly timezone: string
  readonly jitter?: string
  readonly catchUp: string
  readonly paused: boolean
  readonly note?: string
  /** The next nights: which batch, and when it starts (jitter included). Starts are those of a schedule that is not paused. */
  readonly next: readonly { readonly batch: string; readonly startsAt: string }[]
  /** Nights that run, and nights that wait for their end. */
  readonly running: readonly string[]
  readonly waiting: number
  /** Since the schedule was made: dropped because two were due already; too late for the catch-up window. */
  readonly skippedByOverlap: number
  readonly pastCatchUp: number
  /** Newest first. */
  readonly nights: readonly NightView[]
  readonly missed: readonly MissedNight[]
  readonly lookedBackTo?: string
}

export interface NightView {
  readonly batch?: string
  /** How the workflow stands: running, completed, failed, … */
  readonly status: string
  /** What it says of itself: done, no_changes, failed. */
  readonly outcome?: string
  readonly workflowId: string
  readonly runId: string
  readonly startedAt: string
  readonly endedAt?: string
}

/** Every schedule of nights on the server. */
export async function viewSchedules(
  client: Client,
  deps: Pick<LakeDeps, 'catalog' | 'engine' | 'pipelines' | 'now'>,
  nights: number,
): Promise<readonly ScheduleView[]> {
  const views: ScheduleView[] = []
  for (const id of await ourSchedules(client)) views.push(await viewSchedule(client, deps, id, nights))
  return views
}

/** One schedule with its last nights. Throws `not-found`. */
export async function viewSchedule(
  client: Client,
  deps: Pick<LakeDeps, 'catalog' | 'engine' | 'pipelines' | 'now'>,
  id: string,
  nights: number,
): Promise<ScheduleView> {
  const description = await describeSchedule(client, id)
  const name = id.slice(workflowIds.schedule('').length)
  const pipeline = deps.pipelines.get(name)
  const definition = definitionOf(description)
  const { state, info } = description
  const nowMs = deps.now()
  const instants =
    definition === undefined
      ? []
      : scheduledInstants(definition, { after: nowMs, until: nowMs + YEAR_MS, limit: 5 })
  const found: MissedNights =
    pipeline === undefined ? { missed: [] } : await findMissedNights(deps, client, pipeline, { nowMs })
  return {
    ...{ id, pipeline: name, stale: pipeline?.schedule === undefined },
    cron: definition?.nightly ?? '?',
    timezone: definition?.timezone ?? 'UTC',
    ...(definition?.jitter === undefined ? {} : { jitter: definition.jitter }),
    catchUp: definition?.catchUp ?? '7d',
    paused: state.paused,
    ...(state.note === undefined || state.note === '' ? {} : { note: state.note }),
    next: instants.flatMap((instant, i) => {
      const startsAt = info.nextActionTimes[i]?.toISOString()
      return startsAt === undefined ? [] : [{ batch: batchIdOf(instant), startsAt }]
    }),
    running: info.runningActions.map(({ workflow }) => workflow.workflowId),
    waiting: Number(description.raw.info?.bufferSize ?? 0),
    skippedByOverlap: info.numActionsSkippedOverlap,
    pastCatchUp: info.numActionsMissedCatchupWindow,
    nights: await lastNights(client, name, nights),
    missed: found.missed,
    ...(found.lookedBackTo === undefined ? {} : { lookedBackTo: found.lookedBackTo }),
  }
}

async function lastNights(client: Client, pipeline: string, limit: number): Promise<readonly NightView[]> {
  const nights: NightView[] = []
  if (limit === 0) return nights
  for await (const run of client.workflow.list({ query: nightsQuery(pipeline), pageSize: limit })) {
    const said = run.typedSearchAttributes.getAll().find(({ key }) => key.name === SEARCH_ATTRIBUTES.status)
    const batch = batchOfNight(run)
    nights.push({
      ...(batch === undefined ? {} : { batch }),
      status: run.status.name.toLowerCase(),
      ...(said === undefined ? {} : { outcome: String(said.value) }),
      workflowId: run.workflowId,
      runId: run.runId,
      startedAt: run.startTime.toISOString(),
      ...(run.closeTime === undefined ? {} : { endedAt: run.closeTime.toISOString() }),
    })
    if (nights.length === limit) break
  }
  return nights
}
