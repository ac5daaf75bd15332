import type { PartitionField, PartitionSpec } from '../../iceberg/spec/partition-spec.js'
import { compareValues } from '../../iceberg/spec/single-value.js'
import { applyTransform, parseTransform } from '../../iceberg/spec/transform.js'
import { isPrimitive, type PrimitiveType, type Schema, type Value } from '../../iceberg/spec/type.js'
import { EngineError } from '../engine.js'
import { parseDecimal } from '../parquet/parse-decimal.js'

/** What a column of a file holds; bounds are exact, and of the values that are neither null nor NaN. */
export interface ColumnRange {
  readonly rows: number
  readonly nulls: number
  readonly nans?: number
  readonly least: Value | null
  readonly greatest: Value | null
}

export interface FileToPlace {
  readonly location: string
  readonly schema: Schema
  readonly spec: PartitionSpec
  /** By field id; absent: the file lacks the column. */
  readonly ranges: ReadonlyMap<number, ColumnRange>
  /** Whether `name=value` folders say what the file lacks. */
  readonly hivePaths: boolean
}

/** The one partition that all rows of a file lie in. Throws `data-invalid` where they may lie in several. */
export function partitionOfFile(file: FileToPlace): readonly (Value | null)[] {
  return file.spec.fields.map((field) => {
    const source = file.schema.fields.find((candidate) => candidate.id === field['source-id'])
    if (source === undefined || !isPrimitive(source.type)) return null
    const range = file.ranges.get(source.id)
    return range === undefined
      ? valueOfPath(file, field, source.name, source.type)
      : valueOfRange(file, field, source.name, source.type, range)
  })
}

function valueOfRange(
  file: FileToPlace,
  field: PartitionField,
  name: string,
  type: PrimitiveType,
  { rows, nulls, nans = 0, least, greatest }: ColumnRange,
): Value | null {
  const { kind } = parseTransform(field.transform)
  if (nulls === rows || kind === 'void') return null
  if (nans === rows) return NaN
  if (nulls > 0 || nans > 0 || least === null || greatest === null) {
    throw several(file, field, `'${name}' is null in ${nulls} of its ${rows} rows`)
  }
  const [low, high] = [least, greatest].map((value) => applyTransform(field.transform, type, value))
  // Only buckets of two values say nothing of what lies between them.
  const keepsOrder = kind !== 'bucket' || compareValues(type, least, greatest) === 0
  const isOne =
    low === high ||
    (low instanceof Uint8Array && high instanceof Uint8Array && Buffer.compare(low, high) === 0)
  if (keepsOrder && isOne && low !== undefined) return low
  throw several(file, field, `'${name}' goes from ${shown(least)} to ${shown(greatest)}`)
}

function several({ location }: FileToPlace, field: PartitionField, why: string): EngineError {
  return new EngineError(
    'data-invalid',
    `${location} has rows of several partitions of ${field.name} (${field.transform}): ${why}; append it by a SELECT`,
    { context: { location, field: field.name } },
  )
}

/** Only the value itself can be in a path; what a transform makes of it is spelt differently everywhere. */
function valueOfPath(
  file: FileToPlace,
  field: PartitionField,
  name: string,
  type: PrimitiveType,
): Value | null {
  const { location } = file
  const isIdentity = field.transform === 'identity'
  const folder = location
    .split('/')
    .slice(0, -1)
    .findLast((part) => decoded(part.split('=')[0] ?? '') === name && part.includes('='))
  if (!file.hivePaths || !isIdentity || folder === undefined) {
    throw new EngineError(
      'data-invalid',
      `${location} has no column '${name}', so its partition of ${field.name} is not known: add the column, or a folder ${name}=value`,
      { context: { location, field: field.name } },
    )
  }
  const text = decoded(folder.slice(folder.indexOf('=') + 1))
  return text === '__HIVE_DEFAULT_PARTITION__' ? null : valueOfText(location, name, type, text)
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

function valueOfText(location: string, name: string, type: PrimitiveType, text: string): Value {
  if (type === 'string') return text
  if (type === 'boolean' && /^(true|false)$/.test(text)) return text === 'true'
  if (type === 'int' && /^-?\d+$/.test(text)) return Number(text)
  if (type === 'long' && /^-?\d+$/.test(text)) return BigInt(text)
  if (type === 'date' && /^\d{4}-\d{2}-\d{2}$/.test(text)) return Date.parse(text) / 86_400_000
  if (type.startsWith('decimal')) return parseDecimal(type, text)
  throw new EngineError(
    'data-invalid',
    `${location}: '${text}' in its path is no ${type} for column '${name}'`,
    { context: { location, column: name } },
  )
}

function shown(value: Value): string {
  return value instanceof Uint8Array ? Buffer.from(value).toString('hex') : String(value)
}
