import { setTimeout as sleep } from 'node:timers/promises'
import type { Webhook, WebhookOutcome } from '../../schemas/alerts.js'
import { FirnError } from '../../schemas/error.js'

export interface WebhookOptions {
  readonly timeoutMs?: number
  readonly attempts?: number
  /** Before the second attempt; it doubles. */
  readonly pauseMs?: number
}

/** The address may hold a token: it is in no message, and answers that lead elsewhere are not followed. */
export function createWebhook(
  url: string,
  { timeoutMs = 5000, attempts = 3, pauseMs = 500 }: WebhookOptions = {},
): Webhook {
  return async (body) => {
    let outcome: WebhookOutcome = 'none'
    for (let attempt = 1; attempt <= attempts; attempt += 1) {
      if (attempt > 1) await sleep(pauseMs * 2 ** (attempt - 2))
      const { problem, final } = await post(url, body, timeoutMs)
      if (problem === undefined) return 'sent'
      outcome = `failed: ${problem}${attempt > 1 ? `, ${attempt} attempts` : ''}`
      if (final) break
    }
    return outcome
  }
}

/** The webhook of FIRN_ALERT_WEBHOOK; undefined where it is not set. Throws `config`, without the address. */
export function webhookOf(env: NodeJS.ProcessEnv): Webhook | undefined {
  const url = env['FIRN_ALERT_WEBHOOK']
  if (url === undefined || url === '') return undefined
  if (/^https?:\/\//i.test(url) && URL.canParse(url)) return createWebhook(url)
  throw new FirnError(
    'config',
    'FIRN_ALERT_WEBHOOK is no address that can be posted to (its value is not shown, it may hold a token): give https://… or unset it.',
  )
}

interface Answer {
  readonly problem?: string
  /** Another attempt would be answered the same. */
  readonly final: boolean
}

async function post(url: string, body: object, timeoutMs: number): Promise<Answer> {
  try {
    const response = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
      redirect: 'manual',
      signal: AbortSignal.timeout(timeoutMs),
    })
    await response.body?.cancel()
    if (response.ok) return { final: true }
    const { status } = response
    return { problem: `HTTP ${status}`, final: status < 500 && status !== 429 && status !== 408 }
  } catch (error) {
    return { problem: wordsOf(error, timeoutMs), final: false }
  }
}

/** Messages of the client may repeat the address; their codes don't. */
function wordsOf(error: unknown, timeoutMs: number): string {
  if (error instanceof Error && error.name === 'TimeoutError') return `no answer within ${timeoutMs / 1000} s`
  const cause = error instanceof Error ? (error.cause as { readonly code?: unknown } | undefined) : undefined
  return typeof cause?.code === 'string' ? `no connection (${cause.code})` : 'no connection'
}
