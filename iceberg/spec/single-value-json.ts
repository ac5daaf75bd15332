import { IcebergError } from '../error.js'
import { decimalScale, decimalText } from './decimal-text.js'
import { stringifyJson } from './json.js'
import { isLongLike, uuidToBytes } from './single-value.js'
import type { PrimitiveType, Value } from './type.js'

/** A value's JSON form, as defaults have it (Iceberg spec, Appendix D, "JSON single-value serialization"). */
export function valueToJson(type: PrimitiveType, value: Value): unknown {
  if (value instanceof Uint8Array) return Buffer.from(value).toString('hex')
  switch (type) {
    case 'date':
      return dayText(Number(value))
    case 'time':
      return timeText(unitsOf(type, value), 6)
    case 'timestamp':
    case 'timestamp_ns':
      return instantText(unitsOf(type, value), type.endsWith('_ns') ? 9 : 6)
    case 'timestamptz':
    case 'timestamptz_ns':
      return `${instantText(unitsOf(type, value), type.endsWith('_ns') ? 9 : 6)}+00:00`
    default:
      return type.startsWith('decimal') ? decimalText(type, unitsOf(type, value)) : value
  }
}

/** The inverse of `valueToJson`. Throws `data-invalid` where the JSON is no value of the type. */
export function valueFromJson(type: PrimitiveType, json: unknown): Value {
  const value = typeof json === 'string' ? fromText(type, json) : fromPlain(type, json)
  if (value !== undefined) return value
  throw new IcebergError('data-invalid', `${stringifyJson(json)} is no ${type}`)
}

function fromPlain(type: PrimitiveType, json: unknown): Value | undefined {
  if (type === 'boolean') return typeof json === 'boolean' ? json : undefined
  if (typeof json !== 'number' && typeof json !== 'bigint') return undefined
  if (type === 'float' || type === 'double') return Number(json)
  if (typeof json === 'number' && !Number.isInteger(json)) return undefined
  if (type === 'int')
    return Number(BigInt.asIntN(32, BigInt(json))) === Number(json) ? Number(json) : undefined
  return type === 'long' && BigInt.asIntN(64, BigInt(json)) === BigInt(json) ? BigInt(json) : undefined
}

function fromText(type: PrimitiveType, text: string): Value | undefined {
  switch (type) {
    case 'string':
      return text
    case 'uuid':
      return /^[0-9a-fA-F-]{36}$/.test(text) && uuidToBytes(text).length === 16
        ? text.toLowerCase()
        : undefined
    case 'date': {
      const match = DATE.exec(text)
      return match === null ? undefined : daysOf(match)
    }
    case 'float':
    case 'double':
      return /^(NaN|-?Infinity)$/.test(text) ? Number(text) : undefined
    default:
      if (type === 'time' || isLongLike(type)) return fromClock(type, text)
      if (type.startsWith('decimal')) return fromDecimal(text, decimalScale(type))
      return fromHex(type, text)
  }
}

const DATE = /^([+-]?\d{4,6})-(\d{2})-(\d{2})$/
const CLOCK = /^(\d{2}):(\d{2})(?::(\d{2})(?:\.(\d{1,9}))?)?$/
const DAY_SECONDS = 86_400n

function fromClock(type: PrimitiveType, text: string): bigint | undefined {
  if (type === 'long') return undefined
  const digits = type.endsWith('_ns') ? 9 : 6
  if (type === 'time') return clockUnits(text, digits)
  const hasZone = type.startsWith('timestamptz')
  const [day, rest] = text.split('T')
  const match = DATE.exec(day ?? '')
  const zone = /(Z|\+00:00|-00:00)$/.exec(rest ?? '')
  if (match === null || rest === undefined || hasZone !== (zone !== null)) return undefined
  const units = clockUnits(rest.slice(0, zone?.index), digits)
  const days = daysOf(match)
  if (units === undefined || days === undefined) return undefined
  return BigInt(days) * DAY_SECONDS * 10n ** BigInt(digits) + units
}

function clockUnits(text: string, digits: number): bigint | undefined {
  const match = CLOCK.exec(text)
  if (match === null) return undefined
  const fraction = (match[4] ?? '').padEnd(digits, '0')
  if (fraction.length > digits && !/^0*$/.test(fraction.slice(digits))) return undefined
  const [hours, minutes, seconds] = [match[1], match[2], match[3]].map((part) => Number(part ?? 0))
  if (Number(hours) > 23 || Number(minutes) > 59 || Number(seconds) > 59) return undefined
  const whole = BigInt(Number(hours) * 3600 + Number(minutes) * 60 + Number(seconds))
  return whole * 10n ** BigInt(digits) + BigInt(fraction.slice(0, digits))
}

function daysOf(match: RegExpExecArray): number | undefined {
  const date = new Date(0)
  date.setUTCFullYear(Number(match[1]), Number(match[2]) - 1, Number(match[3]))
  const isReal = date.getUTCMonth() === Number(match[2]) - 1 && date.getUTCDate() === Number(match[3])
  return isReal ? date.getTime() / 86_400_000 : undefined
}

/** `14.20`; with a negative scale `2E+20`. */
function fromDecimal(text: string, scale: number): bigint | undefined {
  const match = /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d{1,3}))?$/.exec(text)
  if (match === null) return undefined
  const digits = BigInt((match[2] ?? '') + (match[3] ?? ''))
  const shift = scale - (match[3] ?? '').length + Number(match[4] ?? 0)
  if (shift < 0 && digits % 10n ** BigInt(-shift) !== 0n) return undefined
  const unscaled = shift < 0 ? digits / 10n ** BigInt(-shift) : digits * 10n ** BigInt(shift)
  return match[1] === '-' ? -unscaled : unscaled
}

function fromHex(type: PrimitiveType, text: string): Uint8Array | undefined {
  const length = /^fixed\[\s*(\d+)\s*\]$/.exec(type)?.[1]
  if (length === undefined && type !== 'binary') return undefined
  if (!/^([0-9a-fA-F]{2})*$/.test(text)) return undefined
  return length === undefined || text.length === Number(length) * 2
    ? Uint8Array.from(Buffer.from(text, 'hex'))
    : undefined
}

function dayText(days: number): string {
  const text = new Date(days * 86_400_000).toISOString()
  return text.slice(0, text.indexOf('T'))
}

function timeText(units: bigint, digits: number): string {
  const unit = 10n ** BigInt(digits)
  const seconds = Number(units / unit)
  const two = (value: number): string => String(value).padStart(2, '0')
  const clock = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60].map(two).join(':')
  return `${clock}.${String(units % unit).padStart(digits, '0')}`
}

function instantText(units: bigint, digits: number): string {
  const day = DAY_SECONDS * 10n ** BigInt(digits)
  const within = ((units % day) + day) % day
  return `${dayText(Number((units - within) / day))}T${timeText(within, digits)}`
}

function unitsOf(type: PrimitiveType, value: Value): bigint {
  if (typeof value === 'bigint') return value
  throw new IcebergError('invalid-argument', `a ${type} is a bigint, but got '${String(value)}'`)
}
