import { isLongLike } from '../../iceberg/spec/single-value.js'
import type { PrimitiveType, Value } from '../../iceberg/spec/type.js'
import type { RowValue } from '../engine.js'
import { parseDecimal } from '../parquet/parse-decimal.js'

/** A row's value of a primitive column → as Iceberg keeps it in memory. */
export function rowValue(type: PrimitiveType, value: RowValue | undefined): Value | null {
  if (value === null || value === undefined) return null
  if (type.startsWith('decimal')) return parseDecimal(type, value)
  if (type === 'uuid') return textOf(value).toLowerCase()
  return isLongLike(type) && typeof value === 'number' ? BigInt(value) : (value as Value)
}

/** The members of a list of a query's result; none where there is no list. */
export function listOf(value: RowValue | undefined): readonly RowValue[] {
  return Array.isArray(value) ? (value as readonly RowValue[]) : []
}

/** A value of a query's result that is shown: text, a number or nothing. */
export function textOf(value: RowValue | undefined): string {
  return typeof value === 'object' ? '' : String(value)
}
