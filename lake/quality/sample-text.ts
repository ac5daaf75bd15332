import type { QueryResult, Row, RowValue } from '../../engine/engine.js'

const CELL_CHARACTERS = 200
const TEXT_CHARACTERS = 4000

/**
 * A few rows as JSON of bounded size, and never more than `characters`: long cells are cut, and rows left out where they
 * are too much together.
 */
export function sampleText({ rows }: Pick<QueryResult, 'rows'>, characters = TEXT_CHARACTERS): string {
  for (let count = rows.length; count > 0; count -= 1) {
    const text = JSON.stringify(rows.slice(0, count).map(shortRow))
    if (text.length <= Math.min(characters, TEXT_CHARACTERS)) return text
  }
  return '[]'
}

function shortRow(row: Row): Record<string, unknown> {
  return Object.fromEntries(Object.entries(row).map(([column, value]) => [column, shortValue(value)]))
}

function shortValue(value: RowValue): unknown {
  if (value === null || typeof value === 'boolean') return value
  // JSON has no NaN and no infinities, and they are what a check on numbers finds.
  if (typeof value === 'number') return Number.isFinite(value) ? value : String(value)
  if (value instanceof Uint8Array) return `${value.length} bytes`
  if (typeof value === 'bigint') return Number.isSafeInteger(Number(value)) ? Number(value) : value.toString()
  const text = typeof value === 'string' ? value : JSON.stringify(value, bigintText)
  return text.length > CELL_CHARACTERS ? `${text.slice(0, CELL_CHARACTERS)}…` : text
}

function bigintText(_key: string, value: unknown): unknown {
  return typeof value === 'bigint' ? value.toString() : value
}
