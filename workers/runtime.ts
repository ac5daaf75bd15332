import {
  DefaultLogger,
  makeTelemetryFilterString,
  Runtime,
  type LogEntry,
  type RuntimeOptions,
} from '@temporalio/worker'
import { pino } from 'pino'
import { blotSecrets } from '../activities/secrets.js'
import { FirnError } from '../schemas/error.js'
import type { LogLevel } from './worker-settings.js'

export interface RuntimeSettings {
  /** File that gets the JSON lines; default: stderr. */
  readonly logFile?: string
  readonly level?: LogLevel
  /** Signals that drain the workers by themselves; none where the caller stops them. */
  readonly shutdownSignals?: NodeJS.Signals[]
  /** `host:port` that Prometheus asks at `/metrics`; nothing listens without. */
  readonly metricsAddress?: string
}

const LEVELS = { TRACE: 'trace', DEBUG: 'debug', INFO: 'info', WARN: 'warn', ERROR: 'error' } as const

/** Seconds: a slice of a few records up to a partition's gigabyte. */
const LANDING_BUCKETS = [0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300]

/**
 * Sets up Temporal's runtime with JSON logs, and metrics where an address is given. Once a process, before the first
 * connection of a worker. Throws `config` where nothing can listen at the address.
 */
export function installRuntime(settings: RuntimeSettings = {}): void {
  const level = settings.level ?? 'info'
  const log = pino(
    {
      level,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      serializers: { error: pino.stdSerializers.err },
      hooks: { streamWrite: (line) => blotSecrets(line) },
    },
    pino.destination({ dest: settings.logFile ?? 2, sync: false, mkdir: true }),
  )
  const upper = level.toUpperCase() as Uppercase<typeof level>
  const write = ({ level: at, message, meta }: LogEntry): void => log[LEVELS[at]](meta ?? {}, message)
  install(settings, {
    logger: new DefaultLogger(upper, write),
    shutdownSignals: settings.shutdownSignals ?? ['SIGINT', 'SIGTERM'],
    telemetryOptions: {
      logging: { forward: {}, filter: makeTelemetryFilterString({ core: 'WARN', other: 'ERROR' }) },
      ...(settings.metricsAddress === undefined ? {} : { metrics: prometheusAt(settings.metricsAddress) }),
    },
  })
}

function prometheusAt(bindAddress: string) {
  return {
    prometheus: {
      bindAddress,
      countersTotalSuffix: true,
      unitSuffix: true,
      useSecondsForDurations: true,
      histogramBucketOverrides: { firn_landing_seconds: LANDING_BUCKETS },
    },
  }
}

function install({ metricsAddress }: RuntimeSettings, options: RuntimeOptions): void {
  try {
    Runtime.install(options)
  } catch (cause) {
    if (metricsAddress === undefined) throw cause
    const why = cause instanceof Error ? cause.message : String(cause)
    throw new FirnError(
      'config',
      `metrics can't be served at ${metricsAddress} (${why}): another process may have the port; correct or unset FIRN_METRICS_ADDRESS.`,
      { cause },
    )
  }
}
