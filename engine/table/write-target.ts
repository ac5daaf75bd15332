import { joinLocation } from '../../iceberg/io/location.js'
import type { DataFile } from '../../iceberg/spec/data-file.js'
import type { SortOrder } from '../../iceberg/spec/partition-spec.js'
import { parseTransform } from '../../iceberg/spec/transform.js'
import type { TableMetadata } from '../../iceberg/spec/table-metadata.js'
import type { Schema } from '../../iceberg/spec/type.js'
import { quoteName } from '../duckdb/sql-text.js'
import type { EngineSession, WriteTarget } from '../engine.js'
import { tableTarget } from '../table-target.js'
import type { Basis } from './compute-change.js'
import { limitMetrics } from './limit-metrics.js'

/** Writes the rows of a SELECT as data files of the table, by its own settings: spec, sort order, size, metrics. */
export async function writeTableFiles(
  { metadata, schema }: Pick<Basis, 'metadata' | 'schema'>,
  session: EngineSession,
  sql: string,
): Promise<readonly DataFile[]> {
  const order = sortSql(metadata, schema)
  const sorted = order === undefined ? sql : `SELECT * FROM (\n${sql}\n) ORDER BY ${order}`
  const { files } = await session.write(sorted, writeTarget(metadata))
  const orderId = metadata['default-sort-order-id']
  return files.map((file) =>
    limitMetrics(metadata, schema, order === undefined ? file : { ...file, sortOrderId: orderId }),
  )
}

export function writeTarget(metadata: TableMetadata): WriteTarget {
  const { properties } = metadata
  const bytes = Number(properties['write.target-file-size-bytes'])
  return {
    ...tableTarget(metadata),
    dataLocation: properties['write.data.path'] ?? joinLocation(metadata.location, 'data'),
    orderBy: [],
    ...(bytes > 0 && { targetFileSizeBytes: bytes }),
  }
}

/** The table's order as SQL; `undefined`: it has none, or one that SQL has no words for (buckets). */
export function sortSql(metadata: TableMetadata, schema: Schema): string | undefined {
  const fields = sortOrderOf(metadata)?.fields ?? []
  const terms = fields.map((field) => {
    const source = schema.fields.find((candidate) => candidate.id === field['source-id'])
    const { kind } = parseTransform(field.transform)
    // The other transforms keep the order of their source, so its own order is theirs too.
    if (source === undefined || kind === 'bucket' || kind === 'unknown') return undefined
    const nulls = field['null-order'] === 'nulls-first' ? 'NULLS FIRST' : 'NULLS LAST'
    return `${quoteName(source.name)} ${field.direction.toUpperCase()} ${nulls}`
  })
  return terms.length === 0 || terms.includes(undefined) ? undefined : terms.join(', ')
}

function sortOrderOf(metadata: TableMetadata): SortOrder | undefined {
  return metadata['sort-orders'].find((order) => order['order-id'] === metadata['default-sort-order-id'])
}
