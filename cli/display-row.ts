import type { QueryResult, Row, RowValue } from '../engine/engine.js'

const DAY_MS = 86_400_000

/** A row as people and JSON read it: timestamps in ISO 8601 (UTC where they have a zone), dates as `2026-11-21`. */
export function displayRow(row: Row, columns: QueryResult['columns']): Record<string, unknown> {
  return Object.fromEntries(
    columns.map(({ name, type }) => [name, displayValue(row[name] ?? null, type.toUpperCase())]),
  )
}

function displayValue(value: RowValue, type: string): unknown {
  if (value === null) return null
  if (type === 'DATE' && typeof value === 'number') return new Date(value * DAY_MS).toISOString().slice(0, 10)
  if (type.startsWith('TIMESTAMP') && typeof value === 'bigint')
    return isoMicros(value) + (type.includes('TIME ZONE') ? 'Z' : '')
  return value
}

function isoMicros(micros: bigint): string {
  const millis = micros >= 0n ? micros / 1000n : (micros - 999n) / 1000n
  const rest = micros - millis * 1000n
  const iso = new Date(Number(millis)).toISOString().slice(0, -1)
  return rest === 0n ? iso.replace(/\.000$/, '') : `${iso}${String(rest).padStart(3, '0')}`
}
