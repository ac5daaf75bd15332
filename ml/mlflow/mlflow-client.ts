import { setTimeout as sleep } from 'node:timers/promises'
import { uuidFraction } from '../../iceberg/catalog/uuid-fraction.js'
import { FirnError } from '../../schemas/error.js'
import type { MlflowSettings } from './mlflow-settings.js'

export interface MlflowClientOptions extends MlflowSettings {
  readonly now: () => number
  readonly newUuid: () => string
  /** Of one request. Default 30 s. */
  readonly timeoutMs?: number
  /** Tries of what may be repeated. Default 5. */
  readonly tries?: number
  /** First wait between two tries; doubled each time, at most 5 s. Default 200. */
  readonly firstWaitMs?: number
}

type Method = 'GET' | 'POST' | 'DELETE'
export type JsonObject = Readonly<Record<string, unknown>>

/** MLflow's REST interface 2.0: requests with a time limit, answers as JSON, failures as FirnErrors without secrets. */
export interface MlflowClient {
  /** The server's address without login: what the registry knows it by. */
  readonly target: string
  readonly timeoutMs: number
  readonly now: () => number
  readonly newUuid: () => string
  /**
   * One request, e.g. `runs/get`. Of a failure of kind `io` the outcome is unknown; whoever repeats it looks first what is
   * there. Other errors: `config` (login), `not-found`, `invalid-input` with the server's `errorCode` in the context.
   */
  send(method: Method, path: string, body: JsonObject): Promise<JsonObject>
  /** Repeats what begins by looking at the server as long as it fails with `io`, with rising waits. */
  insist<T>(work: () => Promise<T>): Promise<T>
}

const MAX_WAIT_MS = 5000

export function createMlflowClient(options: MlflowClientOptions): MlflowClient {
  const { timeoutMs = 30_000, tries = 5, firstWaitMs = 200, now, newUuid, uri } = options
  return {
    ...{ target: uri, timeoutMs, now, newUuid },
    send: (method, path, body) => send({ ...options, timeoutMs }, { method, path, body }),
    async insist(work) {
      for (let attempt = 1; ; attempt += 1) {
        try {
          return await work()
        } catch (error) {
          if (!(error instanceof FirnError) || error.kind !== 'io' || attempt >= tries) throw error
          const waitMs = Math.min(firstWaitMs * 2 ** (attempt - 1), MAX_WAIT_MS)
          const askedMs = Number(error.context['retryAfterMs'] ?? 0)
          await sleep(Math.max(waitMs * (0.5 + uuidFraction(newUuid()) / 2), Math.min(askedMs, MAX_WAIT_MS)))
        }
      }
    },
  }
}

interface Request {
  readonly method: Method
  readonly path: string
  readonly body: JsonObject
}

async function send(
  { uri, authorization, timeoutMs }: MlflowSettings & { readonly timeoutMs: number },
  { method, path, body }: Request,
): Promise<JsonObject> {
  const query = method === 'GET' ? `?${new URLSearchParams(body as Record<string, string>).toString()}` : ''
  const where = `MLflow at ${uri} (${path})`
  let answer: Response
  let text: string
  try {
    answer = await fetch(`${uri}/api/2.0/mlflow/${path}${query}`, {
      method,
      ...(method === 'GET' ? {} : { body: JSON.stringify(body) }),
      headers: {
        'content-type': 'application/json',
        ...(authorization === undefined ? {} : { authorization }),
      },
      // A login page elsewhere is no answer, and must not be told the login.
      redirect: 'manual',
      signal: AbortSignal.timeout(timeoutMs),
    })
    text = await answer.text()
  } catch (error) {
    throw unreachable(where, timeoutMs, error)
  }
  if (!answer.ok) throw refused(where, answer, text)
  const json = parseObject(text)
  if (json === undefined)
    throw new FirnError('config', `${where} answers something else than JSON: ${NOT_MLFLOW}`)
  return json
}

const NOT_MLFLOW = 'is it an MLflow tracking server? MLFLOW_TRACKING_URI names it.'

function unreachable(where: string, timeoutMs: number, error: unknown): FirnError {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error
  const code = textOf((cause as { readonly code?: unknown } | undefined)?.code)
  const isTimeout = error instanceof Error && error.name === 'TimeoutError'
  const why = isTimeout
    ? `no answer within ${timeoutMs / 1000} s`
    : code === ''
      ? 'the connection broke'
      : code
  return new FirnError(
    'io',
    `${where} can't be reached: ${why}. What it is to know is kept and told later.`,
    {
      context: { code },
    },
  )
}

function refused(where: string, answer: Response, text: string): FirnError {
  const { status, headers } = answer
  const body = parseObject(text)
  const errorCode = textOf(body?.['error_code'])
  const message = textOf(body?.['message']).slice(0, 500)
  const context = { status, errorCode }
  // Another request, perhaps one of ours whose answer was lost, wrote the same row meanwhile.
  const isRace = errorCode === 'BAD_REQUEST' && message.includes('IntegrityError')
  if (status >= 500 || status === 429 || isRace) {
    const seconds = Number(headers.get('retry-after') ?? 0)
    const retryAfterMs = Number.isFinite(seconds) ? seconds * 1000 : 0
    return new FirnError(
      'io',
      `${where} answers ${status} ${message}`.trimEnd() + '. It is tried again later.',
      {
        context: { ...context, retryAfterMs },
      },
    )
  }
  if (status === 401 || status === 403) {
    const said = /^[^<\n]{1,200}$/.test(text) ? ` It says: ${text}` : ''
    return new FirnError(
      'config',
      `${where} refuses the login (${status}): see MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN.${said}`,
      { context },
    )
  }
  if (status < 400)
    return new FirnError('config', `${where} sends elsewhere (${status}): ${NOT_MLFLOW}`, { context })
  if (body === undefined)
    return new FirnError('config', `${where} answers ${status} without JSON: ${NOT_MLFLOW}`, { context })
  const kind = errorCode === 'RESOURCE_DOES_NOT_EXIST' ? 'not-found' : 'invalid-input'
  return new FirnError(kind, `${where} refuses: ${errorCode} ${message}`, { context })
}

function parseObject(text: string): JsonObject | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as JsonObject)
      : undefined
  } catch {
    return undefined
  }
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : ''
}
