import { DefaultLogger, makeTelemetryFilterString, Runtime, type LogEntry } from '@temporalio/worker'
import { pino } from 'pino'

export interface RuntimeSettings {
  /** File that gets the JSON lines; default: stderr. */
  readonly logFile?: string
  readonly level?: 'debug' | 'info' | 'warn' | 'error'
  /** Signals that drain the workers by themselves; none where the caller stops them. */
  readonly shutdownSignals?: NodeJS.Signals[]
}

const LEVELS = { TRACE: 'trace', DEBUG: 'debug', INFO: 'info', WARN: 'warn', ERROR: 'error' } as const

/** Sets up Temporal's runtime with JSON logs. Once a process, before the first connection of a worker. */
export function installRuntime(settings: RuntimeSettings = {}): void {
  const level = settings.level ?? 'info'
  const log = pino({ level }, pino.destination({ dest: settings.logFile ?? 2, sync: false, mkdir: true }))
  const upper = level.toUpperCase() as Uppercase<typeof level>
  const write = ({ level: at, message, meta }: LogEntry): void => log[LEVELS[at]](meta ?? {}, message)
  Runtime.install({
    logger: new DefaultLogger(upper, write),
    shutdownSignals: settings.shutdownSignals ?? ['SIGINT', 'SIGTERM'],
    telemetryOptions: {
      logging: { forward: {}, filter: makeTelemetryFilterString({ core: 'WARN', other: 'ERROR' }) },
    },
  })
}
