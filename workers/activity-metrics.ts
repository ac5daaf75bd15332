import type { Context } from '@temporalio/activity'
import { ApplicationFailure, type MetricMeter, type MetricTags } from '@temporalio/common'
import type { ActivityInterceptorsFactory } from '@temporalio/worker'
import type { FetchedLanding, LandingPlan, LandResult } from '../schemas/messages.js'
import { METRICS, type MetricName } from '../schemas/metrics.js'
import { isTopicPlan, lagAfter } from '../workflows/lag-after.js'

const STEPS: Readonly<Record<string, string>> = {
  planLanding: 'plan',
  fetchLanding: 'fetch',
  commitLanding: 'commit',
}

/** Counts what the landing activities do. Nothing listens unless FIRN_METRICS_ADDRESS says so. */
export const activityMetrics: ActivityInterceptorsFactory = (context) => ({
  inbound: {
    async execute(input, next) {
      const step = STEPS[context.info.activityType]
      if (step === undefined) return next(input)
      const about = sourceOf(input.args[0])
      const started = performance.now()
      const took = (): void =>
        histogram(context.metricMeter, 'firn_landing_seconds').record((performance.now() - started) / 1000, {
          ...about,
          step,
        })
      try {
        const result = await next(input)
        took()
        if (step === 'commit') recordLanding(context, input.args[0] as Landing, result as LandResult)
        return result
      } catch (error) {
        took()
        const kind = error instanceof ApplicationFailure ? (error.type ?? 'unexpected') : 'cancelled'
        count(context.metricMeter, 'firn_landing_failures', 1, { ...about, step, kind })
        throw error
      }
    },
  },
})

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
