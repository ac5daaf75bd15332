import type { DateCounts, DateState } from './backfill-messages.js'

/** By one letter each: 100,000 dates are at most as many bytes, and a few where neighbours are alike. */
const LETTERS: Readonly<Record<DateState, string>> = {
  waiting: 'w',
  running: 'r',
  published: 'p',
  no_changes: 'n',
  done: 'd',
  none: 'o',
  failed: 'f',
  cancelled: 'c',
}
export const DATE_STATES = Object.keys(LETTERS) as readonly DateState[]
const STATES: ReadonlyMap<string, DateState> = new Map(DATE_STATES.map((state) => [LETTERS[state], state]))

/** `w3fp120`: three waiting, one failed, 120 published. A date that runs is to run again: it counts as waiting. */
export function encodeStates(states: readonly DateState[]): string {
  const runs: string[] = []
  let length = 0
  states.forEach((state, i) => {
    length += 1
    const letter = letterOf(state)
    const next = states[i + 1]
    if (next !== undefined && letterOf(next) === letter) return
    runs.push(length === 1 ? letter : `${letter}${length}`)
    length = 0
  })
  return runs.join('')
}

/** Undefined where the text does not say the state of exactly `total` dates. */
export function decodeStates(text: string, total: number): DateState[] | undefined {
  const states: DateState[] = []
  if (!/^([wpndofc]\d*)*$/.test(text)) return undefined
  for (const [, letter, count] of text.matchAll(/([a-z])(\d*)/g)) {
    const state = STATES.get(letter ?? '')
    const length = count === '' ? 1 : Number(count)
    if (state === undefined || states.length + length > total) return undefined
    for (let i = 0; i < length; i += 1) states.push(state)
  }
  return states.length === total ? states : undefined
}

export function countStates(states: readonly DateState[]): DateCounts {
  const counts = noDates()
  for (const state of states) counts[state] += 1
  return counts
}

/** What `retryFailed` does: what failed, or was cancelled, waits again; all else stays as it is. */
export function retriedStates(states: readonly DateState[]): DateState[] {
  return states.map((state) => (isRetried(state) ? 'waiting' : state))
}

export function isRetried(state: DateState): boolean {
  return state === 'failed' || state === 'cancelled'
}

function noDates(): Record<DateState, number> {
  return {
    waiting: 0,
    running: 0,
    published: 0,
    no_changes: 0,
    done: 0,
    none: 0,
    failed: 0,
    cancelled: 0,
  }
}

function letterOf(state: DateState): string {
  return LETTERS[state === 'running' ? 'waiting' : state]
}
