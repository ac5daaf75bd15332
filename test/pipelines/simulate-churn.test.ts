import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  beliefAfter,
  churnProbability,
  leavingOn,
  PAUSE_PER_DAY,
  paymentsOn,
  rememberedAfter,
  RETURN_PER_DAY,
  type Habits,
} from '../../pipelines/churn/churn-model.js'
import { RankTally } from '../../pipelines/churn/rank-tally.js'
import {
  PaymentSimulation,
  type ChurnObservation,
  type PaymentEvent,
  type PaymentOptions,
} from '../../pipelines/churn/simulate.js'
import { seededDraws } from '../../pipelines/seeded-draws.js'

const DAY_MS = 86_400_000
const START = Date.UTC(2026, 0, 1)

function simulate(options: Partial<PaymentOptions>, count: number) {
  const observations: ChurnObservation[] = []
  const payments = new PaymentSimulation({
    seed: 1,
    users: 400,
    startMs: START,
    onObservation: (observation) => observations.push(observation),
    ...options,
  })
  const events: PaymentEvent[] = []
  for (const event of payments.events()) {
    events.push(event)
    if (events.length === count) break
  }
  return { events, observations, truth: payments.truth() }
}

const timeOf = ({ event_time }: PaymentEvent): number => new Date(event_time).getTime()
const share = <T>(items: readonly T[], test: (item: T) => boolean): number =>
  items.filter(test).length / items.length

const long = simulate({}, 80_000)

describe('simulated payments', () => {
  test('have plausible marginals, and every way of writing them', () => {
    const { events } = long
    expect(new Set(events.map((event) => event.txn_id)).size).toBe(events.length)
    expect(share(events, ({ status }) => status === 'declined')).toBeGreaterThan(0.03)
    expect(share(events, ({ status }) => status === 'declined')).toBeLessThan(0.12)
    const text = share(events, ({ amount }) => typeof amount === 'string')
    expect(text).toBeGreaterThan(0.1)
    expect(text).toBeLessThan(0.5)
    const epoch = share(events, ({ event_time }) => typeof event_time === 'number')
    expect(epoch).toBeGreaterThan(0.02)
    expect(epoch).toBeLessThan(0.3)
    expect(events.filter(({ amount }) => !/^\d{1,16}(\.\d{1,2})?$/.test(String(amount)))).toEqual([])
    const amounts = events.map(({ amount }) => Number(amount)).sort((a, b) => a - b)
    expect(amounts[0]).toBeGreaterThan(0)
    expect(amounts[events.length / 2]).toBeGreaterThan(10)
    expect(amounts[events.length / 2]).toBeLessThan(60)
    const users = new Map<string, number>()
    for (const { user_token } of events) users.set(user_token, (users.get(user_token) ?? 0) + 1)
    const most = Math.max(...users.values())
    expect(most).toBeGreaterThan((10 * events.length) / users.size)
    expect(share([...users.values()], (count) => count < 10)).toBeGreaterThan(0.05)
  })

  test('follow the week and the year, and come in the order of their time', () => {
    const times = long.events.map(timeOf)
    expect(times).toEqual([...times].sort((a, b) => a - b))
    expect(times[0]).toBeGreaterThanOrEqual(START)
    const perDay = new Map<number, number>()
    for (const time of times) {
      const day = Math.floor(time / DAY_MS)
      perDay.set(day, (perDay.get(day) ?? 0) + 1)
    }
    const mean = (test: (date: Date) => boolean): number => {
      const days = [...perDay].filter(([day]) => test(new Date(day * DAY_MS)))
      return days.reduce((sum, [, count]) => sum + count, 0) / days.length
    }
    expect(mean((date) => date.getUTCDay() === 5)).toBeGreaterThan(
      1.1 * mean((date) => date.getUTCDay() === 1),
    )
    const in2027 = (month: number) => (date: Date) =>
      date.getUTCFullYear() === 2027 && date.getUTCMonth() === month
    expect(mean(in2027(11))).toBeGreaterThan(1.2 * mean(in2027(5)))
  })

  test('are the same for the same seed, whatever was drawn before, and others for another', () => {
    expect(simulate({}, 500).events).toEqual(long.events.slice(0, 500))
    expect(simulate({ seed: 2 }, 500).events[0]).not.toEqual(long.events[0])
  })

  test('arrive late as often as asked, by a day at most; otherwise they are the same', () => {
    const late = simulate({ late: 0.1 }, 80_000)
    let newest = 0
    const lateBy = late.events.map((event) => {
      newest = Math.max(newest, timeOf(event))
      return newest - timeOf(event)
    })
    const outOfOrder = share(lateBy, (ms) => ms > 0)
    expect(outOfOrder).toBeGreaterThan(0.07)
    expect(outOfOrder).toBeLessThanOrEqual(0.1 * 1.05)
    expect(Math.max(...lateBy)).toBeLessThanOrEqual(DAY_MS)
    const key = ({ user_token, event_time, amount }: PaymentEvent): string =>
      `${user_token} ${event_time} ${amount}`
    const inOrder = new Set(long.events.map(key))
    expect(share(late.events, (event) => inOrder.has(key(event)))).toBeGreaterThan(0.99)
  })
})

describe('the churn that the model knows', () => {
  const { events, observations, truth } = long
  const approvedDays = new Map<string, number[]>()
  const firstDay = new Map<string, number>()
  for (const event of events) {
    const day = Math.floor(timeOf(event) / DAY_MS)
    if (!firstDay.has(event.user_token)) firstDay.set(event.user_token, day)
    if (event.status === 'approved') {
      approvedDays.set(event.user_token, [...(approvedDays.get(event.user_token) ?? []), day])
    }
  }
  const approvedWithin = (user: string, from: number, to: number): boolean =>
    (approvedDays.get(user) ?? []).some((day) => day > from && day <= to)

  test('is told of every known user, with the outcome that the events show', () => {
    for (const { userToken, day, churned, recentlyActive } of observations) {
      expect(churned).toBe(!approvedWithin(userToken, day, day + 30))
      expect(recentlyActive).toBe(approvedWithin(userToken, day - 30, day))
    }
    const days = [...new Set(observations.map(({ day }) => day))]
    const known = days.map((day) => [...firstDay.values()].filter((first) => first <= day).length)
    expect(truth.observations).toBe(known.reduce((a, b) => a + b))
  })

  test('has the best AUC that counting all pairs gives', () => {
    const told = new Map(observations.map((one) => [`${one.userToken} ${one.day}`, one]))
    const days = [...new Set(observations.map(({ day }) => day))]
    // Users who are not told any more left long ago: their probability is 1.
    const all = days.flatMap((day) =>
      [...firstDay]
        .filter(([, first]) => first <= day)
        .map(([user]) => ({
          probability: told.get(`${user} ${day}`)?.probability ?? 1,
          churned: !approvedWithin(user, day, day + 30),
        })),
    )
    expect(truth.churned).toBe(all.filter(({ churned }) => churned).length)
    expect(truth.bestAuc).toBeCloseTo(aucOfPairs(all), 10)
    const recent = observations.filter(({ recentlyActive }) => recentlyActive)
    expect(truth.bestAucRecentlyActive).toBeCloseTo(aucOfPairs(recent), 10)
    expect(truth.bestAucRecentlyActive).toBeGreaterThan(0.75)
    expect(truth.bestAucRecentlyActive).toBeLessThan(0.95)
  })

  test('happens as often as told, at every probability', () => {
    for (let from = 0; from < 1; from += 0.2) {
      const here = observations.filter(({ probability }) => probability >= from && probability < from + 0.2)
      const told = here.reduce((sum, { probability }) => sum + probability, 0) / here.length
      const deviation = Math.sqrt((told * (1 - told)) / here.length)
      expect(Math.abs(share(here, ({ churned }) => churned) - told)).toBeLessThan(4.5 * deviation + 0.005)
    }
  })

  test('follows from declines: whoever remembers more of them leaves sooner', () => {
    const habits = someHabits(START / DAY_MS)
    const belief = { active: 1, paused: 0, left: 0 }
    const told = [0, 1, 2, 3, 4].map((remembered) =>
      churnProbability(habits, START / DAY_MS + 40, remembered, belief),
    )
    expect(told).toEqual([...told].sort((a, b) => a - b))
    expect(told[4]).toBeGreaterThan(told[0]! + 0.05)
  })

  test('is what playing the next thirty days many times gives', () => {
    const day = START / DAY_MS + 45
    const habits = someHabits(START / DAY_MS)
    const draws = seededDraws(7, 'monte carlo')
    for (const [state, remembered] of [
      ['active', 3],
      ['active', 0],
      ['paused', 2],
    ] as const) {
      const belief = { active: 0, paused: 0, left: 0, [state]: 1 }
      const told = churnProbability(habits, day, remembered, belief)
      const times = 20_000
      let churned = 0
      for (let i = 0; i < times; i++) if (playsNothing(habits, day, state, remembered, draws)) churned += 1
      expect(Math.abs(churned / times - told)).toBeLessThan(4.5 * Math.sqrt((told * (1 - told)) / times))
    }
  })
})

test('beliefs are probabilities, and silence only makes leaving likelier', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 60 }), fc.integer({ min: 0, max: 4 }), (silentDays, remembered) => {
      const habits = someHabits(20_000)
      let belief = { active: 1, paused: 0, left: 0 }
      for (let day = 20_001; day <= 20_001 + silentDays; day++) {
        const next = beliefAfter(belief, { habits, day, remembered, paid: false })
        expect(next.active + next.paused + next.left).toBeCloseTo(1, 12)
        expect(next.left).toBeGreaterThan(belief.left)
        belief = next
      }
      expect(beliefAfter(belief, { habits, day: 20_100, remembered, paid: true }).active).toBe(1)
    }),
    { seed: 5, numRuns: 50 },
  )
})

test('the rank tally gives the AUC of all pairs, ties half', () => {
  const one = fc.record({
    probability: fc.integer({ min: 0, max: 20 }).map((n) => n / 20),
    churned: fc.boolean(),
  })
  fc.assert(
    fc.property(fc.array(one, { maxLength: 60 }), (told) => {
      const tally = new RankTally()
      for (const { probability, churned } of told) tally.add(probability, churned)
      const both = new Set(told.map(({ churned }) => churned)).size === 2
      if (both) expect(tally.auc()).toBeCloseTo(aucOfPairs(told), 12)
      else expect(tally.auc()).toBeNull()
    }),
    { seed: 6 },
  )
})

function someHabits(joinedDay: number): Habits {
  return {
    paymentsPerDay: 0.15,
    declineShare: 0.2,
    weekendTilt: 0.3,
    fatigueDepth: 0.4,
    fatigueDays: 100,
    leavePerDay: 0.003,
    joinedDay,
  }
}

/** The model's three rules, played by the day. */
function playsNothing(
  habits: Habits,
  from: number,
  begin: 'active' | 'paused',
  declines: number,
  draws: ReturnType<typeof seededDraws>,
): boolean {
  let state: 'active' | 'paused' = begin
  let remembered = declines
  for (let day = from + 1; day <= from + 30; day++) {
    const drawn = draws.uniform()
    const leaving = leavingOn(habits, day, remembered)
    if (state === 'paused') state = drawn < RETURN_PER_DAY ? 'active' : 'paused'
    else if (drawn < leaving) return true
    else if (drawn < leaving + PAUSE_PER_DAY) state = 'paused'
    let declined = 0
    const tries = state === 'active' ? draws.poisson(paymentsOn(habits, day)) : 0
    for (let i = 0; i < tries; i++) {
      if (draws.uniform() >= habits.declineShare) return false
      declined += 1
    }
    remembered = rememberedAfter(remembered, declined, day)
  }
  return true
}

function aucOfPairs(told: readonly { readonly probability: number; readonly churned: boolean }[]): number {
  const churned = told.filter((one) => one.churned).map(({ probability }) => probability)
  const stayed = told.filter((one) => !one.churned).map(({ probability }) => probability)
  let wins = 0
  for (const high of churned) for (const low of stayed) wins += high > low ? 1 : high === low ? 0.5 : 0
  return wins / (churned.length * stayed.length)
}
