import { batchIdOf, type BatchId } from '../../schemas/batch.js'
import type { Pipeline } from '../../schemas/pipeline.js'
import { batchOfDate, scheduledInstants } from '../../schemas/scheduled-instant.js'
import { zoneOffset } from '../../schemas/zone-time.js'

const DAY_MS = 86_400_000
/** Once a minute. */
const INSTANTS_A_DAY_MAX = 1440

/** The batches that the pipeline's schedule has on each of these calendar dates of its zone; a date may have none. */
export function batchesOfDates(
  { schedule }: Pick<Pipeline, 'schedule'>,
  dates: readonly string[],
): ReadonlyMap<string, readonly BatchId[]> {
  if (schedule === undefined) return new Map(dates.map((date) => [date, [batchOfDate(date)]]))
  const zone = schedule.timezone ?? 'UTC'
  const batches = new Map<string, BatchId[]>(dates.map((date) => [date, []]))
  for (const { first, days } of runsOf(dates)) {
    // Clocks are less than a day apart from UTC; what falls on other dates is left out below.
    const range = { after: first - DAY_MS, until: first + (days + 1) * DAY_MS }
    const limit = (days + 2) * INSTANTS_A_DAY_MAX
    for (const instant of scheduledInstants(schedule, { ...range, limit })) {
      const wall = new Date(instant.getTime() + zoneOffset(instant.getTime(), zone))
      batches.get(wall.toISOString().slice(0, 10))?.push(batchIdOf(instant))
    }
  }
  return batches
}

/** Dates that follow one another, taken together: asking for a range costs little more than asking for its first date. */
function runsOf(dates: readonly string[]): readonly { readonly first: number; readonly days: number }[] {
  const runs: { first: number; days: number }[] = []
  for (const date of [...dates].sort()) {
    const at = Date.parse(date)
    const last = runs.at(-1)
    if (last !== undefined && at === last.first + last.days * DAY_MS) last.days += 1
    else runs.push({ first: at, days: 1 })
  }
  return runs
}
