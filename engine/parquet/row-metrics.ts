import type { DataFile } from '../../iceberg/spec/data-file.js'
import { compareValues } from '../../iceberg/spec/single-value.js'
import type { PrimitiveType, Schema, StructType, Value } from '../../iceberg/spec/type.js'
import { isPrimitive } from '../../iceberg/spec/type.js'
import type { Row, RowValue } from '../engine.js'
import { lowerBound, upperBound } from './bounds.js'
import { parseDecimal } from './parse-decimal.js'

type Metrics = Pick<
  DataFile,
  'valueCounts' | 'nullValueCounts' | 'nanValueCounts' | 'lowerBounds' | 'upperBounds'
>

/** Iceberg's metrics of rows in memory, for every primitive that is not inside a list or map. */
export function rowMetrics(schema: Schema, rows: readonly Row[]): Metrics {
  const metrics = {
    valueCounts: new Map<number, number>(),
    nullValueCounts: new Map<number, number>(),
    nanValueCounts: new Map<number, number>(),
    lowerBounds: new Map<number, Uint8Array>(),
    upperBounds: new Map<number, Uint8Array>(),
  }
  addStruct(schema, rows, metrics)
  return metrics
}

interface Collected {
  readonly valueCounts: Map<number, number>
  readonly nullValueCounts: Map<number, number>
  readonly nanValueCounts: Map<number, number>
  readonly lowerBounds: Map<number, Uint8Array>
  readonly upperBounds: Map<number, Uint8Array>
}

function addStruct(struct: StructType, rows: readonly (RowValue | undefined)[], into: Collected): void {
  for (const field of struct.fields) {
    const values = rows.map((row) => (row as Row | null | undefined)?.[field.name])
    if (isPrimitive(field.type)) addColumn(field.id, field.type, values, into)
    else if (field.type.type === 'struct') addStruct(field.type, values, into)
  }
}

function addColumn(
  id: number,
  type: PrimitiveType,
  values: readonly (RowValue | undefined)[],
  into: Collected,
): void {
  let nulls = 0
  let nans = 0
  let least: Value | undefined
  let greatest: Value | undefined
  for (const raw of values) {
    if (raw === null || raw === undefined) {
      nulls++
      continue
    }
    const value = rowToValue(type, raw)
    if (Number.isNaN(value)) {
      nans++
      continue
    }
    if (least === undefined || compareValues(type, value, least) < 0) least = value
    if (greatest === undefined || compareValues(type, value, greatest) > 0) greatest = value
  }
  into.valueCounts.set(id, values.length)
  into.nullValueCounts.set(id, nulls)
  if (type === 'float' || type === 'double') into.nanValueCounts.set(id, nans)
  if (least === undefined || greatest === undefined || nans > 0) return
  into.lowerBounds.set(id, lowerBound(type, least))
  const upper = upperBound(type, greatest)
  if (upper !== undefined) into.upperBounds.set(id, upper)
}

/** A row's value of a primitive column → as Iceberg keeps it in memory. */
function rowToValue(type: PrimitiveType, value: RowValue): Value {
  if (type.startsWith('decimal')) return parseDecimal(type, value)
  if (type === 'uuid') return (value as string).toLowerCase()
  const isLong = type === 'long' || type.startsWith('time')
  return isLong && typeof value === 'number' ? BigInt(value) : (value as Value)
}
