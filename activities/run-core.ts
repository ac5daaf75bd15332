import { Context } from '@temporalio/activity'
import type { RunControl } from '../schemas/lake-deps.js'
import { toFailure } from './map-error.js'

/** A fifth of the workflows' heartbeat time-out: a few late timers do no harm. */
const HEARTBEAT_MS = 2000

/**
 * Runs a core inside an activity: heartbeats while it runs, with its progress as their details, hands it the
 * cancellation, maps what it throws.
 */
export async function runCore<T>(core: (control: Required<RunControl>) => Promise<T>): Promise<T> {
  const context = Context.current()
  let latest = ''
  const beat = (): void => context.heartbeat(latest)
  beat()
  const timer = setInterval(beat, HEARTBEAT_MS)
  try {
    return await core({ onProgress: (message) => (latest = message), signal: context.cancellationSignal })
  } catch (error) {
    const failure = toFailure(error, context.cancellationSignal.aborted)
    if (failure !== error) context.log.warn('activity failed', { error })
    throw failure
  } finally {
    clearInterval(timer)
  }
}
