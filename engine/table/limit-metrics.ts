import type { DataFile } from '../../iceberg/spec/data-file.js'
import { fullName } from '../../iceberg/spec/schema.js'
import type { TableMetadata } from '../../iceberg/spec/table-metadata.js'
import type { Schema } from '../../iceberg/spec/type.js'

const DEFAULT = 'write.metadata.metrics.default'
const COLUMN = 'write.metadata.metrics.column.'
const COUNTS = ['columnSizes', 'valueCounts', 'nullValueCounts', 'nanValueCounts'] as const
const BOUNDS = ['lowerBounds', 'upperBounds'] as const

/**
 * Leaves out the metrics that the table's `write.metadata.metrics.*` does not want: `none` has no metrics, `counts` no
 * bounds. Bounds are cut at 16 characters whatever `truncate(N)` and `full` say: a shorter bound is valid as well.
 */
export function limitMetrics({ properties }: TableMetadata, schema: Schema, file: DataFile): DataFile {
  if (!Object.keys(properties).some((name) => name === DEFAULT || name.startsWith(COLUMN))) return file
  const modeOf = (id: number): string =>
    properties[`${COLUMN}${fullName(schema, id) ?? ''}`] ?? properties[DEFAULT] ?? 'truncate(16)'
  const kept: [string, unknown][] = Object.entries(file).map(([name, value]) => {
    const unwanted: readonly string[] = isOne(COUNTS, name)
      ? ['none']
      : isOne(BOUNDS, name)
        ? ['none', 'counts']
        : []
    if (unwanted.length === 0) return [name, value]
    const entries = [...(value as ReadonlyMap<number, unknown>)]
    return [name, new Map(entries.filter(([id]) => !unwanted.includes(modeOf(id).toLowerCase())))]
  })
  return Object.fromEntries(kept) as unknown as DataFile
}

function isOne(names: readonly string[], name: string): boolean {
  return names.includes(name)
}
