import { isCancellation, log, patched, rootCause } from '@temporalio/workflow'
import type { Alert, LateSource } from '../schemas/alerts.js'
import type { BuildFeaturesResult, MaintenanceReport } from '../schemas/messages.js'
import type { MissedNight } from '../schemas/night-messages.js'
import { alerting } from './activity-groups.js'
import { runInfo } from './run-info.js'

interface Night {
  readonly pipeline: string
  readonly batch: string
}

/** What a night looks at besides its own work; where that fails, the night goes on without. */
export async function lookBack(night: Night): Promise<readonly MissedNight[]> {
  const found = await orWithout('the look back', () =>
    alerting.findMissedNights.executeWithOptions({ summary: `dates before ${night.batch}` }, [night]),
  )
  return found?.missed ?? []
}

export async function tellMissed(pipeline: string, missed: readonly MissedNight[]): Promise<void> {
  await raise(missed.map((one) => missedAlert(pipeline, one)))
}

/** Tells of sources that are late, after the landing; looks for them where that was not done. */
export async function tellLateSources(
  { pipeline, batch }: Night,
  found?: readonly LateSource[],
): Promise<void> {
  const late =
    found ?? (await orWithout('the look at sources', () => alerting.findLateSources({ pipeline }))) ?? []
  await raise(late.map((source) => lateAlert({ pipeline, batch }, source)))
}

/** Tells of a batch that failed its checks and of tables whose maintenance failed. */
export async function tellOutcome(
  night: Night,
  build: BuildFeaturesResult,
  maintenance: MaintenanceReport | undefined,
): Promise<void> {
  await raise([
    ...(build.status === 'failed' ? [failedAlert(night.pipeline, build)] : []),
    ...(maintenance?.tables ?? []).flatMap(({ table, error }) =>
      error === undefined ? [] : [maintenanceAlert(night, table, error)],
    ),
  ])
}

/** Tells of a night that ends with an error; not of one that was cancelled. */
export async function tellFailure(night: Night, error: unknown): Promise<void> {
  if (isCancellation(error)) return
  const { pipeline, batch } = night
  const cause = rootCause(error) ?? 'see its history in Temporal'
  await raise([
    {
      key: `night-failed/${pipeline}/${batch}/${runInfo().runId}`,
      kind: 'night-failed',
      ...night,
      subject: runInfo().workflowId,
      message: `the night ${batch} of ${pipeline} failed: ${cause}. What it published stays; correct the cause and run \`firn run nightly ${pipeline} --batch ${batch}\`.`,
    },
  ])
}

/** Runs of 0.1 that are under way raise none. */
async function raise(alerts: readonly Alert[]): Promise<void> {
  if (alerts.length === 0 || !patched('alerts')) return
  const summary = alerts.map(({ kind }) => kind).join(', ')
  await orWithout('alerts', () =>
    alerting.raiseAlerts.executeWithOptions({ summary: summary.slice(0, 200) }, [{ alerts, run: runInfo() }]),
  )
}

export async function orWithout<T>(what: string, work: () => Promise<T>): Promise<T | undefined> {
  try {
    return await work()
  } catch (error) {
    if (isCancellation(error)) throw error
    log.warn(`${what} failed; the night goes on`, { cause: rootCause(error) })
    return undefined
  }
}

function missedAlert(pipeline: string, { batch, why, workflowId }: MissedNight): Alert {
  return {
    key: `missed-night/${pipeline}/${batch}`,
    kind: 'missed-night',
    ...{ pipeline, batch },
    ...(workflowId === undefined ? {} : { subject: workflowId }),
    message: `${pipeline} has no night ${batch}: ${why}. Its data are part of a later night's batch; \`firn schedules missed ${pipeline} --run\` runs the date itself.`,
  }
}

function lateAlert({ pipeline, batch }: Night, { source, lateAfter, lastLandedAt }: LateSource): Alert {
  const last = lastLandedAt === undefined ? 'nothing was ever landed' : `the last landing was ${lastLandedAt}`
  return {
    key: `late-source/${pipeline}/${source}/${lastLandedAt ?? 'never'}`,
    kind: 'late-source',
    ...{ pipeline, batch, subject: source },
    message: `source ${source} of ${pipeline} is late: ${last}, and it says lateAfter '${lateAfter}'. Look at what writes it.`,
  }
}

function failedAlert(pipeline: string, { batch, checks, publish }: BuildFeaturesResult): Alert {
  const failed = (checks?.results ?? []).filter(({ passed, severity }) => !passed && severity === 'blocking')
  const which = failed.map(({ name, failingRows }) => `${name} (${failingRows} rows)`).join(', ')
  const branch = publish?.tag ?? `failed_${batch}`
  return {
    key: `batch-failed/${pipeline}/${batch}`,
    kind: 'batch-failed',
    ...{ pipeline, batch },
    message: `batch ${batch} of ${pipeline} failed its checks${which === '' ? '' : `: ${which}`}. Nothing of it is published; \`firn checks ${pipeline} --batch ${batch}\` shows the rows, \`firn sql … --at ${branch}\` all of it.`,
  }
}

function maintenanceAlert({ pipeline, batch }: Night, table: string, error: string): Alert {
  return {
    key: `maintenance-failed/${table}/${batch}`,
    kind: 'maintenance-failed',
    ...{ pipeline, batch, subject: table },
    message: `maintenance of ${table} failed: ${error}. Nothing is lost; the next one tries again, \`firn maintain\` at once.`,
  }
}
