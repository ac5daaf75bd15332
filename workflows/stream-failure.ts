import { ApplicationFailure, isCancellation, log, rootCause } from '@temporalio/workflow'
import type { StreamSourceInput } from '../schemas/stream-messages.js'
import { applicationFailure, mustReplan } from './replan.js'
import { streamCommand, type StreamBoard } from './stream-board.js'
import { without } from './without.js'

/** Kinds that only a person can answer. */
const PAUSE_KINDS = ['source-changed', 'offsets-lost', 'contract-broken']

const REPLAN_MAX_MS = 10_000
const RETRY_MAX_MS = 60_000

/**
 * What a stream does about an error: pauses where a person has to answer or to mend something, else waits, longer each
 * time, and shows what for. Thrown on: a cancellation, and what is wrong before the source was ever reached, since that is
 * a start with the wrong words.
 */
export async function afterFailure(
  error: unknown,
  given: Pick<StreamSourceInput, 'pipeline' | 'source'>,
  board: StreamBoard,
): Promise<void> {
  if (isCancellation(error)) throw error
  const failure = error instanceof ApplicationFailure ? error : applicationFailure(error)
  const kind = failure?.type ?? 'unexpected'
  const reason = rootCause(error) ?? 'an activity failed; Temporal shows which'
  const needsAnswer = PAUSE_KINDS.includes(kind)
  if (needsAnswer || (failure?.nonRetryable === true && !mustReplan(error))) {
    if (!needsAnswer && board.state().source === undefined) throw error
    log.warn('paused', { kind, reason })
    const answer = streamCommand('resume', given) + (needsAnswer ? acceptOption(failure) : '')
    const pause = { kind, reason, answer, sinceMs: Date.now() }
    board.change((state) => ({ ...without(state, 'retry'), pause }))
    return
  }
  const attempt = (board.state().retry?.attempt ?? 0) + 1
  const waitMs = mustReplan(error)
    ? Math.min(REPLAN_MAX_MS, 200 * attempt)
    : Math.min(RETRY_MAX_MS, 1000 * 2 ** Math.min(attempt, 6))
  log.warn('trying again', { kind, reason, attempt, waitMs })
  const retry = { attempt, kind, reason, nextAtMs: Date.now() + waitMs }
  board.change((state) => ({ ...state, retry }))
  await board.untilNudged(waitMs)
}

/** The answer that fits, as the error names it. */
function acceptOption(failure: ApplicationFailure | undefined): string {
  const [context] = failure?.details ?? []
  const accept = (context as { readonly accept?: unknown } | undefined)?.accept
  return typeof accept === 'string' ? ` --accept ${accept}` : ''
}
