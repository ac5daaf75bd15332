import { valueAt } from './value-at.js'

/**
 * The event time of a document at a path, ms since 1970: a timestamp in ISO 8601 (UTC where it names no zone), or ms since
 * 1970 as a number or digits. undefined where it is absent or none of these.
 */
export function eventTimeOf(document: unknown, path: readonly string[]): number | undefined {
  const value = valueAt(document, path)
  if (typeof value === 'number' || typeof value === 'bigint') return inYears(Math.floor(Number(value)))
  if (typeof value !== 'string') return undefined
  return inYears(DIGITS.test(value) ? Number(value) : parseIsoTime(value))
}

/** Years of four digits only: no other has one form that all engines read. */
export function isEventTime(ms: number): boolean {
  return ms >= MIN_MS && ms <= MAX_MS
}

const MIN_MS = Date.parse('0001-01-01T00:00:00Z')
const MAX_MS = Date.parse('9999-12-31T23:59:59.999Z')
const DIGITS = /^-?\d{1,16}$/
const ISO =
  /^(\d{4}-\d{2}-\d{2})(?:[T ](\d{2}):(\d{2})(?::(\d{2})(?:[.,](\d{1,9}))?)?(Z|[+-]\d{2}(?::?\d{2})?)?)?$/

function inYears(ms: number): number | undefined {
  return isEventTime(ms) ? ms : undefined
}

/** NaN where it is none; the calendar and the clock are checked, digits beyond the millisecond are dropped. */
function parseIsoTime(text: string): number {
  const [, day = '', hour = '00', minute = '00', second = '00', fraction = '', zone = 'Z'] =
    ISO.exec(text) ?? []
  const dayMs = Date.parse(`${day}T00:00:00Z`)
  if (Number.isNaN(dayMs) || !new Date(dayMs).toISOString().startsWith(day)) return NaN
  if (hour > '23' || minute > '59' || second > '59') return NaN
  const ofDayMs = (Number(hour) * 60 + Number(minute)) * 60_000 + Number(second) * 1000
  return dayMs + ofDayMs + Number(fraction.slice(0, 3).padEnd(3, '0')) - offsetMs(zone)
}

/** NaN beyond what a zone can be. */
function offsetMs(zone: string): number {
  if (zone === 'Z') return 0
  const [hours, minutes] = [Number(zone.slice(1, 3)), Number(zone.slice(3).replace(':', ''))]
  if (hours > 18 || minutes > 59) return NaN
  return (zone.startsWith('-') ? -1 : 1) * (hours * 60 + minutes) * 60_000
}
