import { monitorEventLoopDelay } from 'node:perf_hooks'
import type { MetricMeter } from '@temporalio/common'
import { METRICS } from '../schemas/metrics.js'

const EVERY_MS = 5000

/** Reports how late this process's timers come, until the function it returns is called. */
export function measureEventLoop(meter: MetricMeter): () => void {
  const delay = monitorEventLoopDelay({ resolution: 20 })
  const { description } = METRICS.firn_event_loop_lag_seconds
  const gauge = meter.createGauge('firn_event_loop_lag_seconds', 'float', undefined, description)
  const report = (): void => {
    // In nanoseconds; not a number before the first sample.
    const longest = delay.percentile(99)
    gauge.set(Number.isFinite(longest) ? longest / 1e9 : 0)
    delay.reset()
  }
  delay.enable()
  report()
  const timer = setInterval(report, EVERY_MS)
  timer.unref()
  return () => {
    clearInterval(timer)
    delay.disable()
  }
}
