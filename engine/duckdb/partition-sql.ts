import type { DuckDBDataChunk, DuckDBVector } from '@duckdb/node-api'
import { DuckDBScalarFunction, INTEGER, VARCHAR } from '@duckdb/node-api'
import type { PartitionField, PartitionSpec } from '../../iceberg/spec/partition-spec.js'
import { applyTransform, parseTransform, transformResultType } from '../../iceberg/spec/transform.js'
import type { PrimitiveType, Schema, Value } from '../../iceberg/spec/type.js'
import { isPrimitive } from '../../iceberg/spec/type.js'
import { EngineError } from '../engine.js'
import { decimalScale } from '../../iceberg/spec/decimal-text.js'
import { quoteName } from './sql-text.js'

export interface PartitionColumn {
  readonly field: PartitionField
  readonly resultType: PrimitiveType
  /** SQL over the table's columns. Decimals come out as their unscaled integer. */
  readonly expression: string
  /** A function that the expression calls. */
  readonly scalar?: { readonly name: string; readonly create: () => DuckDBScalarFunction }
}

/** Partition values as SQL, equal to `applyTransform`. */
export function partitionColumns(schema: Schema, spec: PartitionSpec): readonly PartitionColumn[] {
  return spec.fields.map((field) => {
    const source = schema.fields.find((candidate) => candidate.id === field['source-id'])
    if (source === undefined || !isPrimitive(source.type)) {
      throw new EngineError(
        'unsupported',
        `partition field '${field.name}' has no primitive top-level column ${field['source-id']} to take its value from`,
      )
    }
    return partitionColumn(field, source.type, quoteName(source.name))
  })
}

function partitionColumn(field: PartitionField, type: PrimitiveType, column: string): PartitionColumn {
  const resultType = transformResultType(field.transform, type)
  const of = (expression: string): PartitionColumn => ({ field, resultType, expression })
  const parsed = parseTransform(field.transform)
  switch (parsed.kind) {
    case 'identity':
      return of(type.startsWith('decimal') ? unscaled(column) : column)
    case 'void':
      return of('CAST(NULL AS INTEGER)')
    case 'year':
      return of(`CAST(year(${column}) - 1970 AS INTEGER)`)
    case 'month':
      return of(`CAST((year(${column}) - 1970) * 12 + month(${column}) - 1 AS INTEGER)`)
    case 'day':
      return of(`CAST(${column} AS DATE)`)
    case 'hour':
      return of(`CAST(${floorTo(`epoch_us(${column})`, 3_600_000_000)} // 3600000000 AS INTEGER)`)
    case 'truncate':
      return of(truncateSql(column, type, parsed.width))
    case 'bucket':
      return bucketColumn(field, type, column)
    case 'unknown':
      throw new EngineError(
        'unsupported',
        `partition transform '${parsed.name}' is not known to this version`,
      )
  }
}

/** The greatest multiple of `by` that is not greater; SQL's own remainder has the sign of the dividend. */
function floorTo(integer: string, by: number): string {
  return `(${integer} - (((${integer}) % ${by} + ${by}) % ${by}))`
}

function unscaled(column: string): string {
  return `CAST(replace(CAST(${column} AS VARCHAR), '.', '') AS HUGEINT)`
}

function truncateSql(column: string, type: PrimitiveType, width: number): string {
  if (type === 'string') return `left(${column}, ${width})`
  if (type === 'binary') return `unhex(left(hex(${column}), ${2 * width}))`
  if (type.startsWith('decimal')) return floorTo(unscaled(column), width)
  // One type wider, so that the smallest integers do not overflow on the way.
  return type === 'int'
    ? floorTo(`CAST(${column} AS BIGINT)`, width)
    : floorTo(`CAST(${column} AS HUGEINT)`, width)
}

/** Murmur3 has no SQL: values go as text through a function of ours. */
function bucketColumn(field: PartitionField, type: PrimitiveType, column: string): PartitionColumn {
  const name = `firn_${field.transform}_${type}`.replaceAll(/[^a-z0-9]+/g, '_')
  const bucketOf = (text: string): number =>
    Number(applyTransform(field.transform, type, valueOfText(type, text)))
  return {
    field,
    resultType: 'int',
    expression: `${name}(${asText(column, type)})`,
    scalar: {
      name,
      create: () =>
        DuckDBScalarFunction.create({
          name,
          parameterTypes: [VARCHAR],
          returnType: INTEGER,
          mainFunction: (_info: unknown, input: DuckDBDataChunk, output: DuckDBVector) => {
            const texts = input.getColumnVector(0)
            for (let row = 0; row < input.rowCount; row++) {
              const text = texts.getItem(row)
              output.setItem(row, typeof text === 'string' ? bucketOf(text) : null)
            }
            output.flush()
          },
        }),
    },
  }
}

function asText(column: string, type: PrimitiveType): string {
  if (type === 'date') return `CAST(${column} - DATE '1970-01-01' AS VARCHAR)`
  if (type === 'timestamp_ns') return `CAST(epoch_ns(${column}) AS VARCHAR)`
  if (type === 'time' || type.startsWith('timestamp')) return `CAST(epoch_us(${column}) AS VARCHAR)`
  if (type === 'binary' || type.startsWith('fixed')) return `hex(${column})`
  return decimalScale(type) > 0
    ? `replace(CAST(${column} AS VARCHAR), '.', '')`
    : `CAST(${column} AS VARCHAR)`
}

function valueOfText(type: PrimitiveType, text: string): Value {
  if (type === 'string' || type === 'uuid') return text
  if (type === 'int' || type === 'date') return Number(text)
  if (type === 'binary' || type.startsWith('fixed')) return Buffer.from(text, 'hex')
  return BigInt(text)
}
