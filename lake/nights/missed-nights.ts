import { batchIdOf } from '../../schemas/batch.js'
import type { MissedNight } from '../../schemas/night-messages.js'

/** A night as Temporal remembers it. */
export interface KnownNight {
  /** Batch, without a suffix. */
  readonly batch: string
  /** `completed` whatever its outcome; `started`: how it ended is forgotten. */
  readonly state: 'running' | 'completed' | 'started' | 'failed' | 'cancelled' | 'terminated' | 'timed out'
  readonly workflowId: string
}

/**
 * The instants without a night: none was started, or none that was came to its end, and no audit row speaks of the batch.
 * `waiting`: so many nights are started when the running one ends, the earliest first.
 */
export function missedNights(
  instants: readonly Date[],
  seen: {
    readonly nights: readonly KnownNight[]
    readonly audited: ReadonlySet<string>
    readonly waiting: number
  },
): readonly MissedNight[] {
  const running = seen.nights.filter(({ state }) => state === 'running').map(({ batch }) => batch)
  const newest = running.reduce((max, batch) => (batch > max ? batch : max), '')
  const missed: MissedNight[] = []
  let waiting = newest === '' ? 0 : seen.waiting
  for (const batch of instants.map(batchIdOf)) {
    const nights = seen.nights.filter((night) => night.batch === batch)
    if (seen.audited.has(batch) || isDone(nights)) continue
    if (waiting > 0 && batch > newest) waiting -= 1
    else
      missed.push(
        missedNight(
          batch,
          nights.find(({ state }) => state !== 'started'),
        ),
      )
  }
  return missed
}

/** That it was started counts only where nothing is known of its end. */
function isDone(nights: readonly KnownNight[]): boolean {
  return (
    nights.some(({ state }) => state === 'running' || state === 'completed') ||
    (nights.length > 0 && nights.every(({ state }) => state === 'started'))
  )
}

function missedNight(batch: string, night: KnownNight | undefined): MissedNight {
  if (night === undefined) return { batch, why: 'no night was started' }
  return { batch, why: `its night ${wordsOf(night.state)}`, workflowId: night.workflowId }
}

function wordsOf(state: KnownNight['state']): string {
  return state === 'failed' || state === 'timed out' ? state : `was ${state}`
}
