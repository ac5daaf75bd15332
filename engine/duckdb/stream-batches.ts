import type { DuckDBDataChunk, DuckDBResult } from '@duckdb/node-api'
import duckdb from '@duckdb/node-bindings'
import { Field, makeData, RecordBatch, Schema, Struct } from 'apache-arrow'
import type { StreamOptions } from '../engine.js'
import { ChunkMemory } from './chunk-memory.js'
import { vectorColumn } from './vector-columns.js'

/**
 * Chunks of a streaming result → batches. The next chunk is on its way while one is turned into Arrow; nothing more is
 * fetched until the reader asks for more.
 */
export async function* streamBatches(
  result: DuckDBResult,
  { batchRows = BATCH_ROWS, batchBytes = BATCH_BYTES, reuse = false }: StreamOptions,
): AsyncGenerator<RecordBatch, void, undefined> {
  const names = result.deduplicatedColumnNames()
  const columns = result.columnTypes().map((type, index) => vectorColumn(names[index] ?? '', type, reuse))
  const fields = columns.map((column, index) => new Field(names[index] ?? '', column.type, true))
  const schema = new Schema(fields)
  const finish = (length: number): RecordBatch => {
    const children = columns.map((column) => column.finish())
    const type = new Struct(fields)
    return new RecordBatch(schema, makeData({ type, length, nullCount: 0, children }))
  }
  // V8 collects what is not named any more, and DuckDB's memory goes with the chunk: it is held while it is read.
  const held = new Set<DuckDBDataChunk>()
  const memory = new ChunkMemory()
  let rows = 0
  let next = fetchNext(result)
  try {
    for (;;) {
      const chunk = await next
      const count = chunk?.rowCount ?? 0
      if (chunk === null || count === 0) break
      next = fetchNext(result)
      held.add(chunk)
      for (const [index, column] of columns.entries()) {
        column.read(duckdb.data_chunk_get_vector(chunk.chunk, index), count)
      }
      for (let start = 0; start < count;) {
        const taken = Math.min(count - start, batchRows - rows, CHECK_ROWS - (rows % CHECK_ROWS))
        for (const column of columns) column.append(start, taken)
        start += taken
        rows += taken
        const isFull = rows === batchRows || (rows % CHECK_ROWS === 0 && bytesOf(columns) >= batchBytes)
        if (!isFull) continue
        memory.note(chunk.chunk, bytesOf(columns))
        yield finish(rows)
        rows = 0
      }
      held.clear()
    }
    if (rows > 0) yield finish(rows)
  } finally {
    // Whoever broke off closes the connection, which nothing may be under way on.
    await next.catch(() => undefined)
  }
}

const BATCH_ROWS = 16_384
const BATCH_BYTES = 8 * 1024 ** 2
/** Bytes are counted at multiples of so many rows, however the rows came: where a batch ends follows from them alone. */
const CHECK_ROWS = 256

/** A failure is seen where the chunk is awaited, which may be long after. */
function fetchNext(result: DuckDBResult): Promise<DuckDBDataChunk | null> {
  const fetched = result.fetchChunk()
  fetched.catch(() => undefined)
  return fetched
}

function bytesOf(columns: readonly { readonly byteLength: number }[]): number {
  return columns.reduce((total, column) => total + column.byteLength, 0)
}
