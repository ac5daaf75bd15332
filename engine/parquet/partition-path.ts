import type { PartitionSpec } from '../../iceberg/spec/partition-spec.js'
import type { PrimitiveType, Value } from '../../iceberg/spec/type.js'

/**
 * The folder of a partition below `data/`, `name=value/…`, for people: readers take values from manifests only. No
 * character in it means anything to a shell, a glob or a URL.
 */
export function partitionPath(
  spec: PartitionSpec,
  types: readonly PrimitiveType[],
  partition: readonly (Value | null)[],
): string {
  return spec.fields
    .map((field, index) => {
      const value = partition[index] ?? null
      const text = value === null ? 'null' : valueText(types[index], field.transform, value)
      return `${escape(field.name)}=${escape(text)}`
    })
    .join('/')
}

/** Longer values are cut: file systems take 255 bytes a name. */
const LONGEST_VALUE = 60

function valueText(type: PrimitiveType | undefined, transform: string, value: Value): string {
  if (value instanceof Uint8Array) return Buffer.from(value).toString('hex').slice(0, LONGEST_VALUE)
  if (typeof value === 'string')
    return Array.from(value)
      .slice(0, LONGEST_VALUE)
      .join('')
      .replaceAll(/\p{Surrogate}/gu, '_')
  if (type === 'date') return dayText(Number(value))
  if (transform === 'year') return String(1970 + Number(value))
  if (transform === 'month') return dayText(Date.UTC(1970, Number(value)) / DAY_MS).slice(0, -3)
  if (transform === 'hour') {
    const hours = Number(value)
    const day = Math.floor(hours / 24)
    return `${dayText(day)}-${String(hours - day * 24).padStart(2, '0')}`
  }
  return String(value)
}

const DAY_MS = 86_400_000

/** ISO day; a plain number beyond what JavaScript's dates hold. */
function dayText(days: number): string {
  const date = new Date(days * DAY_MS)
  return Number.isNaN(date.getTime()) ? String(days) : (date.toISOString().split('T')[0] ?? '')
}

function escape(text: string): string {
  return encodeURIComponent(text).replaceAll(
    /[!'()*~]/g,
    (sign) => `%${sign.charCodeAt(0).toString(16).toUpperCase()}`,
  )
}
