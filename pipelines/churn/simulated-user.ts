import type { SeededDraws } from '../seeded-draws.js'
import {
  beliefAfter,
  churnProbability,
  leavingOn,
  PAUSE_PER_DAY,
  paymentsOn,
  rememberedAfter,
  RETURN_PER_DAY,
  type Belief,
  type Habits,
} from './churn-model.js'
import type { Merchant } from './merchants.js'

/** A payment before it is written as its merchant writes it. */
export interface DrawnPayment {
  readonly user: SimulatedUser
  readonly timeMs: number
  readonly merchant: Merchant
  readonly cents: number
  readonly approved: boolean
}

const DAY_MS = 86_400_000
/** Beliefs only rise from here while nothing is paid: told to five digits, the probability stays 1. */
const GONE = 1 - 1e-7

export class SimulatedUser {
  private state: keyof Belief = 'active'
  private belief: Belief = { active: 1, paused: 0, left: 0 }
  private remembered = 0
  private readonly favourites: readonly [Merchant, ...Merchant[]]
  private readonly usualCents: number
  private readonly usualHour: number

  constructor(
    readonly token: string,
    readonly habits: Habits,
    draws: SeededDraws,
    private readonly drawMerchant: (draws: SeededDraws) => Merchant,
  ) {
    const more = Array.from({ length: 1 + draws.below(5) }, () => drawMerchant(draws))
    this.favourites = [drawMerchant(draws), ...more]
    this.usualCents = 2500 * Math.exp(0.7 * draws.normal())
    this.usualHour = draws.between(8, 22)
  }

  /** Lives one UTC day and returns its payments, in no order. On the first day at least one is approved. */
  live(day: number, draws: SeededDraws): readonly DrawnPayment[] {
    const { habits, remembered } = this
    const joins = day === habits.joinedDay
    if (!joins) this.state = this.stateOn(day, draws.uniform())
    const tries = this.state === 'active' ? draws.poisson(paymentsOn(habits, day)) : 0
    const payments: DrawnPayment[] = joins ? [this.pay(day, true, draws)] : []
    for (let i = 0; i < tries; i++) {
      payments.push(this.pay(day, draws.uniform() >= habits.declineShare, draws))
    }
    const paid = payments.length > 0
    this.belief = beliefAfter(this.belief, { habits, day, remembered, paid })
    this.remembered = rememberedAfter(remembered, payments.filter((one) => !one.approved).length, day)
    return payments
  }

  /** At the end of the day lived last. */
  churnProbability(day: number): number {
    return churnProbability(this.habits, day, this.remembered, this.belief)
  }

  /** Left, and nobody who knows the payments doubts it. */
  get isForgotten(): boolean {
    return this.state === 'left' && this.belief.left > GONE
  }

  private stateOn(day: number, drawn: number): keyof Belief {
    if (this.state === 'paused') return drawn < RETURN_PER_DAY ? 'active' : 'paused'
    if (this.state === 'left') return 'left'
    const leaving = leavingOn(this.habits, day, this.remembered)
    if (drawn < leaving) return 'left'
    return drawn < leaving + PAUSE_PER_DAY ? 'paused' : 'active'
  }

  private pay(day: number, approved: boolean, draws: SeededDraws): DrawnPayment {
    const merchant = draws.uniform() < 0.8 ? draws.pick(this.favourites) : this.drawMerchant(draws)
    const hour = (((this.usualHour + 3 * draws.normal()) % 24) + 24) % 24
    const timeMs = day * DAY_MS + Math.min(Math.floor(hour * 3_600_000), DAY_MS - 1)
    const cents = Math.max(
      50,
      Math.round(this.usualCents * merchant.priceLevel * Math.exp(0.4 * draws.normal())),
    )
    return { user: this, timeMs, merchant, cents, approved }
  }
}

/** Most users pay every few days; some hardly ever, some several times a day, and one in ten has a bad card. */
export function drawHabits(joinedDay: number, draws: SeededDraws): Habits {
  const badCard = draws.uniform() < 0.1
  return {
    paymentsPerDay: Math.min(4, Math.max(0.02, 0.25 * Math.exp(draws.normal()))),
    declineShare: badCard ? draws.between(0.15, 0.4) : draws.between(0.01, 0.06),
    weekendTilt: draws.between(-0.5, 0.5),
    fatigueDepth: draws.between(0, 0.6),
    fatigueDays: draws.between(60, 300),
    leavePerDay: draws.between(0.0008, 0.004),
    joinedDay,
  }
}
