import type { DuckDBValue } from '@duckdb/node-api'
import type { DataFile } from '../../iceberg/spec/data-file.js'
import type { PrimitiveType, Value } from '../../iceberg/spec/type.js'
import type { WriteTarget } from '../engine.js'
import { lowerBound, upperBound } from '../parquet/bounds.js'
import type { OutputFiles } from '../output-files.js'
import { copyDataFile } from './copy-parquet.js'
import type { CopyContext } from './copy-parquet.js'
import type { PartitionColumn } from './partition-sql.js'
import { tellsRequired } from './required-columns.js'
import { toIcebergValue } from './row-values.js'
import { quoteName } from './sql-text.js'

/** With fewer rows the work table costs less than looking at the rows beforehand. */
const MANY_ROWS = 200_000

/**
 * Rows of a table without partitions, rows whose partition the caller knows, and many rows of one partition sorted, go
 * into their file without a work table, which would hold all of them once more.
 * A first look only guesses that they are of one partition: what is written proves it by its own metrics, as well as
 * that no required value is missing. `undefined`: it is not so, and nothing was written.
 */
export async function writeDirectly(
  context: CopyContext,
  /** The target's columns in their types. */
  sql: string,
  target: WriteTarget & { readonly targetFileSizeBytes: number },
  partitions: readonly PartitionColumn[],
  output: OutputFiles,
): Promise<DataFile | undefined> {
  if (!target.schema.fields.every(tellsRequired)) return undefined
  const known = partitions.length === 0 ? [] : target.partition
  const partition = known ?? (await guessPartition(context, sql, target, partitions))
  if (partition === undefined) return undefined
  const order = target.orderBy.map(quoteName).join(', ')
  const sorted = order === '' ? sql : `SELECT * FROM (${sql}) ORDER BY ${order}`
  const file = await copyDataFile(context, sorted, target, partitions, partition, output)
  const fits = file.recordCount > 0 && file.fileSizeInBytes <= target.targetFileSizeBytes
  const isProven = hasRequired(file, target) && (known !== undefined || isOfPartition(file, partitions))
  if (!fits || !isProven) {
    await output.discard()
    return undefined
  }
  await output.complete(file.filePath)
  return file
}

async function guessPartition(
  context: CopyContext,
  sql: string,
  target: WriteTarget,
  partitions: readonly PartitionColumn[],
): Promise<readonly Value[] | undefined> {
  // A file's metrics tell of identity partitions only.
  if (target.orderBy.length === 0 || partitions.some(({ field }) => field.transform !== 'identity'))
    return undefined
  const bounds = partitions.flatMap(({ expression }) => [`min(${expression})`, `max(${expression})`])
  const [row] = await context.select(`SELECT ${['count(*)', ...bounds].join(', ')} FROM (${sql})`)
  if (row === undefined || Number(row[0]) < MANY_ROWS) return undefined
  const values: Value[] = []
  for (const [index, { resultType }] of partitions.entries()) {
    const least = toIcebergValue(row[1 + 2 * index] as DuckDBValue)
    const greatest = toIcebergValue(row[2 + 2 * index] as DuckDBValue)
    if (least === null || greatest === null) return undefined
    if (!isOnly(resultType, least, lowerBound(resultType, least), upperBound(resultType, greatest))) {
      return undefined
    }
    values.push(least)
  }
  return values
}

function hasRequired(file: DataFile, { schema }: WriteTarget): boolean {
  return schema.fields.every((field) => !field.required || file.nullValueCounts?.get(field.id) === 0)
}

function isOfPartition(file: DataFile, partitions: readonly PartitionColumn[]): boolean {
  return partitions.every(({ field, resultType }, index) => {
    const id = field['source-id']
    const value = file.partition[index] ?? null
    const hasNull = file.nullValueCounts?.get(id) !== 0
    const lower = file.lowerBounds?.get(id)
    return value !== null && !hasNull && isOnly(resultType, value, lower, file.upperBounds?.get(id))
  })
}

/** Whether bounds leave room for one value only. Those of long texts are cut and never do. */
function isOnly(
  type: PrimitiveType,
  value: Value,
  lower: Uint8Array | undefined,
  upper: Uint8Array | undefined,
): boolean {
  if (lower === undefined || upper === undefined) return false
  const exact = upperBound(type, value)
  return exact !== undefined && Buffer.compare(lower, upper) === 0 && Buffer.compare(exact, upper) === 0
}
