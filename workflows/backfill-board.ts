import { defineSearchAttributeKey } from '@temporalio/common'
import {
  defineQuery,
  defineSignal,
  setCurrentDetails,
  setHandler,
  upsertSearchAttributes,
} from '@temporalio/workflow'
import type { BackfillDates } from '../schemas/backfill-dates.js'
import type {
  BackfillInput,
  BackfillPause,
  BackfillState,
  BackfillStatus,
  DatesPage,
  DatesQuery,
} from '../schemas/backfill-messages.js'
import { readDatesQuery } from '../schemas/read-backfill-input.js'
import {
  BACKFILL_SIGNALS,
  DATES_QUERY,
  RETRY_INPUT_QUERY,
  SEARCH_ATTRIBUTES,
  STATUS_QUERY,
  type StepStatus,
} from '../schemas/workflow-names.js'
import { backfillDetails } from './backfill-details.js'
import type { DateStates } from './date-states.js'

const statusQuery = defineQuery<BackfillStatus>(STATUS_QUERY)
const datesQuery = defineQuery<DatesPage, [DatesQuery?]>(DATES_QUERY)
const retryQuery = defineQuery<BackfillInput>(RETRY_INPUT_QUERY)
const pauseSignal = defineSignal(BACKFILL_SIGNALS.pause)
const resumeSignal = defineSignal(BACKFILL_SIGNALS.resume)
const cancelSignal = defineSignal(BACKFILL_SIGNALS.cancel)
const retrySignal = defineSignal(BACKFILL_SIGNALS.retryFailed)

const PIPELINE = defineSearchAttributeKey(SEARCH_ATTRIBUTES.pipeline, 'KEYWORD')
const STAGE = defineSearchAttributeKey(SEARCH_ATTRIBUTES.stage, 'KEYWORD')
const STATUS = defineSearchAttributeKey(SEARCH_ATTRIBUTES.status, 'KEYWORD')

/** What people see of a backfill and tell it: queries, signals, the UI's details and search attributes. */
export interface BackfillBoard {
  /** Rises with every change: what waits for one compares it. */
  readonly version: () => number
  readonly isPaused: () => boolean
  readonly isCancelled: () => boolean
  /** Shows what was changed in the dates' states. */
  changed(): void
  pause(reason: string): void
  tellMaintenance(step: Omit<StepStatus, 'name'>): void
  end(how: 'done' | 'no_changes' | 'failed' | 'cancelled'): void
  carry(): BackfillState
}

/** The handlers are there when it returns: nothing may be awaited before. */
export function openBackfillBoard(
  given: BackfillInput,
  dates: BackfillDates,
  states: DateStates,
): BackfillBoard {
  const startedAtMs = given.state?.startedAtMs ?? Date.now()
  let pause = given.state?.pause
  let version = 0
  let cancelled = false
  let ended: BackfillStatus['status'] | undefined
  let attribute: string | undefined
  let maintain: StepStatus = { name: 'maintain', state: 'waiting' }

  const status = (): BackfillStatus => ({
    status: ended ?? (pause === undefined ? 'running' : 'paused'),
    pipeline: given.pipeline,
    steps: [datesStep(states, dates.total), maintain],
    mode: given.mode ?? 'missing',
    ...{ from: dates.from, to: dates.to, total: dates.total, startedAtMs },
    ...{ counts: states.counts(), running: states.running(), failures: states.failures() },
    ...(pause === undefined ? {} : { pause }),
  })
  const changed = (): void => {
    version += 1
    const now = status()
    setCurrentDetails(backfillDetails(now))
    // Only where it changes: each is an event of the history.
    if (attribute !== now.status) upsertSearchAttributes([{ key: STATUS, value: now.status }])
    attribute = now.status
  }
  const setPause = (next: BackfillPause | undefined): void => {
    pause = next
    changed()
  }

  answerQueries(status, states, () => ({ ...given, state: { ...states.retried(), startedAtMs } }))
  setHandler(pauseSignal, () => setPause(pause ?? { reason: 'paused as asked', sinceMs: Date.now() }))
  setHandler(resumeSignal, () => setPause(undefined))
  setHandler(cancelSignal, () => {
    cancelled = true
    changed()
  })
  setHandler(retrySignal, () => {
    states.retryFailed()
    setPause(undefined)
  })
  upsertSearchAttributes([
    { key: PIPELINE, value: given.pipeline },
    { key: STAGE, value: 'backfill' },
  ])
  changed()

  return {
    version: () => version,
    isPaused: () => pause !== undefined,
    isCancelled: () => cancelled,
    changed,
    pause: (reason) => setPause({ reason, sinceMs: Date.now() }),
    tellMaintenance(step) {
      maintain = { name: 'maintain', ...step }
      changed()
    },
    end(how) {
      ended = how
      changed()
    },
    carry: () => ({ ...states.carry(), startedAtMs, ...(pause === undefined ? {} : { pause }) }),
  }
}

function answerQueries(
  status: () => BackfillStatus,
  states: DateStates,
  retryInput: () => BackfillInput,
): void {
  setHandler(statusQuery, status, { description: 'How many dates stand where, what runs, what failed.' })
  setHandler(datesQuery, (query) => states.page(readDatesQuery(query)), {
    description: 'A page of dates; takes {"state": "failed", "offset": 0, "limit": 100} or nothing.',
  })
  setHandler(retryQuery, retryInput, {
    description:
      'The input that starts this backfill again once it has ended: what failed, was cancelled or never ran.',
  })
}

function datesStep(states: DateStates, total: number): StepStatus {
  const { waiting, running, failed, cancelled } = states.counts()
  const note = [
    `${total - waiting - running} of ${total}`,
    ...(running === 0 ? [] : [`${running} running`]),
    ...(failed === 0 ? [] : [`${failed} failed`]),
    ...(cancelled === 0 ? [] : [`${cancelled} cancelled`]),
  ].join(', ')
  const state = waiting + running > 0 ? 'running' : failed + cancelled > 0 ? 'failed' : 'done'
  return { name: 'dates', state, note }
}
