import type { BackfillDates } from '../schemas/backfill-dates.js'
import type {
  BackfilledDate,
  BackfillState,
  DateCounts,
  DatesPage,
  DatesQuery,
  DateState,
  FailedDate,
  RunningDate,
} from '../schemas/backfill-messages.js'
import {
  countStates,
  decodeStates,
  encodeStates,
  isRetried,
  retriedStates,
} from '../schemas/backfill-states.js'
import { invalidInput } from '../schemas/validate-input.js'

const FAILURES_MAX = 100
const CAUSE_MAX = 300
const PAGE_DEFAULT = 100

/** Where each date of a backfill stands, by its number; counts cost nothing, a page costs what it holds or a look at all. */
export interface DateStates {
  readonly counts: () => DateCounts
  readonly running: () => readonly RunningDate[]
  readonly failures: () => readonly FailedDate[]
  /** The first dates that wait: at most so many. */
  waiting(limit: number): readonly number[]
  settle(index: number, state: DateState): void
  run(index: number, running: RunningDate): void
  fail(index: number, failed: FailedDate): void
  /** What failed or was cancelled waits again. */
  retryFailed(): void
  /** As `carry` after `retryFailed`, which is not done. */
  retried(): Pick<BackfillState, 'states' | 'failures'>
  page(query: DatesQuery): DatesPage
  carry(): Pick<BackfillState, 'states' | 'failures'>
}

/** Throws `invalid-input` where what was carried is of other dates. */
export function openDateStates(
  dates: BackfillDates,
  carried: Pick<BackfillState, 'states' | 'failures'> | undefined,
  workflowIdOf: (key: string) => string,
): DateStates {
  let states = readStates(carried, dates.total)
  let counts = { ...countStates(states) }
  let failures = carried?.failures ?? []
  const running = new Map<number, RunningDate>()
  let firstWaiting = 0
  const settle = (index: number, state: DateState): void => {
    counts[states[index] ?? 'waiting'] -= 1
    counts[state] += 1
    states[index] = state
    if (state !== 'running') running.delete(index)
  }
  const row = (index: number, state: DateState): BackfilledDate => {
    const date = dates.key(index)
    const cause = failures.find((failed) => failed.date === date)?.cause
    return {
      date,
      state,
      ...(hasRun(state) ? { workflowId: workflowIdOf(date) } : {}),
      ...(cause === undefined ? {} : { cause }),
      ...running.get(index),
    }
  }
  return {
    counts: () => ({ ...counts }),
    running: () => [...running.values()],
    failures: () => failures,
    waiting(limit) {
      while (firstWaiting < dates.total && states[firstWaiting] !== 'waiting') firstWaiting += 1
      const found: number[] = []
      for (let i = firstWaiting; i < dates.total && found.length < limit; i += 1)
        if (states[i] === 'waiting') found.push(i)
      return found
    },
    settle,
    run(index, started) {
      settle(index, 'running')
      running.set(index, started)
    },
    fail(index, { cause, ...failed }) {
      settle(index, 'failed')
      const short = cause.length > CAUSE_MAX ? `${cause.slice(0, CAUSE_MAX)}…` : cause
      if (failures.length < FAILURES_MAX) failures = [...failures, { ...failed, cause: short }]
    },
    retryFailed() {
      states = retriedStates(states)
      counts = { ...countStates(states) }
      failures = []
      firstWaiting = 0
    },
    retried: () => ({ states: encodeStates(retriedStates(states)), failures: [] }),
    page({ state, offset = 0, limit = PAGE_DEFAULT }) {
      const found = states.flatMap((one, index) => (state === undefined || one === state ? [index] : []))
      const rows = found.slice(offset, offset + limit).map((index) => row(index, states[index] ?? 'waiting'))
      return { total: found.length, rows }
    },
    carry: () => ({ states: encodeStates(states), failures }),
  }
}

function readStates(
  carried: Pick<BackfillState, 'states' | 'failures'> | undefined,
  total: number,
): DateState[] {
  if (carried === undefined) return Array.from({ length: total }, () => 'waiting')
  const states = decodeStates(carried.states, total)
  if (states !== undefined && Array.isArray(carried.failures)) return states
  throw invalidInput('backfill', `\`state\` is not of these ${total} dates: leave it out`)
}

function hasRun(state: DateState): boolean {
  return state === 'published' || state === 'no_changes' || isRetried(state)
}
