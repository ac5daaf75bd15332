import { valueAt } from './value-at.js'

/**
 * The event time of a document at a path, ms since 1970: a timestamp in ISO 8601 (UTC where it names no zone), or ms since
 * 1970 as a number or digits. undefined where it is absent or none of these.
 */
export function eventTimeOf(document: unknown, path: readonly string[]): number | undefined {
  return parseTime(valueAt(document, path))
}

/** The same of a value. */
export function parseTime(value: unknown): number | undefined {
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

/** ms since 1970 of bytes in the one form `YYYY-MM-DDThh:mm:ss[.digits]Z`; undefined for any other, valid or not. */
export function quickTime(bytes: Uint8Array, from: number, end: number): number | undefined {
  const length = end - from
  if (length < 20 || length > 30 || length === 21 || bytes[end - 1] !== LETTER_Z) return undefined
  const separator = bytes[from + 10]
  if (separator !== LETTER_T && separator !== SPACE) return undefined
  if (bytes[from + 4] !== DASH || bytes[from + 7] !== DASH) return undefined
  if (bytes[from + 13] !== COLON || bytes[from + 16] !== COLON) return undefined
  const year = twoDigits(bytes, from) * 100 + twoDigits(bytes, from + 2)
  const month = twoDigits(bytes, from + 5)
  const day = twoDigits(bytes, from + 8)
  const hour = twoDigits(bytes, from + 11)
  const minute = twoDigits(bytes, from + 14)
  const second = twoDigits(bytes, from + 17)
  // Days 29 to 31 are not in every month; NaN fails each of these too.
  if (!(year >= 1 && month >= 1 && month <= 12 && day >= 1 && day <= daysOf(year, month))) return undefined
  if (!(hour <= 23 && minute <= 59 && second <= 59)) return undefined
  let ms = 0
  if (length > 20) {
    if (bytes[from + 19] !== POINT) return undefined
    let unit = 100
    for (let i = from + 20; i < end - 1; i++) {
      const digit = (bytes[i] as number) - ZERO
      if (digit < 0 || digit > 9) return undefined
      ms += digit * Math.floor(unit)
      unit /= 10
    }
  }
  return daysSince1970(year, month, day) * 86_400_000 + ((hour * 60 + minute) * 60 + second) * 1000 + ms
}

function twoDigits(bytes: Uint8Array, at: number): number {
  const tens = (bytes[at] as number) - ZERO
  const ones = (bytes[at + 1] as number) - ZERO
  return tens >= 0 && tens <= 9 && ones >= 0 && ones <= 9 ? tens * 10 + ones : NaN
}

function daysOf(year: number, month: number): number {
  if (month !== 2) return month === 4 || month === 6 || month === 9 || month === 11 ? 30 : 31
  return year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0) ? 29 : 28
}

/** Of the Gregorian calendar, counted in years that begin in March. */
function daysSince1970(year: number, month: number, day: number): number {
  const y = month <= 2 ? year - 1 : year
  const era = Math.floor(y / 400)
  const ofEra = y - era * 400
  const ofYear = Math.floor((153 * (month > 2 ? month - 3 : month + 9) + 2) / 5) + day - 1
  return era * 146_097 + ofEra * 365 + Math.floor(ofEra / 4) - Math.floor(ofEra / 100) + ofYear - 719_468
}

const LETTER_T = 0x54
const LETTER_Z = 0x5a
const SPACE = 0x20
const DASH = 0x2d
const COLON = 0x3a
const POINT = 0x2e
const ZERO = 0x30
