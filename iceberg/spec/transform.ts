import { IcebergError } from '../error.js'
import { murmur3 } from './murmur3.js'
import type { Transform } from './partition-spec.js'
import { bigIntToBytes, isLongLike, uuidToBytes } from './single-value.js'
import type { PrimitiveType, Value } from './type.js'

export type ParsedTransform =
  | { readonly kind: 'identity' | 'year' | 'month' | 'day' | 'hour' | 'void' }
  | { readonly kind: 'bucket'; readonly buckets: number }
  | { readonly kind: 'truncate'; readonly width: number }
  /** One that this library does not know: readers ignore its field, writers refuse. */
  | { readonly kind: 'unknown'; readonly name: string }

export function parseTransform(transform: Transform): ParsedTransform {
  switch (transform) {
    case 'identity':
    case 'year':
    case 'month':
    case 'day':
    case 'hour':
    case 'void':
      return { kind: transform }
  }
  const match = /^(bucket|truncate)\[([1-9]\d*)\]$/.exec(transform)
  if (match === null) return { kind: 'unknown', name: transform }
  const parameter = Number(match[2])
  return match[1] === 'bucket'
    ? { kind: 'bucket', buckets: parameter }
    : { kind: 'truncate', width: parameter }
}

/** The type of a transform's values; throws `invalid-argument` where it cannot be applied to the source type. */
export function transformResultType(transform: Transform, sourceType: PrimitiveType): PrimitiveType {
  const parsed = parseTransform(transform)
  const applies = (condition: boolean, result: PrimitiveType): PrimitiveType => {
    if (condition) return result
    throw new IcebergError('invalid-argument', `transform ${transform} cannot be applied to ${sourceType}`)
  }
  const isTimestamp = sourceType.startsWith('timestamp')
  switch (parsed.kind) {
    case 'identity':
    case 'void':
      return sourceType
    case 'year':
    case 'month':
      return applies(isTimestamp || sourceType === 'date', 'int')
    case 'day':
      return applies(isTimestamp || sourceType === 'date', 'date')
    case 'hour':
      return applies(isTimestamp, 'int')
    case 'bucket':
      return applies(!['boolean', 'float', 'double'].includes(sourceType), 'int')
    case 'truncate':
      return applies(/^(int|long|string|binary|decimal.*)$/.test(sourceType), sourceType)
    case 'unknown':
      throw unknownTransform(parsed.name)
  }
}

/** A column's value → its partition value. Null stays null; `void` makes everything null. */
export function applyTransform(
  transform: Transform,
  sourceType: PrimitiveType,
  value: Value | null,
): Value | null {
  if (value === null) return null
  const parsed = parseTransform(transform)
  switch (parsed.kind) {
    case 'identity':
      return value
    case 'void':
      return null
    case 'bucket':
      return (hashValue(sourceType, value) & 0x7fffffff) % parsed.buckets
    case 'truncate':
      return truncateValue(value, parsed.width)
    case 'year':
      return civilMonths(daysOf(sourceType, value)).year - 1970
    case 'month': {
      const { year, month } = civilMonths(daysOf(sourceType, value))
      return (year - 1970) * 12 + month
    }
    case 'day':
      return daysOf(sourceType, value)
    case 'hour':
      return Number(floorDivide(microsOf(sourceType, value), 3_600_000_000n))
    case 'unknown':
      throw unknownTransform(parsed.name)
  }
}

/** Iceberg spec, Appendix B: the 32-bit hash of a value, as a signed integer. */
export function hashValue(type: PrimitiveType, value: Value): number {
  if (type === 'int' || type === 'date' || isLongLike(type)) {
    const bytes = new Uint8Array(8)
    // Nanoseconds hash as their microseconds, so that a column promoted to them stays in its buckets.
    const integer = type.endsWith('_ns') ? microsOf(type, value) : BigInt(value as number | bigint)
    new DataView(bytes.buffer).setBigInt64(0, BigInt.asIntN(64, integer), true)
    return murmur3(bytes)
  }
  if (typeof value === 'bigint') return murmur3(bigIntToBytes(value))
  if (typeof value === 'string') return murmur3(type === 'uuid' ? uuidToBytes(value) : Buffer.from(value))
  if (value instanceof Uint8Array) return murmur3(value)
  throw new IcebergError('invalid-argument', `values of ${type} cannot be hashed: choose another transform`)
}

function truncateValue(value: Value, width: number): Value {
  if (typeof value === 'number') return value - (((value % width) + width) % width)
  if (typeof value === 'bigint') {
    const by = BigInt(width)
    return value - (((value % by) + by) % by)
  }
  if (typeof value === 'string') return truncateString(value, width)
  if (value instanceof Uint8Array) return value.subarray(0, width)
  throw new IcebergError(
    'invalid-argument',
    `a ${typeof value} cannot be truncated: choose another transform`,
  )
}

/** The first `length` code points. */
export function truncateString(value: string, length: number): string {
  if (value.length <= length) return value
  let end = 0
  for (let count = 0; count < length && end < value.length; count++) {
    end += (value.codePointAt(end) ?? 0) > 0xffff ? 2 : 1
  }
  return value.slice(0, end)
}

/** Days since 1970, rounded down also before it. */
function daysOf(type: PrimitiveType, value: Value): number {
  if (type === 'date') return Number(value)
  return Number(floorDivide(microsOf(type, value), 86_400_000_000n))
}

function microsOf(type: PrimitiveType, value: Value): bigint {
  if (typeof value !== 'bigint') {
    throw new IcebergError('invalid-argument', `a ${type} is a bigint, but got '${String(value)}'`)
  }
  return type.endsWith('_ns') ? floorDivide(value, 1000n) : value
}

function floorDivide(value: bigint, by: bigint): bigint {
  const quotient = value / by
  return value % by < 0n ? quotient - 1n : quotient
}

/** Proleptic Gregorian year and month (0 to 11) of a day number, for any day (H. Hinnant's days-to-civil method). */
function civilMonths(days: number): { readonly year: number; readonly month: number } {
  const shifted = days + 719_468
  const era = Math.floor(shifted / 146_097)
  const dayOfEra = shifted - era * 146_097
  const yearOfEra = Math.floor(
    (dayOfEra -
      Math.floor(dayOfEra / 1460) +
      Math.floor(dayOfEra / 36_524) -
      Math.floor(dayOfEra / 146_096)) /
      365,
  )
  const dayOfYear = dayOfEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100))
  const monthFromMarch = Math.floor((5 * dayOfYear + 2) / 153)
  const year = yearOfEra + era * 400
  return monthFromMarch < 10
    ? { year, month: monthFromMarch + 2 }
    : { year: year + 1, month: monthFromMarch - 10 }
}

function unknownTransform(name: string): IcebergError {
  return new IcebergError('unsupported', `partition transform '${name}' is not known to this version`)
}
