import type { BackfillInput, DatesQuery } from './backfill-messages.js'
import { DATE_STATES } from './backfill-states.js'
import { ON_CHANGE } from './definition-change.js'
import type { FirnError } from './error.js'
import { checks, invalidInput, readFields, type Check } from './validate-input.js'

export const BACKFILL_DATES_MAX = 100_000
/** Of dates or batches that are named one by one: the input is carried whole. */
export const BACKFILL_NAMED_MAX = 1000
const PARALLEL_MAX = 50
const PAGE_MAX = 1000

const { name, folder, date, batch, between, optional, anything } = checks

/** The fields of a `BackfillInput`, as a person types them. Throws `invalid-input`. */
export function readBackfillInput(input: unknown): BackfillInput {
  const given = readFields<BackfillInput>('backfill', input, {
    pipeline: name,
    from: optional(date),
    to: optional(date),
    dates: optional(listOf(date)),
    batches: optional(listOf(batch)),
    mode: optional(oneOf('missing', 'rebuild')),
    parallel: optional(between(1, PARALLEL_MAX)),
    maintain: optional(oneOf('at-end', 'never')),
    onFailure: optional(oneOf('continue', 'pause')),
    onChange: optional(oneOf(...ON_CHANGE)),
    folder: optional(folder),
    state: optional(anything),
  })
  const wrong = wrongDates(given) ?? wrongRebuild(given)
  if (wrong !== undefined) throw refuse(wrong)
  return given
}

/** What the query `dates` is asked. Throws `invalid-input`. */
export const readDatesQuery = (input: unknown): DatesQuery =>
  readFields<DatesQuery>('the query dates', input ?? {}, {
    state: optional(oneOf(...DATE_STATES)),
    offset: optional(between(0, BACKFILL_DATES_MAX)),
    limit: optional(between(1, PAGE_MAX)),
  })

function wrongDates({ from, to, dates, batches }: BackfillInput): string | undefined {
  const ways = [from !== undefined || to !== undefined, dates !== undefined, batches !== undefined]
  if (ways.filter(Boolean).length !== 1) {
    return 'give the dates in exactly one way: `from` with `to`, `dates`, or `batches`'
  }
  if (!ways[0]) return undefined
  if (from === undefined || to === undefined)
    return 'give both `from` and `to`; for one date they are the same'
  const days = (Date.parse(to) - Date.parse(from)) / 86_400_000 + 1
  if (days < 1) return `\`from\` (${from}) is after \`to\` (${to}): give the earlier date first`
  return days > BACKFILL_DATES_MAX
    ? `${from} to ${to} are ${days} dates, at most ${BACKFILL_DATES_MAX} can be asked for at once: give a shorter range`
    : undefined
}

function wrongRebuild({ mode, parallel, onChange, folder: from }: BackfillInput): string | undefined {
  if (mode !== 'rebuild') return undefined
  if ((parallel ?? 1) > 1) return 'rebuilds of a pipeline stand in line, one at a time: leave `parallel` out'
  if (onChange !== undefined)
    return 'a rebuild computes rows by the definition as it is now: leave `onChange` out'
  return from === undefined
    ? undefined
    : 'a rebuild reads what was landed before and lands nothing: leave `folder` out, or use the mode `missing`'
}

function refuse(message: string): FirnError {
  return invalidInput('backfill', message)
}

function listOf(check: Check): Check {
  return (value) => {
    if (!Array.isArray(value) || value.length === 0 || value.length > BACKFILL_NAMED_MAX)
      return `must be a list of 1 to ${BACKFILL_NAMED_MAX}`
    for (const item of value) {
      const wrong = check(item)
      if (wrong !== undefined) return `has ${JSON.stringify(item).slice(0, 100)} in it, which ${wrong}`
    }
    return new Set(value).size === value.length ? undefined : 'must not name one twice'
  }
}

function oneOf(...words: readonly string[]): Check {
  return (value) => (words.some((word) => word === value) ? undefined : `must be one of ${words.join(', ')}`)
}
