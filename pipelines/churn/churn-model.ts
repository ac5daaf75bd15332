/**
 * How a simulated user behaves, a day at a time. A user is active, paused, or has left for good:
 *
 * 1. With the day, an active user leaves (the likelier, the more declines are remembered and the longer the habit
 *    lasts) or pauses; a paused one comes back.
 * 2. An active user makes a Poisson number of payments: habit × week × year × what fatigue left of the habit. Each is
 *    declined with the user's own probability.
 * 3. Each decline is remembered, at most four; every Sunday one is forgiven.
 *
 * Approved and declined payments are independent Poisson numbers, and what is remembered follows from the declines. So the
 * probability that no payment is approved in the days to come is exact, by recursion, and so is the belief in what
 * the user is up to, given the payments so far.
 */
export interface Habits {
  /** Payments a day at first, in a usual week. */
  readonly paymentsPerDay: number
  /** Probability that a payment is declined. */
  readonly declineShare: number
  /** Weekends are this much busier (or quieter) than weekdays, in [-0.8, 1]. */
  readonly weekendTilt: number
  /** Share of the habit that fatigue takes in the end, and days until it took 63 % of that. */
  readonly fatigueDepth: number
  readonly fatigueDays: number
  /** Probability a day of leaving without cause. */
  readonly leavePerDay: number
  /** UTC day of the first payment, since 1970. */
  readonly joinedDay: number
}

/** Probabilities of what a user is up to at the end of a day, given all payments until then. */
export interface Belief {
  readonly active: number
  readonly paused: number
  readonly left: number
}

export const REMEMBERED_MAX = 4
export const PAUSE_PER_DAY = 0.004
export const RETURN_PER_DAY = 0.1
/** A user churns by making no approved payment in so many days. */
export const CHURN_DAYS = 30

/** Expected payments of an active user on a day. */
export function paymentsOn(habits: Habits, day: number): number {
  return habits.paymentsPerDay * (1 - fatigueOn(habits, day)) * weekOf(habits, day) * yearOf(day)
}

/** Probability that an active user leaves with this day. */
export function leavingOn(habits: Habits, day: number, remembered: number): number {
  return habits.leavePerDay * (1 + 2 * fatigueOn(habits, day)) * (1 + 1.5 * remembered ** 2)
}

/** Declines that are remembered at the end of a day. */
export function rememberedAfter(remembered: number, declined: number, day: number): number {
  const sum = Math.min(REMEMBERED_MAX, remembered + declined)
  return isSunday(day) ? Math.max(0, sum - 1) : sum
}

/** The belief at the end of a day, from the one before it and whether the user paid (or tried to) on that day. */
export function beliefAfter(
  before: Belief,
  { habits, day, remembered, paid }: { habits: Habits; day: number; remembered: number; paid: boolean },
): Belief {
  if (paid) return { active: 1, paused: 0, left: 0 }
  const leaving = leavingOn(habits, day, remembered)
  const stays = before.active * (1 - leaving - PAUSE_PER_DAY) + before.paused * RETURN_PER_DAY
  const active = stays * Math.exp(-paymentsOn(habits, day))
  const paused = before.paused * (1 - RETURN_PER_DAY) + before.active * PAUSE_PER_DAY
  const left = before.left + before.active * leaving
  const sum = active + paused + left
  return { active: active / sum, paused: paused / sum, left: left / sum }
}

/** Probability that no payment is approved in the CHURN_DAYS after a day, given all payments until its end. */
export function churnProbability(habits: Habits, day: number, remembered: number, belief: Belief): number {
  let active = new Array<number>(REMEMBERED_MAX + 1).fill(1)
  let paused = active
  for (let ahead = day + CHURN_DAYS; ahead > day; ahead--) {
    const none = noneApproved(habits, ahead, active)
    const away = paused.map((_, k) => paused[rememberedAfter(k, 0, ahead)] ?? 1)
    active = none.map((paying, k) => {
      const leaving = leavingOn(habits, ahead, k)
      return leaving + PAUSE_PER_DAY * (away[k] ?? 1) + (1 - leaving - PAUSE_PER_DAY) * paying
    })
    paused = away.map((still, k) => RETURN_PER_DAY * (none[k] ?? 1) + (1 - RETURN_PER_DAY) * still)
  }
  return belief.left + belief.active * (active[remembered] ?? 1) + belief.paused * (paused[remembered] ?? 1)
}

/** By remembered declines: probability that an active user has no payment approved on this day and none later. */
function noneApproved(habits: Habits, day: number, later: readonly number[]): number[] {
  const expected = paymentsOn(habits, day)
  const declines = expected * habits.declineShare
  const nothing = Math.exp(-expected * (1 - habits.declineShare))
  return later.map((_, k) => {
    let probability = Math.exp(-declines)
    let rest = 1
    let sum = 0
    for (let declined = 0; k + declined < REMEMBERED_MAX; declined++) {
      sum += probability * (later[rememberedAfter(k, declined, day)] ?? 1)
      rest -= probability
      probability *= declines / (declined + 1)
    }
    return nothing * (sum + rest * (later[rememberedAfter(k, REMEMBERED_MAX, day)] ?? 1))
  })
}

function fatigueOn(habits: Habits, day: number): number {
  return habits.fatigueDepth * (1 - Math.exp(-(day - habits.joinedDay) / habits.fatigueDays))
}

const WEEK = [0.9, 0.92, 0.95, 0.98, 1.03, 1.15, 1.07]

/** 1970-01-01 was a Thursday; index 0 is Sunday. */
function weekOf({ weekendTilt }: Habits, day: number): number {
  const weekday = (day + 4) % 7
  const isWeekend = weekday === 0 || weekday === 6
  return (WEEK[weekday] ?? 1) * (isWeekend ? 1 + weekendTilt : 1 - weekendTilt * 0.4)
}

const DAYS_A_YEAR = 365.2425
/** Day of the year with most payments: 15 December. */
const PEAK_DAY = 349

function yearOf(day: number): number {
  return 1 + 0.25 * Math.cos((2 * Math.PI * ((day % DAYS_A_YEAR) - PEAK_DAY)) / DAYS_A_YEAR)
}

function isSunday(day: number): boolean {
  return (day + 4) % 7 === 0
}
