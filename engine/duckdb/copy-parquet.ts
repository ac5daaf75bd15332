import type { DataFile } from '../../iceberg/spec/data-file.js'
import type { NestedField, Schema, Type, Value } from '../../iceberg/spec/type.js'
import { isPrimitive } from '../../iceberg/spec/type.js'
import { joinLocation } from '../../iceberg/io/location.js'
import type { WriteTarget } from '../engine.js'
import type { OutputFiles } from '../output-files.js'
import { partitionPath } from '../parquet/partition-path.js'
import { fileMetrics } from './file-metrics.js'
import type { Select } from './file-schemas.js'
import type { PartitionColumn } from './partition-sql.js'
import { quoteName, quoteText } from './sql-text.js'

export interface CopyContext {
  readonly select: Select
  readonly newUuid: () => string
}

/** Writes the rows of a SELECT, in their order, as one file of a partition. It is begun, not completed. */
export async function copyDataFile(
  context: CopyContext,
  sql: string,
  target: WriteTarget,
  partitions: readonly PartitionColumn[],
  partition: readonly (Value | null)[],
  output: OutputFiles,
): Promise<DataFile> {
  const types = partitions.map((column) => column.resultType)
  const folder = target.folderOf?.(partition) ?? partitionPath(target.spec, types, partition)
  const name = `${context.newUuid()}.parquet`
  const location = joinLocation(target.dataLocation, ...(folder === '' ? [] : [folder]), name)
  const path = await output.begin(location)
  const [statistics] = await copyParquet(context.select, sql, target.schema, path)
  return {
    content: 'data',
    filePath: location,
    fileFormat: 'parquet',
    specId: target.spec['spec-id'],
    partition,
    recordCount: Number(statistics?.[1]),
    fileSizeInBytes: Number(statistics?.[2]),
    ...fileMetrics(target.schema, statistics?.[4]),
  }
}

/** COPY with field ids; gives back the row of RETURN_STATS. */
export function copyParquet(select: Select, sql: string, schema: Schema, path: string): ReturnType<Select> {
  return select(
    `COPY (${sql})
     TO ${quoteText(path)} (FORMAT parquet, COMPRESSION zstd, FIELD_IDS ${fieldIds(schema.fields)}, RETURN_STATS, USE_TMP_FILE false)`,
  )
}

function fieldIds(fields: readonly NestedField[]): string {
  return `{${fields.map((field) => `${quoteName(field.name)}: ${typeIds(field.id, field.type)}`).join(', ')}}`
}

function typeIds(id: number, type: Type): string {
  if (isPrimitive(type)) return String(id)
  const own = `__duckdb_field_id: ${id}`
  switch (type.type) {
    case 'struct':
      return `{${own}, ${fieldIds(type.fields).slice(1)}`
    case 'list':
      return `{${own}, element: ${typeIds(type['element-id'], type.element)}}`
    case 'map':
      return `{${own}, key: ${typeIds(type['key-id'], type.key)}, value: ${typeIds(type['value-id'], type.value)}}`
  }
}
