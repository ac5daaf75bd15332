/** A request as it goes over the wire, its secrets in the headers. */
export interface HttpRequest {
  readonly method: 'GET' | 'HEAD' | 'POST' | 'DELETE'
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly body?: string
}

export interface HttpLimits {
  /** For one attempt, the body of its answer included. */
  readonly timeoutMs: number
  /** Of the answer's body, once it is unpacked. */
  readonly maxBytes: number
}

export type HttpOutcome =
  | { readonly kind: 'answered'; readonly status: number; readonly headers: Headers; readonly body: string }
  /** No connection came about, so the server saw nothing of the request. */
  | { readonly kind: 'not-sent'; readonly reason: string; readonly cause: unknown }
  /** Time-out, lost connection: the server may have done what was asked. */
  | { readonly kind: 'lost'; readonly reason: string; readonly cause: unknown }
  | { readonly kind: 'too-large'; readonly reason: string }

/** Sends a request once and reads its answer whole. Never throws; redirects are answers like others. */
export async function sendOnce(request: HttpRequest, limits: HttpLimits): Promise<HttpOutcome> {
  try {
    const response = await fetch(request.url, {
      method: request.method,
      headers: request.headers,
      // Followed blindly, a POST would arrive as a GET, and a token at a host that nobody named.
      redirect: 'manual',
      signal: AbortSignal.timeout(limits.timeoutMs),
      ...(request.body === undefined ? {} : { body: request.body }),
    })
    const body = await readText(response, limits.maxBytes)
    if (body === undefined) {
      return { kind: 'too-large', reason: `the answer is longer than ${limits.maxBytes} bytes` }
    }
    return { kind: 'answered', status: response.status, headers: response.headers, body }
  } catch (cause) {
    return outcomeOf(cause, limits)
  }
}

/** Undefined where there is more than `maxBytes` of it. */
async function readText(response: Response, maxBytes: number): Promise<string | undefined> {
  if (response.body === null) return ''
  const chunks: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) {
    bytes += chunk.length
    // Leaving the loop cancels the stream.
    if (bytes > maxBytes) return undefined
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}

const BEFORE_SENDING =
  /^(ECONNREFUSED|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH|UND_ERR_CONNECT_TIMEOUT|ERR_TLS_|CERT_|DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_)/

function outcomeOf(cause: unknown, { timeoutMs }: HttpLimits): HttpOutcome {
  if (cause instanceof Error && (cause.name === 'TimeoutError' || cause.name === 'AbortError')) {
    return { kind: 'lost', reason: `no answer within ${timeoutMs} ms`, cause }
  }
  const inner = cause instanceof Error ? (cause.cause ?? cause) : cause
  const code = codeOf(inner)
  const text = inner instanceof Error && inner.message !== '' ? inner.message : String(inner)
  const reason = code === '' || text.includes(code) ? text : `${code} ${text}`
  return { kind: BEFORE_SENDING.test(code) ? 'not-sent' : 'lost', reason, cause }
}

function codeOf(error: unknown): string {
  const code = typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined
  return typeof code === 'string' ? code : ''
}
