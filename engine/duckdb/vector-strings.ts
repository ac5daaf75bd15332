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
  private readonly offsets: Bytes
  private readonly values: Bytes

  constructor(reuse: boolean) {
    this.offsets = new Bytes(reuse)
    this.values = new Bytes(reuse)
  }

  read(vector: Vector, rows: number): void {
    this.source = duckdb.vector_get_data(vector, rows * ENTRY_BYTES)
    this.words = new Uint32Array(this.source.buffer, this.source.byteOffset, rows * 4)
  }

  append(start: number, count: number, validity: Validity): void {
    if (this.offsets.length === 0) this.offsets.growZeroed(4)
    const at = this.offsets.grow(count * 4)
    const offsets = new Int32Array(this.offsets.bytes.buffer, at, count)
    let to = this.values.length
    const total = this.measure(start, count, validity, offsets)
    this.values.grow(total)
    if (this.values.length > 0x7fff_ffff) throw tooLong()
    const { source } = this
    const target = this.values.bytes
    let run: Run = NO_RUN
    for (let index = 0; index < count; index++) {
      const length = (offsets[index] as number) - to
      if (length === 0) continue
      const row = start + index
      if (length <= INLINE_BYTES) {
        copyShort(target, to, source, row * ENTRY_BYTES + 4, length)
      } else {
        if (run.next === run.bytes.length) {
          run = this.readRun(row, start + count, validity)
          if (run.isPure) {
            // Nothing but these values lies between the first and the last: one copy does.
            target.set(run.bytes, to)
            to += run.bytes.length
            index += run.rows - 1
            run = NO_RUN
            continue
          }
        }
        const next = run.next
        const end = (run.next = next + length)
        if (length <= SHORT_BYTES) copyShort(target, to, run.bytes, next, length)
        else target.set(run.bytes.subarray(next, end), to)
      }
      to += length
    }
  }

  /** Where each value will end; returns the bytes of all. */
  private measure(start: number, count: number, validity: Validity, offsets: Int32Array): number {
    const { words } = this
    const before = this.values.length
    let end = before
    for (let index = 0; index < count; index++) {
      if (validity.has(start + index)) end += words[(start + index) * 4] as number
      offsets[index] = end
    }
    return end - before
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
    let [isPure, other] = [true, row + 1]
    const low = words[row * 4 + 2] as number
    const high = words[row * 4 + 3] as number
    for (; other < end; other++) {
      if (!validity.has(other)) continue
      const own = words[other * 4] as number
      if (own <= INLINE_BYTES) {
        isPure &&= own === 0
        continue
      }
      // A run that crosses 4 GiB ends there.
      if (words[other * 4 + 2] !== low + length || words[other * 4 + 3] !== high) break
      length += own
    }
    const pointer = source.byteOffset + row * ENTRY_BYTES + 8
    const read = duckdb.get_data_from_pointer(source.buffer as ArrayBuffer, pointer, length)
    // A Buffer is slower to cut.
    return { bytes: new Uint8Array(read.buffer, read.byteOffset, length), rows: other - row, isPure, next: 0 }
  }
}

interface Run {
  readonly bytes: Uint8Array
  /** From its first to its last, and whether all of them lie in it, or have no bytes. */
  readonly rows: number
  readonly isPure: boolean
  /** Where the next value begins. */
  next: number
}

const NO_RUN: Run = { bytes: new Uint8Array(0), rows: 0, isPure: false, next: 0 }
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
