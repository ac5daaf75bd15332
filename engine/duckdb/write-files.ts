import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { DuckDBScalarFunction, DuckDBValue } from '@duckdb/node-api'
import type { DataFile } from '../../iceberg/spec/data-file.js'
import { allFields } from '../../iceberg/spec/schema.js'
import type { Schema, Value } from '../../iceberg/spec/type.js'
import { isPrimitive } from '../../iceberg/spec/type.js'
import { removeFiles } from '../durable-files.js'
import type { WriteTarget, WrittenFiles } from '../engine.js'
import { EngineError } from '../engine.js'
import type { OutputFiles } from '../output-files.js'
import { workFolder } from '../output-files.js'
import { copyDataFile, copyParquet } from './copy-parquet.js'
import type { PartitionColumn } from './partition-sql.js'
import { partitionColumns } from './partition-sql.js'
import { checkRequired } from './required-columns.js'
import { toIcebergValue } from './row-values.js'
import type { ScanContext } from './scan-relation.js'
import { quoteName, sqlType } from './sql-text.js'
import { writeDirectly } from './write-directly.js'

export interface WriteContext extends ScanContext {
  readonly newUuid: () => string
  /** Registers a function with the instance unless it has it. */
  readonly ensureFunction: (name: string, create: () => DuckDBScalarFunction) => void
  /** Where the files of a write below a location go. */
  readonly outputTo: (root: string) => OutputFiles
  readonly tempDirectory: string
}

const DEFAULT_FILE_BYTES = 512 * 1024 * 1024

/**
 * Writes the query's rows sorted by partition and key: the rows and their order in a file depend on the data alone,
 * never on threads. Files that are there when it fails are removed.
 */
export async function writeFiles(
  context: WriteContext,
  sql: string,
  target: WriteTarget,
): Promise<WrittenFiles> {
  refuseUnwritable(target.schema)
  const partitions = partitionColumns(target.schema, target.spec)
  for (const { scalar } of partitions) {
    if (scalar !== undefined) context.ensureFunction(scalar.name, scalar.create)
  }
  await checkColumns(context, sql, target.schema)
  const targetFileSizeBytes = target.targetFileSizeBytes ?? DEFAULT_FILE_BYTES
  const typed = typedColumns(sql, target.schema)
  const output = context.outputTo(target.dataLocation)
  try {
    const sized = { ...target, targetFileSizeBytes }
    const file = await writeDirectly(context, typed, sized, partitions, output)
    const files = file === undefined ? await writeSorted(context, typed, sized, partitions, output) : [file]
    await output.finish()
    return { files, rows: files.reduce((sum, written) => sum + written.recordCount, 0) }
  } catch (cause) {
    await output.discard('all')
    throw cause
  }
}

type SizedTarget = WriteTarget & { readonly targetFileSizeBytes: number }

/** By a work table of the sorted rows, of which each partition has a stretch. */
async function writeSorted(
  context: WriteContext,
  typed: string,
  target: SizedTarget,
  partitions: readonly PartitionColumn[],
  output: OutputFiles,
): Promise<readonly DataFile[]> {
  const table = context.newName()
  await createSorted(context, typed, target, partitions, table)
  try {
    await checkRequired(context.select, target.schema, table)
    const columns = target.schema.fields.map((field) => quoteName(field.name)).join(', ')
    const files: DataFile[] = []
    for (const { partition, firstRow, endRow } of await readStretches(context, table, partitions, target)) {
      const rows = `SELECT ${columns} FROM ${table} WHERE rowid >= ${firstRow} AND rowid < ${endRow}`
      const file = await copyDataFile(context, rows, target, partitions, partition, output)
      await output.complete(file.filePath)
      files.push(file)
    }
    return files
  } finally {
    await context.run(`DROP TABLE IF EXISTS ${table}`).catch(() => undefined)
  }
}

/** DuckDB writes no fixed-length bytes but UUIDs, and readers insist on them. */
function refuseUnwritable(schema: Schema): void {
  const fixed = allFields(schema).find((field) => isPrimitive(field.type) && field.type.startsWith('fixed'))
  if (fixed === undefined) return
  throw new EngineError(
    'unsupported',
    `column '${fixed.name}' is of a fixed length, which a query cannot write: use binary`,
  )
}

async function createSorted(
  context: WriteContext,
  typed: string,
  target: WriteTarget,
  partitions: readonly PartitionColumn[],
  table: string,
): Promise<void> {
  const computed = partitions.map(({ expression }, index) => `${expression} AS ${partitionName(index)}`)
  // Without a key the rows stay as they come.
  const position = target.orderBy.length === 0 && partitions.length > 0
  const order = [
    ...partitions.map((_, index) => partitionName(index)),
    ...(position ? ['"_firn_row"'] : target.orderBy.map(quoteName)),
  ]
  const rowNumber = position ? ['row_number() OVER () AS "_firn_row"'] : []
  await context.run(
    `CREATE TABLE ${table} AS SELECT ${['*', ...computed].join(', ')}
     FROM (SELECT ${['*', ...rowNumber].join(', ')} FROM (${typed}))
     ${order.length === 0 ? '' : `ORDER BY ${order.join(', ')}`}`,
  )
}

/** SELECT of the table's columns in their types. */
function typedColumns(sql: string, schema: Schema): string {
  const columns = schema.fields.map(
    ({ name, type }) => `CAST(${quoteName(name)} AS ${sqlType(type)}) AS ${quoteName(name)}`,
  )
  return `SELECT ${columns.join(', ')} FROM (\n${sql}\n)`
}

function partitionName(index: number): string {
  return `"_firn_p${index}"`
}

/** The query gives exactly the table's columns, in any order. */
async function checkColumns(context: WriteContext, sql: string, schema: Schema): Promise<void> {
  const described = await context.select(`DESCRIBE (\n${sql}\n)`)
  const given = new Set(described.map((row) => String(row[0]).toLowerCase()))
  const wanted = new Set(schema.fields.map((field) => field.name.toLowerCase()))
  const missing = [...wanted].filter((name) => !given.has(name))
  const extra = [...given].filter((name) => !wanted.has(name))
  if (missing.length === 0 && extra.length === 0 && given.size === described.length) return
  const problems = [
    ...(missing.length > 0 ? [`lacks ${missing.join(', ')}`] : []),
    ...(extra.length > 0 ? [`has ${extra.join(', ')} too`] : []),
  ]
  throw new EngineError(
    'sql-invalid',
    `the SELECT does not give the table's columns: it ${problems.join(' and ') || 'names one twice'}`,
    { context: { sql, missing, extra } },
  )
}

/** A stretch of the sorted rows that becomes one file. */
interface Stretch {
  readonly partition: readonly (Value | null)[]
  readonly firstRow: number
  readonly endRow: number
}

async function readStretches(
  context: WriteContext,
  table: string,
  partitions: readonly PartitionColumn[],
  target: SizedTarget,
): Promise<readonly Stretch[]> {
  const names = partitions.map((_, index) => partitionName(index))
  const groups = await context.select(
    `SELECT ${[...names, 'count(*)', 'min(rowid)'].join(', ')} FROM ${table}
     ${names.length === 0 ? '' : `GROUP BY ${names.join(', ')}`} ORDER BY min(rowid)`,
  )
  const stretches: Stretch[] = []
  for (const group of groups) {
    const rows = Number(group[names.length])
    if (rows === 0) continue
    const first = Number(group[names.length + 1])
    const partition = names.map((_, index) => toIcebergValue(group[index] as DuckDBValue))
    const size = await rowsPerFile(context, table, target, first, rows)
    for (let row = first; row < first + rows; row += size) {
      stretches.push({
        partition: partition.map((value, index) => asResult(partitions[index], value)),
        firstRow: row,
        endRow: Math.min(row + size, first + rows),
      })
    }
  }
  return stretches
}

/** Unscaled decimals come as HUGEINT; integers of int results that went through BIGINT come as bigint. */
function asResult(column: PartitionColumn | undefined, value: Value | null): Value | null {
  if (typeof value === 'bigint' && (column?.resultType === 'int' || column?.resultType === 'date')) {
    return Number(value)
  }
  return value
}

/** Rows whose text is longer than the target are measured by a trial file of their first ones. */
async function rowsPerFile(
  context: WriteContext,
  table: string,
  target: SizedTarget,
  first: number,
  rows: number,
): Promise<number> {
  const targetBytes = target.targetFileSizeBytes
  const sample = await context.select(
    `SELECT avg(strlen(CAST(t AS VARCHAR))) FROM ${table} t WHERE rowid >= ${first} AND rowid < ${first + Math.min(rows, 200)}`,
  )
  if (rows * Number(sample[0]?.[0]) <= targetBytes) return rows
  const trialRows = Math.min(rows, TRIAL_ROWS)
  const folder = workFolder(context.tempDirectory)
  const path = join(folder, `trial-${context.newUuid()}.parquet`)
  await mkdir(folder, { recursive: true })
  try {
    const columns = target.schema.fields.map((field) => quoteName(field.name)).join(', ')
    const firstRows = `SELECT ${columns} FROM ${table} WHERE rowid >= ${first} AND rowid < ${first + trialRows}`
    const [trial] = await copyParquet(context.select, firstRows, target.schema, path)
    const bytesPerRow = Number(trial?.[2]) / trialRows
    const files = Math.max(1, Math.ceil((rows * bytesPerRow) / targetBytes))
    return Math.ceil(rows / files)
  } finally {
    await removeFiles([path])
  }
}

const TRIAL_ROWS = 65_536
