import { batchIdOf, type BatchId } from './batch.js'
import { FirnError } from './error.js'
import type { ScheduleDefinition } from './pipeline.js'

/** Without a schedule the night is at 02:00 UTC. */
const DEFAULT_SCHEDULE: ScheduleDefinition = { nightly: '0 2 * * *' }

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

/** The instant at which clocks in `zone` show `wall` (ms as if UTC); inside the gap of a clock change, just before it. */
function utcOfWallClock(wall: number, zone: string): number {
  const first = wall - offsetAt(wall, zone)
  return wall - offsetAt(first, zone)
}

/** What `zone`'s clocks are ahead of UTC at an instant, in ms. */
function offsetAt(instant: number, zone: string): number {
  const parts = new Intl.DateTimeFormat('en-US', {
    timeZone: zone,
    hourCycle: 'h23',
    year: 'numeric',
    month: 'numeric',
    day: 'numeric',
    hour: 'numeric',
    minute: 'numeric',
    second: 'numeric',
  }).formatToParts(new Date(instant))
  const part = (type: string): number => Number(parts.find((p) => p.type === type)?.value)
  return (
    Date.UTC(part('year'), part('month') - 1, part('day'), part('hour'), part('minute'), part('second')) -
    instant
  )
}
