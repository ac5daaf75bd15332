import { metricMeter } from '@temporalio/workflow'
import { METRICS } from '../schemas/metrics.js'
import type { StreamStatus } from '../schemas/stream-messages.js'

/** Gauges of a stream, as the worker that runs its workflow last saw them. */
export function measureStream({ pipeline = '', source = '', watermarkMs, pause, retry }: StreamStatus): void {
  const tags = { pipeline, source }
  const set = (
    name: 'firn_watermark_seconds' | 'firn_stream_paused' | 'firn_stream_retries',
    value: number,
  ): void => metricMeter.createGauge(name, 'float', undefined, METRICS[name].description).set(value, tags)
  if (watermarkMs !== undefined) set('firn_watermark_seconds', watermarkMs / 1000)
  set('firn_stream_paused', pause === undefined ? 0 : 1)
  set('firn_stream_retries', retry?.attempt ?? 0)
}
