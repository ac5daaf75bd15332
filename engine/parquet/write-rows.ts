import { RecordBatch, Schema as ArrowSchema, Struct, Table, makeData, tableToIPC } from 'apache-arrow'
import type * as ParquetWasm from 'parquet-wasm'
import type { FileIO } from '../../iceberg/io/file-io.js'
import { joinLocation } from '../../iceberg/io/location.js'
import type { DataFile } from '../../iceberg/spec/data-file.js'
import type { PartitionSpec } from '../../iceberg/spec/partition-spec.js'
import { partitionTypes } from '../../iceberg/spec/specs.js'
import type { Schema, Type, Value } from '../../iceberg/spec/type.js'
import { isPrimitive } from '../../iceberg/spec/type.js'
import type { Row, RowValue } from '../engine.js'
import { EngineError } from '../engine.js'
import { arrowColumn, arrowField } from './arrow-columns.js'
import { partitionPath } from './partition-path.js'
import { rowMetrics } from './row-metrics.js'

export interface WriteRowsRequest {
  readonly io: FileIO
  readonly schema: Schema
  readonly spec: PartitionSpec
  /** The rows' one partition: a value per field of the spec. */
  readonly partition: readonly (Value | null)[]
  /** `<table location>/data`. */
  readonly dataLocation: string
  /** Values as `Row` says; decimals as text. All are held in memory: for small batches. */
  readonly rows: readonly Row[]
  readonly newUuid: () => string
}

/** Rows in memory → one durable data file with field ids and metrics, without starting a query. */
export async function writeRows(request: WriteRowsRequest): Promise<DataFile> {
  const { io, schema, spec, partition, dataLocation, rows, newUuid } = request
  checkRequired(schema, rows, '')
  const bytes = await parquetBytes(schema, rows)
  const types = partitionTypes([schema], spec).map((type) => type ?? 'string')
  const folder = partitionPath(spec, types, partition)
  const location = joinLocation(dataLocation, ...(folder === '' ? [] : [folder]), `${newUuid()}.parquet`)
  await io.write(location, bytes)
  return {
    content: 'data',
    filePath: location,
    fileFormat: 'parquet',
    specId: spec['spec-id'],
    partition,
    recordCount: rows.length,
    fileSizeInBytes: bytes.length,
    ...rowMetrics(schema, rows),
  }
}

async function parquetBytes(schema: Schema, rows: readonly Row[]): Promise<Uint8Array> {
  const wasm = await loadParquet()
  const fields = schema.fields.map((field) => arrowField(field.name, field.id, field.required, field.type))
  const children = schema.fields.map((field) => columnOf(field.name, field.type, rows))
  const data = makeData({ type: new Struct(fields), length: rows.length, nullCount: 0, children } as never)
  const batch = new RecordBatch(new ArrowSchema(fields), data as never)
  const table = wasm.Table.fromIPCStream(tableToIPC(new Table([batch]), 'stream'))
  const properties = new wasm.WriterPropertiesBuilder()
    .setCompression(wasm.Compression.ZSTD)
    .setCreatedBy('firnlake')
    .build()
  return wasm.writeParquet(table, properties)
}

function columnOf(name: string, type: Type, rows: readonly Row[]) {
  try {
    return arrowColumn(
      type,
      rows.map((row) => row[name]),
    )
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new EngineError('data-invalid', `column '${name}': ${reason}`, { context: { column: name }, cause })
  }
}

let parquet: Promise<typeof ParquetWasm> | undefined

/** Loaded on first use, once: compiling it takes longer than writing a file. */
function loadParquet(): Promise<typeof ParquetWasm> {
  parquet ??= import('parquet-wasm')
  return parquet
}

/** Arrow would write nulls into required columns without a word. */
function checkRequired(
  struct: { readonly fields: Schema['fields'] },
  rows: readonly RowValue[],
  parent: string,
): void {
  for (const field of struct.fields) {
    const name = `${parent}${field.name}`
    const values = rows.map((row) => (row as Row)[field.name] ?? null)
    const broken = values.filter((value) => value === null).length
    if (field.required && broken > 0) throw requiredNull(name, broken)
    checkInside(field.type, values, name)
  }
}

function checkInside(type: Type, values: readonly RowValue[], name: string): void {
  if (isPrimitive(type)) return
  const present = values.filter((value) => value !== null)
  if (type.type === 'struct') {
    checkRequired(type, present, `${name}.`)
    return
  }
  const items = present.flatMap((value) => value as readonly RowValue[])
  if (type.type === 'list') {
    const broken = items.filter((item) => item === null).length
    if (type['element-required'] && broken > 0) throw requiredNull(`${name}.element`, broken)
    checkInside(type.element, items, `${name}.element`)
  } else {
    const entry = { id: type['value-id'], name: 'value', required: type['value-required'], type: type.value }
    checkRequired({ fields: [entry] }, items, `${name}.`)
  }
}

function requiredNull(name: string, rows: number): EngineError {
  return new EngineError(
    'data-invalid',
    `column '${name}' is required but null ${rows} times: give a value or make the column optional`,
    { context: { column: name } },
  )
}
