import type { Vector } from '@duckdb/node-bindings'
import duckdb from '@duckdb/node-bindings'
import { EngineError } from '../engine.js'
import { Bytes } from './growing-bytes.js'
import type { Validity } from './arrow-validity.js'

/**
 * Texts and blobs. A vector has 16 bytes for each: its length (4 bytes), then up to 12 bytes of itself, or 4 and a pointer
 * to the whole. Those in DuckDB's heap lie one after the other as a rule: such a run is read at once.
 */
export class VarBytes {
  private source: Uint8Array = new Uint8Array(0)
  private words: Uint32Array = new Uint32Array(0)
  private readonly offsets = new Bytes()
  private readonly values = new Bytes()

  read(vector: Vector, rows: number): void {
    this.source = duckdb.vector_get_data(vector, rows * ENTRY_BYTES)
    this.words = new Uint32Array(this.source.buffer, this.source.byteOffset, rows * 4)
  }

  append(start: number, count: number, validity: Validity): void {
    if (this.offsets.length === 0) this.offsets.growZeroed(4)
    const at = this.offsets.grow(count * 4)
    const offsets = new Int32Array(this.offsets.bytes.buffer, at, count)
    const { words, source, values } = this
    const end = start + count
    let run: Run = NO_RUN
    for (let row = start; row < end; row++) {
      if (validity.has(row)) {
        const length = words[row * 4] as number
        const to = values.grow(length)
        if (length <= INLINE_BYTES) {
          copyShort(values.bytes, to, source, row * ENTRY_BYTES + 4, length)
        } else {
          if (run.next === run.bytes.length) run = this.readRun(row, end, validity)
          const next = run.next
          run.next += length
          if (length <= SHORT_BYTES) copyShort(values.bytes, to, run.bytes, next, length)
          else values.bytes.set(run.bytes.subarray(next, next + length), to)
        }
      }
      offsets[row - start] = values.length
    }
    if (values.length > 0x7fff_ffff) throw tooLong()
  }

  get byteLength(): number {
    return this.offsets.length + this.values.length
  }

  take(): { readonly valueOffsets: Int32Array; readonly data: Uint8Array } {
    if (this.offsets.length === 0) this.offsets.growZeroed(4)
    const bytes = this.offsets.take()
    return {
      valueOffsets: new Int32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4),
      data: this.values.take(),
    }
  }

  /** The values from `row` on that lie behind each other in the heap; those within the vector are left out. */
  private readRun(row: number, end: number, validity: Validity): Run {
    const { words, source } = this
    let length = words[row * 4] as number
    const low = words[row * 4 + 2] as number
    const high = words[row * 4 + 3] as number
    for (let other = row + 1; other < end; other++) {
      const own = words[other * 4] as number
      if (own <= INLINE_BYTES || !validity.has(other)) continue
      // A run that crosses 4 GiB ends there.
      if (words[other * 4 + 2] !== low + length || words[other * 4 + 3] !== high) break
      length += own
    }
    const pointer = source.byteOffset + row * ENTRY_BYTES + 8
    const read = duckdb.get_data_from_pointer(source.buffer as ArrayBuffer, pointer, length)
    // A Buffer is slower to cut.
    return { bytes: new Uint8Array(read.buffer, read.byteOffset, length), next: 0 }
  }
}

interface Run {
  readonly bytes: Uint8Array
  /** Where the next value begins. */
  next: number
}

const NO_RUN: Run = { bytes: new Uint8Array(0), next: 0 }
const ENTRY_BYTES = 16
const INLINE_BYTES = 12
const SHORT_BYTES = 64

/** A call for so few bytes would take longer than the bytes. */
function copyShort(target: Uint8Array, to: number, source: Uint8Array, from: number, length: number): void {
  for (let index = 0; index < length; index++) target[to + index] = source[from + index] as number
}

function tooLong(): EngineError {
  return new EngineError(
    'unsupported',
    'the texts of one column in one batch take more than 2 GiB: ask for fewer rows a batch (batchRows)',
  )
}
