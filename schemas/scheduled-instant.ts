import { Cron } from 'croner'
import { batchIdOf, type BatchId } from './batch.js'
import { parseDuration } from './duration.js'
import { FirnError } from './error.js'
import type { ScheduleDefinition } from './pipeline.js'
import { utcOfWallClock, zoneOffset } from './zone-time.js'

/** Without a schedule the night is at 02:00 UTC. */
const DEFAULT_SCHEDULE: ScheduleDefinition = { nightly: '0 2 * * *' }

const DAY_MS = 86_400_000
const HOUR_MS = 3_600_000
const CATCH_UP = '7d'

/** How late a night may still be started by the server, and how far back nights look for dates that had none. */
export function catchUpMs({ catchUp = CATCH_UP }: ScheduleDefinition): number {
  return parseDuration(catchUp) ?? 7 * DAY_MS
}

/** The batch of a calendar date (`2026-07-01`): that date at the schedule's time of day, in the schedule's zone. */
export function batchOfDate(date: string, schedule: ScheduleDefinition = DEFAULT_SCHEDULE): BatchId {
  const midnight = new Date(`${date}T00:00:00Z`)
  if (Number.isNaN(midnight.getTime()) || midnight.toISOString().slice(0, 10) !== date) {
    throw new FirnError('invalid-input', `date "${date}" is no calendar date: write it as 2026-07-01.`)
  }
  const { hour, minute } = timeOfDay(schedule.nightly)
  const wall = midnight.getTime() + (hour * 60 + minute) * 60_000
  return batchIdOf(new Date(utcOfWallClock(wall, schedule.timezone ?? 'UTC')))
}

/**
 * The instants that a schedule is due at, `after` < instant <= `until` (ms since 1970), ascending, at most `limit`: what
 * Temporal's server computes from the same definition, jitter left out. A time of day that clocks skip has none on that
 * date; where they are put back there may be two, as the server has it.
 */
export function scheduledInstants(
  schedule: ScheduleDefinition,
  range: { readonly after: number; readonly until: number; readonly limit?: number },
): readonly Date[] {
  const zone = schedule.timezone ?? 'UTC'
  const { after, until, limit = 1000 } = range
  const cron = cronOf(schedule.nightly)
  const found: Date[] = []
  // Wall clocks are at most a day apart from UTC.
  let wall = cron.nextRun(new Date(after - DAY_MS))
  while (wall !== null && wall.getTime() <= until + DAY_MS) {
    for (const instant of instantsOf(wall.getTime(), zone)) {
      if (instant <= after || instant > until) continue
      found.push(new Date(instant))
      if (found.length === limit) return found
    }
    wall = cron.nextRun(wall)
  }
  return found
}

/** A cron expression over wall clocks, which know no changes. Throws where it is none. */
export function cronOf(expression: string): Cron {
  return new Cron(expression, { timezone: 'UTC', mode: '5-part', domAndDow: true })
}

/**
 * None in a gap. Two in the hour that the server takes for doubled: the one after which its clock says two hours have gone
 * by, which is the repeated hour west of Greenwich and the one before it east of it.
 */
function instantsOf(wall: number, zone: string): readonly number[] {
  const instant = utcOfWallClock(wall, zone)
  if (instant + zoneOffset(instant, zone) !== wall) return []
  const hour = wall - (wall % HOUR_MS)
  const isDoubled = utcOfWallClock(hour + HOUR_MS, zone) - utcOfWallClock(hour, zone) > HOUR_MS
  return isDoubled ? [instant, instant + HOUR_MS] : [instant]
}

function timeOfDay(cron: string): { readonly hour: number; readonly minute: number } {
  const [minute, hour] = cron.trim().split(/\s+/)
  const numbers = [Number(minute), Number(hour)] as const
  if (!/^\d+$/.test(minute ?? '') || !/^\d+$/.test(hour ?? '') || numbers[0] > 59 || numbers[1] > 23) {
    throw new FirnError(
      'config',
      `the schedule "${cron}" has no single time of day, so a date alone names no batch: give the batch id instead.`,
    )
  }
  return { minute: numbers[0], hour: numbers[1] }
}
