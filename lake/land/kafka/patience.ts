import { setTimeout as sleep } from 'node:timers/promises'
import { FirnError } from '../../../schemas/error.js'

/** Tries again what failed with `io`, and `not-found` as brokers say it while they start, until it has waited for `waitMs`. */
export async function patiently<T>(work: () => Promise<T>, waitMs: number): Promise<T> {
  const patience = new Patience(waitMs)
  for (;;) {
    try {
      return await work()
    } catch (error) {
      await patience.after(error)
    }
  }
}

const FIRST_WAIT_MS = 100
const LONGEST_WAIT_MS = 5000

/** How long is waited for a broker in all, by waits of doubling length. */
export class Patience {
  private nextMs = FIRST_WAIT_MS
  private waitedMs = 0

  constructor(private readonly waitMs: number) {}

  /** Returns when it is time to try again; throws what failed where that doesn't help. */
  async after(error: unknown): Promise<void> {
    const mayPass = error instanceof FirnError && (error.kind === 'io' || error.kind === 'not-found')
    if (!mayPass || this.waitedMs >= this.waitMs) throw error
    await sleep(this.nextMs)
    this.waitedMs += this.nextMs
    this.nextMs = Math.min(this.nextMs * 2, LONGEST_WAIT_MS)
  }

  /** Something went well. */
  restore(): void {
    this.nextMs = FIRST_WAIT_MS
    this.waitedMs = 0
  }
}
