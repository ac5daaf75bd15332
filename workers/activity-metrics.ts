import type { Context } from '@temporalio/activity'
import { ApplicationFailure, type MetricMeter, type MetricTags } from '@temporalio/common'
import type { ActivityInterceptorsFactory } from '@temporalio/worker'
import type {
  BuiltTables,
  CheckedBatch,
  FetchedLanding,
  LandingPlan,
  LandResult,
  PlannedBuild,
} from '../schemas/messages.js'
import { METRICS, type MetricName } from '../schemas/metrics.js'
import type { ScoreBatchInput, ScoreBatchResult } from '../schemas/model-messages.js'
import type { PublishResult } from '../schemas/publish.js'
import { isTopicPlan, lagAfter } from '../workflows/lag-after.js'

const STEPS: Readonly<Record<string, string>> = {
  planLanding: 'plan',
  fetchLanding: 'fetch',
  commitLanding: 'commit',
}

/** Counts what the activities do. Nothing listens unless FIRN_METRICS_ADDRESS says so. */
export const activityMetrics: ActivityInterceptorsFactory = (context) => ({
  inbound: {
    async execute(input, next) {
      const { activityType, attempt } = context.info
      const argument = input.args[0]
      if (attempt > 1) count(context.metricMeter, 'firn_activity_retries', 1, { activity: activityType })
      const started = performance.now()
      try {
        const result = await next(input)
        landingTook(context, argument, started)
        record(context, argument, result)
        return result
      } catch (error) {
        landingTook(context, argument, started)
        const kind = error instanceof ApplicationFailure ? (error.type ?? 'unexpected') : 'cancelled'
        count(context.metricMeter, 'firn_activity_failures', 1, { activity: activityType, kind })
        const step = STEPS[activityType]
        if (step !== undefined)
          count(context.metricMeter, 'firn_landing_failures', 1, { ...sourceOf(argument), step, kind })
        throw error
      }
    },
  },
})

/** Activities whose results are counted; labels are names of definitions, so that there is a bounded number of series. */
function record(context: Context, argument: unknown, result: unknown): void {
  switch (context.info.activityType) {
    case 'commitLanding':
      recordLanding(context, argument as Landing, result as LandResult)
      break
    case 'buildTables':
      recordBuild(context, argument as Planned, result as BuiltTables)
      break
    case 'runChecks':
      recordChecks(context, argument as Planned, result as CheckedBatch)
      break
    case 'publishBatch': {
      const { pipeline } = (argument as Planned).plan
      count(context.metricMeter, 'firn_batches', 1, { pipeline, status: (result as PublishResult).status })
      break
    }
    case 'scoreBatch': {
      const { pipeline, model } = (argument as Scored).input
      count(context.metricMeter, 'firn_scored_rows', (result as ScoreBatchResult).rows, { pipeline, model })
      break
    }
  }
}

function recordBuild({ metricMeter }: Context, { plan: { pipeline } }: Planned, built: BuiltTables): void {
  for (const { table, rows } of built.tables) count(metricMeter, 'firn_built_rows', rows, { pipeline, table })
}

function recordChecks(
  { metricMeter }: Context,
  { plan: { pipeline } }: Planned,
  checked: CheckedBatch,
): void {
  for (const { name: check, severity, passed } of checked.results)
    if (!passed) count(metricMeter, 'firn_check_failures', 1, { pipeline, check, severity })
}

function landingTook({ metricMeter, info }: Context, argument: unknown, started: number): void {
  const step = STEPS[info.activityType]
  if (step === undefined) return
  const seconds = (performance.now() - started) / 1000
  histogram(metricMeter, 'firn_landing_seconds').record(seconds, { ...sourceOf(argument), step })
}

interface Planned {
  readonly plan: PlannedBuild
}

interface Scored {
  readonly input: ScoreBatchInput
}

interface Landing {
  readonly plan: LandingPlan
  readonly fetched: readonly FetchedLanding[]
}

/** Plans name their source; what asks for one may leave it out. */
function sourceOf(argument: unknown): MetricTags {
  const { plan, ...rest } = argument as { readonly plan?: object }
  const { pipeline = '', source = '' } = { ...rest, ...plan } as Readonly<Record<string, string>>
  return { pipeline, source }
}

function recordLanding({ metricMeter }: Context, { plan, fetched }: Landing, landed: LandResult): void {
  const about = { pipeline: plan.pipeline, source: plan.source }
  if (fetched.length > 0) count(metricMeter, 'firn_landings', 1, about)
  count(metricMeter, 'firn_landed_records', landed.records, about)
  count(metricMeter, 'firn_landed_bytes', landed.bytes, about)
  for (const [kind, letters] of Object.entries(landed.deadLetterKinds ?? {})) {
    count(metricMeter, 'firn_dead_letters', letters, { ...about, kind })
  }
  if (!isTopicPlan(plan)) return
  const { description } = METRICS.firn_lag_records
  const lag = metricMeter.createGauge('firn_lag_records', 'int', undefined, description)
  for (const [partition, records] of lagAfter(plan))
    lag.set(records, { ...about, partition: String(partition) })
}

function count(meter: MetricMeter, name: MetricName, value: number, tags: MetricTags): void {
  meter.createCounter(name, undefined, METRICS[name].description).add(value, tags)
}

function histogram(meter: MetricMeter, name: MetricName) {
  return meter.createHistogram(name, 'float', undefined, METRICS[name].description)
}
