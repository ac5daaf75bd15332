import type { DuckDBValue } from '@duckdb/node-api'
import type { DataFile } from '../../iceberg/spec/data-file.js'
import { isPrimitive } from '../../iceberg/spec/type.js'
import type { PrimitiveType, Value } from '../../iceberg/spec/type.js'
import type { WriteTarget } from '../engine.js'
import { lowerBound, upperBound } from '../parquet/bounds.js'
import type { OutputFiles } from '../output-files.js'
import { copyDataFile } from './copy-parquet.js'
import type { CopyContext } from './copy-parquet.js'
import type { PartitionColumn } from './partition-sql.js'
import { toIcebergValue } from './row-values.js'
import { quoteName } from './sql-text.js'

/** With fewer rows the work table costs less than looking at the rows beforehand. */
const MANY_ROWS = 200_000

/**
 * Rows in no order of a table without partitions, and many rows of one partition sorted, go into their file without a
 * work table, which would hold all of them once more.
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
  if (!isProvable(target, partitions)) return undefined
  const isPlain = partitions.length === 0 && target.orderBy.length === 0
  const partition = isPlain ? [] : await guessPartition(context, sql, partitions)
  if (partition === undefined) return undefined
  const order = target.orderBy.map(quoteName).join(', ')
  const file = await copyDataFile(
    context,
    isPlain ? sql : `SELECT * FROM (${sql}) ORDER BY ${order}`,
    target,
    partitions,
    partition,
    output,
  )
  const fits = file.recordCount > 0 && file.fileSizeInBytes <= target.targetFileSizeBytes
  if (!fits || !isProven(file, target, partitions)) {
    await output.discard()
    return undefined
  }
  await output.complete(file.filePath)
  return file
}

/** A file's metrics tell of identity partitions and of columns that are not nested. */
function isProvable({ schema, orderBy }: WriteTarget, partitions: readonly PartitionColumn[]): boolean {
  return (
    (orderBy.length > 0 || partitions.length === 0) &&
    schema.fields.every((field) => isPrimitive(field.type)) &&
    partitions.every(({ field }) => field.transform === 'identity')
  )
}

async function guessPartition(
  context: CopyContext,
  sql: string,
  partitions: readonly PartitionColumn[],
): Promise<readonly Value[] | undefined> {
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

function isProven(file: DataFile, { schema }: WriteTarget, partitions: readonly PartitionColumn[]): boolean {
  const hasNone = (id: number): boolean => file.nullValueCounts?.get(id) === 0
  return (
    schema.fields.every((field) => !field.required || hasNone(field.id)) &&
    partitions.every(({ field, resultType }, index) => {
      const id = field['source-id']
      const value = file.partition[index] ?? null
      const lower = file.lowerBounds?.get(id)
      return value !== null && hasNone(id) && isOnly(resultType, value, lower, file.upperBounds?.get(id))
    })
  )
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
