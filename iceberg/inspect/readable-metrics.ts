import type { DataFile } from '../spec/data-file.js'
import { allFields, currentSchema, fullName } from '../spec/schema.js'
import { decodeValue } from '../spec/single-value.js'
import type { TableMetadata } from '../spec/table-metadata.js'
import type { PrimitiveType, StructType } from '../spec/type.js'
import { isPrimitive } from '../spec/type.js'
import type { InspectRow, InspectValue } from './inspect-row.js'
import { fieldsOf, rowValue } from './inspect-row.js'

/** Metrics by column name with decoded bounds: the `readable_metrics` of a metadata table. */
export interface ReadableMetrics {
  readonly type: StructType
  readonly valueOf: (file: DataFile) => InspectRow
}

export function readableMetrics(metadata: TableMetadata): ReadableMetrics {
  const schema = currentSchema(metadata)
  const columns = allFields(schema)
    .flatMap(({ id, name, type }) =>
      isPrimitive(type) ? [{ id, type, name: fullName(schema, id) ?? name }] : [],
    )
    .sort((a, b) => (a.name < b.name ? -1 : 1))
  const valueOf = (file: DataFile): InspectRow =>
    Object.fromEntries(columns.map(({ id, name, type }) => [name, metricsOf(file, id, type)]))
  return {
    type: {
      type: 'struct',
      fields: columns.map(({ id, name, type }) => ({ id, name, required: false, type: metricsType(type) })),
    },
    valueOf,
  }
}

function metricsType(type: PrimitiveType): StructType {
  return {
    type: 'struct',
    fields: fieldsOf([
      ['column_size', 'long'],
      ['value_count', 'long'],
      ['null_value_count', 'long'],
      ['nan_value_count', 'long'],
      ['lower_bound', type],
      ['upper_bound', type],
    ]),
  }
}

function metricsOf(file: DataFile, id: number, type: PrimitiveType): InspectRow {
  const count = (counts: ReadonlyMap<number, number> | undefined): InspectValue => {
    const value = counts?.get(id)
    return value === undefined ? null : BigInt(value)
  }
  const bound = (bounds: ReadonlyMap<number, Uint8Array> | undefined): InspectValue => {
    const bytes = bounds?.get(id)
    return bytes === undefined ? null : rowValue(type, decodeValue(type, bytes))
  }
  return {
    column_size: count(file.columnSizes),
    value_count: count(file.valueCounts),
    null_value_count: count(file.nullValueCounts),
    nan_value_count: count(file.nanValueCounts),
    lower_bound: bound(file.lowerBounds),
    upper_bound: bound(file.upperBounds),
  }
}
