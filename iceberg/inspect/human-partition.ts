import { decimalText } from '../spec/decimal-text.js'
import type { Transform } from '../spec/partition-spec.js'
import type { PrimitiveType, Value } from '../spec/type.js'

const DAY_MS = 86_400_000
const HOUR_MS = 3_600_000

/** A partition value as people read it: `2026-11-21`, `2026-11-21-07`, `1.50`; binary in base64. */
export function humanPartition(transform: Transform, type: PrimitiveType, value: Value): string {
  if (typeof value === 'number') {
    if (transform === 'year') return String(1970 + value).padStart(4, '0')
    if (transform === 'month') return iso(Date.UTC(1970, value)).slice(0, -17)
    if (transform === 'hour')
      return iso(value * HOUR_MS)
        .slice(0, -11)
        .replace('T', '-')
    if (type === 'date') return iso(value * DAY_MS).slice(0, -14)
  }
  if (value instanceof Uint8Array) return Buffer.from(value).toString('base64')
  if (typeof value === 'bigint' && type.startsWith('time')) return time(type, value)
  return typeof value === 'bigint' ? decimalText(type, value) : String(value)
}

function iso(ms: number): string {
  const date = new Date(ms)
  return Number.isNaN(date.getTime()) ? `${ms}`.padEnd(24) : date.toISOString()
}

function time(type: PrimitiveType, value: bigint): string {
  const nanos = type.endsWith('_ns')
  const perSecond = nanos ? 1_000_000_000n : 1_000_000n
  const fraction = ((value % perSecond) + perSecond) % perSecond
  const start = iso(Number((value - fraction) / perSecond) * 1000).slice(0, -5)
  const text = type === 'time' ? start.slice(start.indexOf('T') + 1) : start
  const digits = String(fraction).padStart(nanos ? 9 : 6, '0')
  return `${text}.${digits}${type.startsWith('timestamptz') ? '+00:00' : ''}`
}
