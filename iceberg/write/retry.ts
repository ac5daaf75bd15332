import { setTimeout as sleepMs } from 'node:timers/promises'
import { uuidFraction } from '../catalog/uuid-fraction.js'

/** How often and how long a commit is tried. What is absent is said by the table, else by the default. */
export interface RetryOptions {
  /**
   * Attempts in all, the first included. Default 100, or the table's `commit.retry.num-retries` + 1. Of many writers one can
   * lose far more often than the others, so the time is the limit that matters.
   */
  readonly tries?: number
  /** Default 10, or `commit.retry.min-wait-ms`. */
  readonly minWaitMs?: number
  /** Default 1,000, or `commit.retry.max-wait-ms`. */
  readonly maxWaitMs?: number
  /** No new attempt after this long. Default 5 minutes, or `commit.retry.total-timeout-ms`. */
  readonly totalTimeoutMs?: number
  readonly sleep?: (ms: number) => Promise<unknown>
}

export type RetryPolicy = Required<RetryOptions>

/** What the caller says, else what the table says, else the defaults. */
export function retryPolicy(
  options: RetryOptions,
  properties: Readonly<Record<string, string>>,
): RetryPolicy {
  const stated = (name: string) => {
    const value = Number.parseInt(properties[`commit.retry.${name}`] ?? '', 10)
    return Number.isNaN(value) || value < 0 ? undefined : value
  }
  const retries = stated('num-retries')
  return {
    tries: options.tries ?? (retries === undefined ? 100 : retries + 1),
    minWaitMs: options.minWaitMs ?? stated('min-wait-ms') ?? 10,
    maxWaitMs: options.maxWaitMs ?? stated('max-wait-ms') ?? 1000,
    totalTimeoutMs: options.totalTimeoutMs ?? stated('total-timeout-ms') ?? 300_000,
    sleep: options.sleep ?? sleepMs,
  }
}

/** The wait before the attempt after `attempt` (from 1): exponential, between half and all of it by a uuid's random digits. */
export function backOffMs(policy: RetryPolicy, attempt: number, uuid: string): number {
  const full = Math.min(policy.maxWaitMs, policy.minWaitMs * 2 ** Math.min(attempt - 1, 20))
  return full * (0.5 + uuidFraction(uuid) / 2)
}
