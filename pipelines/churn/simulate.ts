import { seededDraws, type SeededDraws } from '../seeded-draws.js'
import { CHURN_DAYS } from './churn-model.js'
import { merchantsOf } from './merchants.js'
import { RankTally, roundedProbability } from './rank-tally.js'
import { drawHabits, SimulatedUser, type DrawnPayment } from './simulated-user.js'

export const PAYMENTS_TOPIC = 'payment-events'

/** A simulated payment as it stands in its topic. */
export interface PaymentEvent {
  readonly txn_id: string
  readonly user_token: string
  readonly amount: string | number
  readonly merchant_id: string
  readonly status: 'approved' | 'declined'
  readonly event_time: string | number
}

export interface PaymentOptions {
  readonly seed: number
  /** About so many users join in the first month, and as many in every year after it. */
  readonly users: number
  /** First event, ms since 1970. */
  readonly startMs: number
  /** Share of the events that arrive late, by up to LATE_MS_MAX; the others are in the order of their time. Default 0. */
  readonly late?: number
  /** Sees every observation once its outcome is known, but for users who were told 1 and left long ago. */
  readonly onObservation?: (observation: ChurnObservation) => void
}

/** What could be known of a user at the end of a day, and what came of it. */
export interface ChurnObservation {
  readonly userToken: string
  /** UTC day since 1970: `observation_date`. */
  readonly day: number
  /** That no payment is approved in the 30 days after it, given all payments until its end. Five digits. */
  readonly probability: number
  readonly churned: boolean
  /** A payment was approved in the 30 days until its end. */
  readonly recentlyActive: boolean
}

export interface ChurnTruth {
  /** Users who have paid, or tried to. */
  readonly users: number
  /** Of all known users, every 30 days, where the 30 days after have passed. */
  readonly observations: number
  readonly churned: number
  /** No model can do better in the mean: AUC of the true probability. Null where there is no observation of both kinds. */
  readonly bestAuc: number | null
  /** The same of those users only who had a payment approved in the 30 days before. */
  readonly bestAucRecentlyActive: number | null
}

const DAY_MS = 86_400_000
export const LATE_MS_MAX = DAY_MS
const FIRST_DAYS = 30
const DAYS_A_YEAR = 365

/** Simulated payments without end, in the order in which they arrive. Memory grows with the users, not with the events. */
export class PaymentSimulation {
  private readonly all = new RankTally()
  private readonly recent = new RankTally()
  private known = 0
  private forgotten = 0
  private people: Person[] = []
  /** Outcomes that are known, of observations whose last events may not have arrived. */
  private settled: Settled[] = []

  constructor(private readonly options: PaymentOptions) {}

  *events(): Generator<PaymentEvent> {
    const { seed, late = 0 } = this.options
    const id = transactionIds(seed)
    const drawn = inOrder(this.days())
    for (const payment of late === 0 ? drawn : delayed(drawn, late, seededDraws(seed, 'late'))) {
      yield toEvent(payment, id())
    }
  }

  /** Of the events that were taken so far. */
  truth(): ChurnTruth {
    const { happened, not } = this.all.counts
    return {
      users: this.known,
      observations: happened + not,
      churned: happened,
      bestAuc: this.all.auc(),
      bestAucRecentlyActive: this.recent.auc(),
    }
  }

  /** Payments by day, each day complete. */
  private *days(): Generator<DrawnPayment[]> {
    const { seed, users, startMs } = this.options
    const draws = seededDraws(seed, 'users')
    const drawMerchant = merchantsOf(seed)
    const firstDay = Math.floor(startMs / DAY_MS)
    let joined = 0
    for (let day = firstDay; ; day++) {
      const joining = draws.poisson(users / (day < firstDay + FIRST_DAYS ? FIRST_DAYS : DAYS_A_YEAR))
      for (let i = 0; i < joining; i++) {
        const token = `sim-u${String(joined++).padStart(7, '0')}-${draws
          .below(2 ** 32)
          .toString(16)
          .padStart(8, '0')}`
        const user = new SimulatedUser(token, drawHabits(day, draws), draws, drawMerchant)
        this.people.push({ user, known: false })
      }
      yield this.people.flatMap((person) => this.liveDay(person, day, draws))
      this.settle(day)
      if ((day - firstDay + 1) % CHURN_DAYS === 0) this.observe(day)
    }
  }

  private liveDay(person: Person, day: number, draws: SeededDraws): readonly DrawnPayment[] {
    const payments = person.user.live(day, draws).filter(({ timeMs }) => timeMs >= this.options.startMs)
    if (payments.length > 0 && !person.known) {
      person.known = true
      this.known += 1
    }
    if (payments.some((payment) => payment.approved)) person.approvedDay = day
    return payments
  }

  /** Notes the outcomes of the last observations, and makes new ones. */
  private observe(day: number): void {
    const due = this.people.flatMap(({ user, observed, approvedDay }) =>
      observed === undefined
        ? []
        : [
            {
              ...observed,
              userToken: user.token,
              churned: approvedDay === undefined || approvedDay <= observed.day,
            },
          ],
    )
    this.settled.push({ untilDay: day + 2, observations: due, forgotten: this.forgotten })
    this.forgotten += this.people.filter(({ user, known }) => known && user.isForgotten).length
    this.people = this.people.filter(({ user }) => !user.isForgotten)
    for (const person of this.people) {
      if (!person.known) continue
      const probability = roundedProbability(person.user.churnProbability(day))
      const recentlyActive = person.approvedDay !== undefined && person.approvedDay > day - CHURN_DAYS
      person.observed = { day, probability, recentlyActive }
    }
  }

  /** Counts the outcomes that all events have arrived of: the day after them is over. */
  private settle(day: number): void {
    const due = this.settled.filter(({ untilDay }) => untilDay <= day)
    this.settled = this.settled.filter(({ untilDay }) => untilDay > day)
    for (const { observations, forgotten } of due) {
      this.all.add(1, true, forgotten)
      for (const observation of observations) {
        this.all.add(observation.probability, observation.churned)
        if (observation.recentlyActive) this.recent.add(observation.probability, observation.churned)
        this.options.onObservation?.(observation)
      }
    }
  }
}

interface Settled {
  readonly untilDay: number
  readonly observations: readonly ChurnObservation[]
  readonly forgotten: number
}

interface Person {
  readonly user: SimulatedUser
  known: boolean
  approvedDay?: number
  observed?: Pick<ChurnObservation, 'day' | 'probability' | 'recentlyActive'>
}

function* inOrder(days: Iterable<DrawnPayment[]>): Generator<DrawnPayment> {
  for (const payments of days) yield* payments.sort((a, b) => a.timeMs - b.timeMs)
}

/** Holds a share of the payments back, each by its own time. */
function* delayed(
  payments: Iterable<DrawnPayment>,
  share: number,
  draws: SeededDraws,
): Generator<DrawnPayment> {
  /** The next to arrive last. */
  const held: { readonly payment: DrawnPayment; readonly arrivesMs: number }[] = []
  for (const payment of payments) {
    for (let next = held.at(-1); next !== undefined && next.arrivesMs <= payment.timeMs; next = held.at(-1)) {
      held.pop()
      yield next.payment
    }
    if (draws.uniform() >= share) yield payment
    else {
      const arrivesMs = payment.timeMs + LATE_MS_MAX * draws.uniform() ** 3
      const at = held.findLastIndex((other) => other.arrivesMs > arrivesMs)
      held.splice(at + 1, 0, { payment, arrivesMs })
    }
  }
}

function toEvent({ user, timeMs, merchant, cents, approved }: DrawnPayment, txnId: string): PaymentEvent {
  return {
    txn_id: txnId,
    user_token: user.token,
    amount: merchant.amountAsText ? (cents / 100).toFixed(2) : cents / 100,
    merchant_id: merchant.id,
    status: approved ? 'approved' : 'declined',
    event_time: merchant.timeAsNumber ? timeMs : new Date(timeMs).toISOString(),
  }
}

/** UUIDs (version 8) that hold their number, so that no two of a seed are equal. */
function transactionIds(seed: number): () => string {
  const prefix = seededDraws(seed, 'ids')
    .below(2 ** 32)
    .toString(16)
    .padStart(8, '0')
  let number = 0
  return () => `${prefix}-0000-8000-8000-${(number++).toString(16).padStart(12, '0')}`
}
