import type { AnswerLog, FinalAnswer } from './answer-log.js'
import { badRequest, Problem } from './problem.js'

export interface KeyedRequest {
  readonly key: string
  readonly fingerprint: string
}

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i

/** The request's key, lower case; `undefined` where it has none. */
export function parseKey(header: string | undefined): string | undefined {
  if (header === undefined) return undefined
  if (!UUID.test(header)) throw badRequest('Idempotency-Key is not a UUID')
  return header.toLowerCase()
}

/**
 * Runs each keyed request once: whoever comes again with the key gets the first one's answer, and whoever comes while it
 * runs waits for it. Answers of 5xx are not final.
 */
export class AnswerOnce {
  readonly #log: AnswerLog
  readonly #onLost: (error: unknown) => void
  readonly #running = new Map<
    string,
    { readonly fingerprint: string; readonly answer: Promise<FinalAnswer> }
  >()

  constructor(log: AnswerLog, onLost: (error: unknown) => void) {
    this.#log = log
    this.#onLost = onLost
  }

  /** `act` gives every answer, also refusals; it does not throw. */
  async run({ key, fingerprint }: KeyedRequest, act: () => Promise<FinalAnswer>): Promise<FinalAnswer> {
    const running = this.#running.get(key)
    if (running !== undefined) {
      requireSame(running.fingerprint, fingerprint)
      return running.answer
    }
    const answer = this.#first({ key, fingerprint }, act)
    this.#running.set(key, { fingerprint, answer })
    try {
      return await answer
    } finally {
      this.#running.delete(key)
    }
  }

  async #first({ key, fingerprint }: KeyedRequest, act: () => Promise<FinalAnswer>): Promise<FinalAnswer> {
    const kept = await this.#log.start(key, fingerprint)
    if (kept !== undefined) requireSame(kept.fingerprint, fingerprint)
    if (kept?.final !== undefined) return kept.final
    const answer = await act()
    if (answer.status === 503) {
      // Certainly nothing was done, unless an earlier attempt did.
      if (kept === undefined) await this.#log.forget(key)
      return answer
    }
    if (answer.status >= 500) return answer
    // This attempt may have been refused because an earlier one, whose end nobody saw, did the work.
    if (kept !== undefined && answer.status >= 400) throw outcomeUnknown()
    // The work is done: that its answer could not be kept must not make it look undone.
    await this.#log.finish(key, answer).catch(this.#onLost)
    return answer
  }
}

function requireSame(known: string, given: string): void {
  if (known === given) return
  throw new Problem(
    422,
    'UnprocessableEntityException',
    'this Idempotency-Key was used for another request; a new request needs a new key',
  )
}

function outcomeUnknown(): Problem {
  return new Problem(
    500,
    'CommitStateUnknownException',
    'an earlier attempt with this Idempotency-Key ended without an answer, and may have done the work; load and look',
  )
}
