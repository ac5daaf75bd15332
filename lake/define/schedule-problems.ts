import { parseDuration } from '../../schemas/duration.js'
import type { ScheduleDefinition } from '../../schemas/pipeline.js'
import { cronOf, scheduledInstants } from '../../schemas/scheduled-instant.js'
import { zoneOffset } from '../../schemas/zone-time.js'
import { attempt } from './attempt.js'

const DAY_MS = 86_400_000
const YEAR_MS = 366 * DAY_MS
/** Zones change their clocks by the same rules every year. */
const SOME_YEAR = Date.UTC(2026, 0, 1)

const VALUE = String.raw`(\d{1,2}|jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec|sun|mon|tue|wed|thu|fri|sat)`
const PART = String.raw`(\*|${VALUE}(-${VALUE})?)(\/\d{1,2})?`
const FIELD = new RegExp(`^${PART}(,${PART})*$`, 'i')

/** What is wrong with a schedule whose zone is known to be one. */
export function scheduleProblems(schedule: ScheduleDefinition): readonly string[] {
  const cron = cronProblem(schedule.nightly)
  if (cron !== undefined) return [`nightly: ${cron}`]
  const nights = scheduledInstants(schedule, { after: SOME_YEAR, until: SOME_YEAR + 5 * YEAR_MS, limit: 50 })
  if (nights.length === 0) return [`nightly: "${schedule.nightly}" names a day that no year has`]
  return [
    ...durationProblem('catchUp', schedule.catchUp, 60_000, YEAR_MS, '1m and 366d'),
    ...jitterProblems(schedule, nights),
    ...repeatedProblems(schedule),
  ]
}

function cronProblem(expression: string): string | undefined {
  const wrong = expression.split(' ').find((field) => !FIELD.test(field))
  const why = wrong === undefined ? attempt(() => cronOf(expression)) : `${wrong} is no field of it`
  if (typeof why !== 'string') return undefined
  return `"${expression}" is no cron expression that Temporal takes (${why.replace(/^CronPattern: /, '')}): minute, hour, day of the month, month, day of the week, such as "0 2 * * 1-5"`
}

function durationProblem(
  name: string,
  text: string | undefined,
  min: number,
  max: number,
  bounds: string,
): readonly string[] {
  if (text === undefined) return []
  const ms = parseDuration(text)
  if (ms === undefined) return [`${name}: '${text}' is not a time span: write e.g. 30s, 10m, 1h, 7d`]
  return ms < min || ms > max ? [`${name}: '${text}' is not between ${bounds}`] : []
}

/** A jitter as long as the time to the next night would have nights overtake each other. */
function jitterProblems(schedule: ScheduleDefinition, nights: readonly Date[]): readonly string[] {
  const wrong = durationProblem('jitter', schedule.jitter, 1000, YEAR_MS, '1s and 366d')
  if (schedule.jitter === undefined || wrong.length > 0) return wrong
  const gaps = nights.slice(1).map((night, i) => night.getTime() - (nights[i]?.getTime() ?? 0))
  const shortest = Math.min(...gaps, YEAR_MS)
  return (parseDuration(schedule.jitter) ?? 0) < shortest
    ? []
    : [`jitter: '${schedule.jitter}' reaches to the next night, ${shortest / 60_000} minutes later`]
}

/** Where clocks show an hour twice, Temporal leaves out or doubles times of a schedule that has several a day. */
function repeatedProblems(schedule: ScheduleDefinition): readonly string[] {
  const zone = schedule.timezone ?? 'UTC'
  if (/^\d+ \d+ /.test(schedule.nightly) || zone === 'UTC') return []
  const backward = clockChanges(zone).find(({ shiftMs }) => shiftMs < 0)
  if (backward === undefined) return []
  const { atMs, shiftMs } = backward
  const around = scheduledInstants(
    { nightly: schedule.nightly },
    {
      after: atMs + zoneOffset(atMs, zone) - 1,
      until: atMs + zoneOffset(atMs, zone) - shiftMs - 1,
      limit: 1,
    },
  )
  if (around.length === 0) return []
  const hour = new Date(atMs + zoneOffset(atMs, zone)).toISOString().slice(11, 16)
  return [
    `nightly: "${schedule.nightly}" is due several times a day, and clocks in ${zone} show the hour from ${hour} twice a year: leave that hour out, or say timezone: 'UTC'`,
  ]
}

/** When clocks in a zone change in a year, and by how much. */
export function clockChanges(
  zone: string,
  fromMs = SOME_YEAR,
): readonly { readonly atMs: number; readonly shiftMs: number }[] {
  const changes: { readonly atMs: number; readonly shiftMs: number }[] = []
  const week = 7 * DAY_MS
  for (let at = fromMs; at < fromMs + YEAR_MS; at += week) {
    const shiftMs = zoneOffset(at + week, zone) - zoneOffset(at, zone)
    if (shiftMs !== 0) changes.push({ atMs: firstChange(zone, at, at + week), shiftMs })
  }
  return changes
}

function firstChange(zone: string, before: number, after: number): number {
  let [low, high] = [before, after]
  while (high - low > 60_000) {
    const middle = Math.floor((low + high) / 120_000) * 60_000
    if (zoneOffset(middle, zone) === zoneOffset(before, zone)) low = middle
    else high = middle
  }
  return high
}
