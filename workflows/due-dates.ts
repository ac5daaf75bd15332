import { ApplicationFailure } from '@temporalio/workflow'
import type { BackfillDates } from '../schemas/backfill-dates.js'
import type { BackfillInput, BackfillRow } from '../schemas/backfill-messages.js'
import { control } from './activity-groups.js'
import type { DateStates } from './date-states.js'

/** So many dates are looked up at once: a payload of some kB. */
const PAGE = 200

export interface DueDates {
  /**
   * The first waiting date that has to run. Undefined: a page of dates was looked at, and it or nothing of it has to; ask
   * again. Dates that need no run get their state on the way.
   */
  next(): Promise<DueDate | undefined>
}

export interface DueDate {
  readonly index: number
  readonly row: BackfillRow
}

/** Looks a page of waiting dates up at a time. */
export function openDueDates(
  { pipeline, mode = 'missing', folder }: BackfillInput,
  dates: BackfillDates,
  states: DateStates,
): DueDates {
  let page: ReadonlyMap<string, BackfillRow> = new Map()
  const look = async (): Promise<void> => {
    const keys = states.waiting(PAGE).map(dates.key)
    const summary = `${keys[0]} to ${keys.at(-1)}`
    const rows = await control.listBackfill.executeWithOptions({ summary }, [
      { pipeline, mode, keys, ownFolders: folder !== undefined },
    ])
    if (rows.length === 0) throw nothingSaid(summary)
    page = new Map(rows.map((row) => [row.key, row]))
  }
  return {
    async next() {
      for (;;) {
        const [index] = states.waiting(1)
        if (index === undefined) return undefined
        const row = page.get(dates.key(index))
        if (row === undefined) {
          await look()
          return undefined
        }
        if (row.state === 'due') return { index, row }
        states.settle(index, row.state)
      }
    },
  }
}

function nothingSaid(dates: string): ApplicationFailure {
  return ApplicationFailure.nonRetryable(
    `nothing is known of the dates ${dates}: the worker's version does not fit this workflow's. Start workers of one version.`,
    'unexpected',
  )
}
