import { IcebergError, type IcebergErrorKind } from '../error.js'
import { parseJson } from '../spec/json.js'
import { parseErrorBody } from './error-body.js'
import type { HttpOutcome } from './send-once.js'

/** What a request is, as far as its answers are concerned. */
export interface Asked {
  /** For messages: `load table a.b`. */
  readonly what: string
  /** Whether the server changes something for it. */
  readonly changes: boolean
  /** What a refusal with this status means; others mean one thing for all requests. */
  readonly refusals: Readonly<Record<number, IcebergErrorKind>>
  /** The same by the refusal's type, which comes first: servers differ in their status. */
  readonly kindOfType: Readonly<Record<string, IcebergErrorKind>>
}

export interface RestAnswer {
  readonly status: number
  readonly headers: Headers
  /** Undefined where the answer has no body. */
  readonly body: unknown
}

export type Judgement =
  | { readonly kind: 'answer'; readonly answer: RestAnswer }
  | {
      readonly kind: 'failure'
      readonly error: IcebergError
      /** The server may have done what was asked nevertheless. */
      readonly unclear: boolean
      /** `if-repeatable`: only where asking twice does no harm. */
      readonly again: 'always' | 'if-repeatable' | 'never'
      /** How long the server asks to wait. */
      readonly waitMs?: number
    }

/** What an outcome means. `now` in ms since 1970. */
export function judgeOutcome(asked: Asked, outcome: HttpOutcome, now: number): Judgement {
  switch (outcome.kind) {
    case 'answered':
      if (outcome.status === 304 || (outcome.status >= 200 && outcome.status < 300))
        return readAnswer(asked, outcome)
      return judgeRefusal(asked, outcome, now)
    case 'not-sent':
      return failure(
        new IcebergError(
          'io',
          `could not ${asked.what}: ${outcome.reason}; is the catalog's address right?`,
          { cause: outcome.cause },
        ),
        false,
        'always',
      )
    case 'lost':
      return failure(broken(asked, outcome.reason, outcome.cause), asked.changes, 'if-repeatable')
    case 'too-large':
      return failure(unreadable(asked, outcome.reason), asked.changes, 'never')
  }
}

type Answered = Extract<HttpOutcome, { kind: 'answered' }>

function readAnswer(asked: Asked, { status, headers, body }: Answered): Judgement {
  if (body.trim() === '') return { kind: 'answer', answer: { status, headers, body: undefined } }
  try {
    return { kind: 'answer', answer: { status, headers, body: parseJson(body) } }
  } catch (cause) {
    const reason = `the answer is not JSON but ${JSON.stringify(body.slice(0, 80))}; does the address end before /v1?`
    return failure(unreadable(asked, reason, cause), asked.changes, 'never')
  }
}

function judgeRefusal(asked: Asked, { status, headers, body }: Answered, now: number): Judgement {
  const waitMs = retryAfterMs(headers.get('retry-after'), now)
  const wait = waitMs === undefined ? {} : { waitMs }
  const error = refusalOf(asked, status, headers, body)
  if (status === 429) return { ...failure(error, false, 'always'), ...wait }
  if (status === 503) {
    // The specification: "only be retried by the client when the Retry-After header is present".
    return { ...failure(error, asked.changes, waitMs === undefined ? 'if-repeatable' : 'always'), ...wait }
  }
  if (status === 502 || status === 504) return failure(error, asked.changes, 'if-repeatable')
  return failure(error, asked.changes && (status === 408 || (status >= 500 && status !== 501)), 'never')
}

function refusalOf(asked: Asked, status: number, headers: Headers, body: string): IcebergError {
  const refusal = parseErrorBody(status, body)
  const context = { status, type: refusal.type, server: refusal.message }
  const shown = `could not ${asked.what}: the catalog answers ${status}${refusal.type === '' ? '' : ` ${refusal.type}`}: ${refusal.message}`
  const target = headers.get('location')
  const advice =
    status >= 300 && status < 400 && target !== null
      ? `; redirected to ${target}, so give that address`
      : (ADVICE[status] ?? '')
  return new IcebergError(kindOf(asked, status, refusal.type), shown + advice, { context })
}

const ADVICE: Readonly<Record<number, string>> = {
  401: '; give a valid token or credential',
  403: '; this identity may not do it',
  419: '; the token has expired, give a new one',
  429: '; wait and try again',
  503: '; wait and try again',
}

function kindOf(asked: Asked, status: number, type: string): IcebergErrorKind {
  const stated = (status < 500 ? asked.kindOfType[type] : undefined) ?? asked.refusals[status]
  if (stated !== undefined) return stated
  if (status === 429 || status === 408 || (status >= 500 && status !== 501)) return 'io'
  if (status === 404) return 'not-found'
  if (status === 409) return 'already-exists'
  if (status === 405 || status === 406 || status === 501) return 'unsupported'
  return 'invalid-argument'
}

function broken(asked: Asked, reason: string, cause: unknown): IcebergError {
  return new IcebergError('io', `could not ${asked.what}: ${reason}`, { cause })
}

function unreadable(asked: Asked, reason: string, cause?: unknown): IcebergError {
  return new IcebergError('data-invalid', `could not ${asked.what}: ${reason}`, { cause })
}

function failure(
  error: IcebergError,
  unclear: boolean,
  again: 'always' | 'if-repeatable' | 'never',
): Extract<Judgement, { kind: 'failure' }> {
  return { kind: 'failure', error, unclear, again }
}

/** Seconds or an HTTP date; undefined where there is none or it can't be read. */
function retryAfterMs(value: string | null, now: number): number | undefined {
  if (value === null) return undefined
  if (/^\d+$/.test(value.trim())) return Number(value) * 1000
  const date = Date.parse(value)
  return Number.isNaN(date) ? undefined : Math.max(0, date - now)
}
