import { uuidFraction } from '../catalog/uuid-fraction.js'
import { IcebergError, type IcebergErrorKind } from '../error.js'
import { stringifyJson } from '../spec/json.js'
import { judgeOutcome, type Judgement, type RestAnswer } from './judge-outcome.js'
import { sendOnce, type HttpLimits, type HttpRequest } from './send-once.js'
import { timeOrderedUuid } from './time-ordered-uuid.js'

/** Who a client says it is. */
export interface TokenSource {
  /** Undefined: nobody in particular. */
  token(): Promise<string | undefined>
  /** After the server refused `token`: whether there may be a better one. */
  renew(token: string | undefined): boolean
}

/** How a client talks to servers at all. */
export interface Transport {
  readonly limits: HttpLimits
  /** In all, the first included. */
  readonly tries: number
  /** Milliseconds since 1970. */
  readonly now: () => number
  readonly newUuid: () => string
  readonly sleep: (ms: number) => Promise<unknown>
}

export interface RestClientOptions extends Transport {
  /** Of the server, with the path that its `v1/` follows. */
  readonly uri: string
  /** Sent with every request. */
  readonly headers: Readonly<Record<string, string>>
  readonly tokens: TokenSource
  /** The server keeps idempotency keys, so what changes something can be sent again too. */
  readonly keepsKeys: boolean
}

export interface RestRequest {
  /** For messages: `load table a.b`. */
  readonly what: string
  readonly method: HttpRequest['method']
  /** From `v1/` on, its segments encoded. */
  readonly path: string
  readonly body?: unknown
  /** Without a body: fields of a form. */
  readonly form?: Readonly<Record<string, string>>
  readonly headers?: Readonly<Record<string, string>>
  /** In place of the catalog's own, where a table was given one. */
  readonly token?: string
  /** What a refusal with this status means; others have one meaning for all requests. */
  readonly refusals?: Readonly<Record<number, IcebergErrorKind>>
  readonly kindOfType?: Readonly<Record<string, IcebergErrorKind>>
  /** Whether it changes something on the server. Default: a POST or DELETE does. */
  readonly changes?: boolean
}

const SHORTEST_WAIT_MS = 100
const LONGEST_WAIT_MS = 10_000
const LONGEST_ASKED_WAIT_MS = 60_000

/**
 * Requests to a REST catalog. What only reads is tried again on 429, 502, 503, 504 and lost connections; what changes
 * something only where the server can't have seen it, asks for it (429, or 503 with `Retry-After`), or keeps idempotency
 * keys. A change whose answer was lost ends as `commit-unknown`, whatever a later try was told.
 */
export class RestClient {
  readonly #options: RestClientOptions

  constructor(options: RestClientOptions) {
    this.#options = options
  }

  /** Resolves for answers of 200 to 299 and 304. */
  async send(request: RestRequest): Promise<RestAnswer> {
    const { tokens, tries, sleep, now, newUuid, limits } = this.#options
    const {
      what,
      refusals = {},
      changes = request.method === 'POST' || request.method === 'DELETE',
    } = request
    const key = changes && this.#options.keepsKeys ? timeOrderedUuid(now(), newUuid()) : undefined
    let unclear: IcebergError | undefined
    let renewed = false
    for (let attempt = 1; ; attempt++) {
      const token = request.token ?? (await tokens.token())
      const outcome = await sendOnce(this.#requestOf(request, token, key), limits)
      const judged = judgeOutcome(
        { what, changes, refusals, kindOfType: request.kindOfType ?? {} },
        outcome,
        now(),
      )
      if (judged.kind === 'answer') return judged.answer
      if (!renewed && isUnauthorized(judged) && request.token === undefined && tokens.renew(token)) {
        renewed = true
        continue
      }
      const error = withoutSecrets(judged.error, [token, request.form?.['client_secret']])
      if (judged.unclear) unclear ??= error
      const mayRepeat =
        judged.again === 'always' || (judged.again === 'if-repeatable' && (!changes || key !== undefined))
      if (attempt >= tries || !mayRepeat) throw unclear === undefined ? error : asUnknown(unclear)
      await sleep(waitMs(judged, attempt, newUuid()))
    }
  }

  #requestOf(request: RestRequest, token: string | undefined, key: string | undefined): HttpRequest {
    const { uri, headers } = this.#options
    const body =
      request.body === undefined
        ? request.form && new URLSearchParams(request.form).toString()
        : stringifyJson(request.body)
    const type = request.body === undefined ? 'application/x-www-form-urlencoded' : 'application/json'
    return {
      method: request.method,
      url: /^https?:/.test(request.path) ? request.path : `${uri}/${request.path}`,
      headers: {
        accept: 'application/json',
        ...(body === undefined ? {} : { 'content-type': type }),
        ...headers,
        ...request.headers,
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
        ...(key === undefined ? {} : { 'idempotency-key': key }),
      },
      ...(body === undefined ? {} : { body }),
    }
  }
}

type Failure = Extract<Judgement, { kind: 'failure' }>

function isUnauthorized({ error }: Failure): boolean {
  return error.context['status'] === 401 || error.context['status'] === 419
}

/** Exponential, between half and all of it; what the server asks for, up to a minute, comes first. */
function waitMs({ waitMs: asked }: Failure, attempt: number, uuid: string): number {
  if (asked !== undefined) return Math.min(asked, LONGEST_ASKED_WAIT_MS)
  const full = Math.min(LONGEST_WAIT_MS, SHORTEST_WAIT_MS * 2 ** (attempt - 1))
  return full * (0.5 + uuidFraction(uuid) / 2)
}

function asUnknown(error: IcebergError): IcebergError {
  return new IcebergError(
    'commit-unknown',
    `${error.message}; it may have happened nevertheless, so look before asking again`,
    {
      context: error.context,
      cause: error,
    },
  )
}

/** A server or proxy may repeat in its answer what it was sent. */
function withoutSecrets(error: IcebergError, secrets: readonly (string | undefined)[]): IcebergError {
  const sent = secrets.filter((secret): secret is string => secret !== undefined && secret !== '')
  const hide = (text: string) => sent.reduce((shown, secret) => shown.replaceAll(secret, '***'), text)
  const context = Object.fromEntries(
    Object.entries(error.context).map(([key, value]) => [
      key,
      typeof value === 'string' ? hide(value) : value,
    ]),
  )
  return new IcebergError(error.kind, hide(error.message), { context, cause: error.cause })
}
