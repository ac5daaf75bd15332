import type { RecordBatch } from 'apache-arrow'
import { FirnError } from '../../schemas/error.js'
import type { DatasetColumn } from './dataset-columns.js'
import { createDatasetDigest, requireDigest } from './dataset-digest.js'
import type { DatasetFooter } from './dataset-footer.js'
import type { Picks } from './gather-rows.js'
import { gatherRows } from './gather-rows.js'
import type { BlockReader } from './read-blocks.js'
import { openBlocks } from './read-blocks.js'
import type { Shuffle } from './shuffled-order.js'
import { epochOrder } from './shuffled-order.js'

export interface BatchesOptions {
  /** Names of columns, in the order wanted. Default: all. */
  readonly columns?: readonly string[]
  /** Absent: in the data set's own order. */
  readonly shuffle?: Shuffle
  /** Rows of every batch but the last. Default 1,024. */
  readonly batchRows?: number
  /**
   * One of several who read at once: batch b of the whole order goes to reader b mod count. The order does not depend on
   * count; with `batchRows` divided by it, the readers' batches together are those of one reader.
   */
  readonly readers?: { readonly index: number; readonly count: number }
  /** Blocks that are read ahead. Default 8. Changes nothing but speed and memory. */
  readonly prefetch?: number
}

export interface Dataset {
  readonly columns: readonly DatasetColumn[]
  readonly rows: number
  readonly digest: string
  readonly orderedDigest: string
  /**
   * Memory: two windows of 8 blocks of 4 MiB at most, and what is read ahead. The first pass over all columns by one reader
   * that comes to its end checks the rows against the digest (`contract-broken`).
   */
  batches(options?: BatchesOptions): AsyncIterable<RecordBatch>
}

/** A data set's file on the local disk. Errors: FirnError `not-found`, `contract-broken`, `invalid-input`. */
export async function openDataset(
  path: string,
  expected: { readonly orderedDigest?: string } = {},
): Promise<Dataset> {
  const blocks = await openBlocks(path)
  const { footer } = blocks
  await blocks.close()
  const { columns, digest, orderedDigest } = footer
  if (expected.orderedDigest !== undefined) requireDigest(path, expected.orderedDigest, orderedDigest)
  const rows = footer.blocks.reduce((total, count) => total + count, 0)
  const state = { isChecked: false }
  return {
    ...{ columns, rows, digest, orderedDigest },
    batches: (options = {}) => readBatches(path, footer, checked(options, footer), state),
  }
}

async function* readBatches(
  path: string,
  footer: DatasetFooter,
  options: BatchesOptions,
  state: { isChecked: boolean },
): AsyncGenerator<RecordBatch, void, undefined> {
  const { shuffle, prefetch = 8, columns } = options
  const isWhole = columns === undefined && (options.readers?.count ?? 1) === 1
  const digest = isWhole && !state.isChecked ? createDatasetDigest(footer.columns) : undefined
  const windows = epochOrder(footer.blocks, shuffle)
  const order = windows.flatMap((window) => window.blocks)
  const reader = await openBlocks(path)
  const ahead = readAhead(reader, order, prefetch)
  try {
    const batcher = new Batcher(options)
    for (const window of windows) {
      const batches: RecordBatch[] = []
      while (batches.length < window.blocks.length) {
        const batch = await ahead.next()
        digest?.add(batch)
        batches.push(batch)
      }
      yield* batcher.add(batches, window.rows?.())
    }
    yield* batcher.finish()
    if (digest === undefined) return
    const found = digest.finish()
    requireDigest(path, footer.digest, found.digest)
    if (shuffle === undefined) requireDigest(path, footer.orderedDigest, found.orderedDigest)
    state.isChecked = true
  } finally {
    await ahead.settled()
    await reader.close()
  }
}

/** Blocks one after the other, some of them before they are asked for. */
function readAhead(reader: BlockReader, order: readonly number[], prefetch: number) {
  const waiting: Promise<RecordBatch>[] = []
  let last: Promise<unknown> = Promise.resolve()
  let started = 0
  const start = (): void => {
    const block = order[started++]
    if (block === undefined) return
    const read = last.then(() => reader.read(block))
    // Seen where it is awaited.
    last = read.catch(() => undefined)
    waiting.push(read)
  }
  return {
    next(): Promise<RecordBatch> {
      while (waiting.length <= prefetch && started < order.length) start()
      return waiting.shift() as Promise<RecordBatch>
    },
    /** Nothing is being read any more. */
    settled: (): Promise<unknown> => last,
  }
}

/** Cuts the order of all rows into batches and keeps those of one reader. */
class Batcher {
  private batch = 0
  /** Rows that wait for their batch to be full: where they lie, in which of the sources. */
  private sources: RecordBatch[] = []
  private readonly from: Uint32Array
  private readonly rows: Uint32Array
  private waiting = 0

  constructor(private readonly options: BatchesOptions) {
    const { batchRows = 1024 } = options
    this.from = new Uint32Array(batchRows)
    this.rows = new Uint32Array(batchRows)
  }

  *add(batches: readonly RecordBatch[], order: Uint32Array | undefined): Generator<RecordBatch> {
    const first = this.sources.length
    this.sources.push(...batches)
    const starts = startsOf(batches)
    const total = starts.at(-1) as number
    for (let index = 0; index < total; index++) {
      const place = order === undefined ? index : (order[index] as number)
      let source = 0
      while (place >= (starts[source + 1] as number)) source++
      this.from[this.waiting] = first + source
      this.rows[this.waiting] = place - (starts[source] as number)
      this.waiting++
      if (this.waiting === this.rows.length) yield* this.take()
    }
    this.release()
  }

  *finish(): Generator<RecordBatch> {
    if (this.waiting > 0) yield* this.take()
  }

  private *take(): Generator<RecordBatch> {
    const picks: Picks = {
      from: this.from.subarray(0, this.waiting),
      rows: this.rows.subarray(0, this.waiting),
    }
    this.waiting = 0
    const { index, count } = this.options.readers ?? { index: 0, count: 1 }
    if (this.batch++ % count === index) yield gatherRows(this.sources, picks, this.options.columns)
  }

  /** Only the sources that a row still waits in stay. */
  private release(): void {
    const kept = [...new Set(this.from.subarray(0, this.waiting))]
    this.sources = kept.map((source) => this.sources[source] as RecordBatch)
    for (let index = 0; index < this.waiting; index++) {
      this.from[index] = kept.indexOf(this.from[index] as number)
    }
  }
}

/** Where each batch begins among all rows, and where the last ends. */
function startsOf(batches: readonly RecordBatch[]): readonly number[] {
  const starts = [0]
  for (const batch of batches) starts.push((starts.at(-1) as number) + batch.numRows)
  return starts
}

function checked(options: BatchesOptions, footer: DatasetFooter): BatchesOptions {
  const { columns = [], batchRows = 1, readers = { index: 0, count: 1 }, prefetch = 0 } = options
  const unknown = columns.find((name) => !footer.columns.some((column) => column.name === name))
  if (unknown !== undefined) {
    const there = footer.columns.map((column) => column.name).join(', ')
    throw invalid(`the data set has no column "${unknown}", but ${there}`)
  }
  if (!isWhole(batchRows, 1)) throw invalid(`batchRows is ${batchRows}: give a whole number from 1`)
  if (!isWhole(prefetch, 0)) throw invalid(`prefetch is ${prefetch}: give a whole number from 0`)
  const { index, count } = readers
  if (!isWhole(count, 1) || !isWhole(index, 0) || index >= count) {
    throw invalid(`reader ${index} of ${count}: readers count from 0 to one less than their number`)
  }
  return options
}

function isWhole(value: number, least: number): boolean {
  return Number.isSafeInteger(value) && value >= least
}

function invalid(message: string): FirnError {
  return new FirnError('invalid-input', message)
}
