import type { DuckDBValue } from '@duckdb/node-api'
import { isIcebergError } from '../../iceberg/error.js'
import type { AvroHeader } from '../../iceberg/format/avro/container.js'
import { forEachInBlock } from '../../iceberg/format/avro/container.js'
import type { AppendColumns } from '../duckdb/append-rows.js'
import type { FileColumn } from '../duckdb/file-columns.js'
import { EngineError } from '../engine.js'
import type { AvroBlock } from './avro-blocks.js'
import { withAvroFile } from './avro-blocks.js'
import type { AvroColumn } from './avro-columns.js'
import { avroColumns } from './avro-columns.js'

/** Rows of Avro files with equal schemas, in a work table with two more columns, `_firn_file` and `_firn_row`. */
export interface AvroTable {
  readonly table: string
  readonly columns: readonly FileColumn[]
}

/** One file's rows in such a table. */
export interface LoadedAvro extends AvroTable {
  readonly rowCount: number
}

export interface AvroContext {
  readonly run: (sql: string) => Promise<void>
  readonly newName: () => string
  readonly append: (table: string, fill: (append: AppendColumns) => Promise<void> | void) => Promise<void>
}

/** Reads local Avro files into work tables; the table of each by its path. A batch of rows is in JavaScript at a time. */
export async function loadAvro(
  context: AvroContext,
  paths: readonly string[],
): Promise<ReadonlyMap<string, LoadedAvro>> {
  const bySchema = new Map<string, AvroTable>()
  const byPath = new Map<string, LoadedAvro>()
  for (const path of new Set(paths)) {
    try {
      byPath.set(path, await loadFile(context, path, bySchema))
    } catch (cause) {
      throw failureOf(cause, path)
    }
  }
  return byPath
}

const BATCH_ROWS = 2048

function loadFile(context: AvroContext, path: string, bySchema: Map<string, AvroTable>): Promise<LoadedAvro> {
  return withAvroFile(path, async ({ header, blocks }) => {
    const columns = avroColumns(header.schema)
    const table = await tableOf(context, columns, bySchema)
    let rowCount = 0
    await context.append(table.table, async (append) => {
      const batch = new Batch(columns, path, append)
      for await (const block of blocks) {
        batch.addBlock(header, block)
        rowCount += block.count
      }
      batch.flush()
    })
    return { ...table, rowCount }
  })
}

async function tableOf(
  context: AvroContext,
  columns: readonly AvroColumn[],
  bySchema: Map<string, AvroTable>,
): Promise<AvroTable> {
  const key = JSON.stringify(columns.map(({ column, sqlType }) => [column, sqlType]))
  const known = bySchema.get(key)
  if (known !== undefined) return known
  const table = context.newName()
  const definitions = columns.map(({ column, sqlType }) => `${column.sqlName} ${sqlType}`)
  await context.run(
    `CREATE TABLE ${table} (${[...definitions, '"_firn_file" VARCHAR', '"_firn_row" BIGINT'].join(', ')})`,
  )
  const made = { table, columns: columns.map(({ column }) => column) }
  bySchema.set(key, made)
  return made
}

/** Turns records into columns and hands them on by the batch. */
class Batch {
  private readonly values: DuckDBValue[][]
  private row = 0n
  private count = 0

  constructor(
    private readonly columns: readonly AvroColumn[],
    private readonly path: string,
    private readonly append: AppendColumns,
  ) {
    this.values = [...columns.map(() => []), [], []]
  }

  addBlock(header: AvroHeader, { count, packed }: AvroBlock): void {
    const width = this.columns.length
    forEachInBlock(header, count, packed, (cursor) => {
      for (const [index, column] of this.columns.entries()) this.values[index]?.push(column.read(cursor))
      this.values[width]?.push(this.path)
      this.values[width + 1]?.push(this.row++)
      if (++this.count === BATCH_ROWS) this.flush()
    })
  }

  flush(): void {
    if (this.count > 0) this.append(this.values)
    for (const values of this.values) values.length = 0
    this.count = 0
  }
}

function failureOf(cause: unknown, path: string): EngineError {
  if (cause instanceof EngineError && cause.kind !== 'data-invalid') return cause
  const reason = cause instanceof Error ? cause.message : String(cause)
  const isIo = cause instanceof Error && 'syscall' in cause
  const kind = isIcebergError(cause, 'unsupported') ? 'unsupported' : isIo ? 'io' : 'data-invalid'
  return new EngineError(kind, `${path} cannot be read: ${reason}`, { context: { path }, cause })
}
