export interface Metric {
  readonly kind: 'counter' | 'gauge' | 'histogram'
  readonly unit?: string
  readonly labels: readonly string[]
  readonly description: string
}

const SOURCE = ['pipeline', 'source'] as const

/** Our own metrics, by the name that Prometheus sees (counters with `_total` at its end); docs/metrics.md lists them. */
export const METRICS = {
  firn_landed_records: {
    kind: 'counter',
    labels: SOURCE,
    description: 'Records whose landing was committed.',
  },
  firn_landed_bytes: {
    kind: 'counter',
    labels: SOURCE,
    description: 'Payload bytes of landings that were committed.',
  },
  firn_landings: {
    kind: 'counter',
    labels: SOURCE,
    description: 'Landings that were committed: micro-batches of a stream, rounds of a bounded landing.',
  },
  firn_dead_letters: {
    kind: 'counter',
    labels: [...SOURCE, 'kind'],
    description: 'Records that broke the contract, by error kind.',
  },
  firn_landing_failures: {
    kind: 'counter',
    labels: [...SOURCE, 'step', 'kind'],
    description:
      'Attempts of a landing step that failed, by error kind; `stale-range` and `stage-expired` are planned again, the other passing kinds tried again.',
  },
  firn_landing_seconds: {
    kind: 'histogram',
    labels: [...SOURCE, 'step'],
    description: 'How long an attempt of a landing step took: plan, fetch (one slice), commit.',
  },
  firn_lag_records: {
    kind: 'gauge',
    labels: [...SOURCE, 'partition'],
    description: 'Records between the ledger and the end of the log, after the last landing.',
  },
  firn_watermark_seconds: {
    kind: 'gauge',
    labels: SOURCE,
    description: 'Watermark of a stream, seconds since 1970; its delay is `time() - firn_watermark_seconds`.',
  },
  firn_stream_paused: {
    kind: 'gauge',
    labels: SOURCE,
    description: '1 while a stream waits for a person, 0 otherwise.',
  },
  firn_stream_retries: {
    kind: 'gauge',
    labels: SOURCE,
    description: 'How often a stream has tried in vain what it tries now; 0 where all is well.',
  },
  firn_built_rows: {
    kind: 'counter',
    labels: ['pipeline', 'table'],
    description: 'Rows staged for a table by batches, whether or not they were published.',
  },
  firn_batches: {
    kind: 'counter',
    labels: ['pipeline', 'status'],
    description: 'Batches that ended: `published`, or `failed` where a blocking check failed.',
  },
  firn_check_failures: {
    kind: 'counter',
    labels: ['pipeline', 'check', 'severity'],
    description: 'Checks of batches that failed.',
  },
  firn_scored_rows: {
    kind: 'counter',
    labels: ['pipeline', 'model'],
    description: 'Predictions that were published.',
  },
  firn_commits: {
    kind: 'counter',
    labels: ['outcome'],
    description:
      'Commits sent to the catalog: `committed`; `conflict`, which is rebased or rebuilt and tried again; `unknown`, which is looked up; `rejected`, which is final.',
  },
  firn_activity_failures: {
    kind: 'counter',
    labels: ['activity', 'kind'],
    description: 'Attempts of activities that failed, by error kind.',
  },
  firn_activity_retries: {
    kind: 'counter',
    labels: ['activity'],
    description: 'Attempts of activities after their first.',
  },
  firn_event_loop_lag_seconds: {
    kind: 'gauge',
    labels: [],
    description:
      'How late timers of the worker process come (99 of 100 come sooner). Beyond a second or two heartbeats are at risk.',
  },
} as const satisfies Readonly<Record<string, Metric>>

export type MetricName = keyof typeof METRICS
