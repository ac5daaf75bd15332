import { DuckDBMapValue } from '@duckdb/node-api'
import type { DataFile } from '../../iceberg/spec/data-file.js'
import type { PrimitiveType, Schema, StructType, Type, Value } from '../../iceberg/spec/type.js'
import { isPrimitive } from '../../iceberg/spec/type.js'
import { lowerBound, upperBound } from '../parquet/bounds.js'
import { parseDecimal } from '../parquet/parse-decimal.js'
import { quoteName } from './sql-text.js'

type Metrics = Pick<
  DataFile,
  'columnSizes' | 'valueCounts' | 'nullValueCounts' | 'nanValueCounts' | 'lowerBounds' | 'upperBounds'
>

/** COPY's `column_statistics` (a map by quoted path of maps of texts) → Iceberg's metrics by field id. */
export function fileMetrics(schema: Schema, statistics: unknown): Metrics {
  const columnSizes = new Map<number, number>()
  const valueCounts = new Map<number, number>()
  const nullValueCounts = new Map<number, number>()
  const nanValueCounts = new Map<number, number>()
  const lowerBounds = new Map<number, Uint8Array>()
  const upperBounds = new Map<number, Uint8Array>()
  const byPath = textMap(statistics)
  for (const leaf of leavesOf(schema)) {
    const entry = byPath.get(leaf.path)
    if (entry === undefined) continue
    const stats = textMap(entry)
    const count = (name: string): number => Number(stats.get(name))
    columnSizes.set(leaf.id, count('column_size_bytes'))
    // Within lists and maps counts and bounds say nothing about rows.
    if (leaf.repeated) continue
    valueCounts.set(leaf.id, count('num_values'))
    nullValueCounts.set(leaf.id, count('null_count'))
    const hasNan = stats.get('has_nan')
    if (hasNan === 'true') continue
    if (hasNan === 'false') nanValueCounts.set(leaf.id, 0)
    const least = valueOfText(leaf.type, stats.get('min'))
    const greatest = valueOfText(leaf.type, stats.get('max'))
    if (least === undefined || greatest === undefined) continue
    lowerBounds.set(leaf.id, lowerBound(leaf.type, least))
    const upper = upperBound(leaf.type, greatest)
    if (upper !== undefined) upperBounds.set(leaf.id, upper)
  }
  return { columnSizes, valueCounts, nullValueCounts, nanValueCounts, lowerBounds, upperBounds }
}

function textMap(value: unknown): ReadonlyMap<string, unknown> {
  const entries = value instanceof DuckDBMapValue ? value.entries : []
  return new Map(entries.map((entry) => [String(entry.key), entry.value]))
}

interface Leaf {
  readonly id: number
  /** As COPY says it: quoted names joined by dots, `element`, `key` and `value` between. */
  readonly path: string
  readonly type: PrimitiveType
  readonly repeated: boolean
}

function leavesOf(struct: StructType, parent = '', repeated = false): readonly Leaf[] {
  return struct.fields.flatMap((field) =>
    typeLeaves(field.id, field.type, `${parent}${quoteName(field.name)}`, repeated),
  )
}

function typeLeaves(id: number, type: Type, path: string, repeated: boolean): readonly Leaf[] {
  if (isPrimitive(type)) return [{ id, path, type, repeated }]
  switch (type.type) {
    case 'struct':
      return leavesOf(type, `${path}.`, repeated)
    case 'list':
      return typeLeaves(type['element-id'], type.element, `${path}."element"`, true)
    case 'map':
      return [
        ...typeLeaves(type['key-id'], type.key, `${path}."key"`, true),
        ...typeLeaves(type['value-id'], type.value, `${path}."value"`, true),
      ]
  }
}

const DATE = /^(\d{4,6})-(\d{2})-(\d{2})$/
const TIME = /^(\d{2}):(\d{2}):(\d{2})(?:\.(\d{1,6}))?(?:\+00)?$/

/** DuckDB's text of a statistic → the value; `undefined` where there is none or it has no number (BC, infinity). */
function valueOfText(type: PrimitiveType, text: unknown): Value | undefined {
  if (typeof text !== 'string') return undefined
  switch (type) {
    case 'string':
    case 'uuid':
      return text
    case 'boolean':
      return text === '1' || text === 'true'
    case 'int':
      return Number(text)
    case 'float':
    case 'double': {
      const value = Number(text.replace('inf', 'Infinity'))
      return Number.isNaN(value) ? undefined : value
    }
    case 'long':
      return BigInt(text)
    case 'date':
      return daysOf(text)
    case 'time':
      return timeMicros(text)
    case 'timestamp':
    case 'timestamptz': {
      const [date, time] = text.split(' ')
      const days = daysOf(date ?? '')
      const micros = timeMicros(time ?? '')
      return days === undefined || micros === undefined ? undefined : BigInt(days) * DAY_MICROS + micros
    }
    default:
      if (type.startsWith('decimal')) return parseDecimal(type, text)
      return type === 'binary' ? Buffer.from(text, 'hex') : undefined
  }
}

const DAY_MICROS = 86_400_000_000n

function daysOf(text: string): number | undefined {
  const match = DATE.exec(text)
  if (match === null) return undefined
  const date = new Date(0)
  date.setUTCFullYear(Number(match[1]), Number(match[2]) - 1, Number(match[3]))
  return date.getTime() / 86_400_000
}

function timeMicros(text: string): bigint | undefined {
  const match = TIME.exec(text)
  if (match === null) return undefined
  const seconds = Number(match[1]) * 3600 + Number(match[2]) * 60 + Number(match[3])
  return BigInt(seconds) * 1_000_000n + BigInt((match[4] ?? '').padEnd(6, '0'))
}
