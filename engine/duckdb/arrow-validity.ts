import type { Vector } from '@duckdb/node-bindings'
import duckdb from '@duckdb/node-bindings'

/** Which rows have a value: a bit each, in DuckDB as in Arrow, where a batch without nulls has no bits at all. */
export class Validity {
  private source: Uint8Array | null = null
  private bits: Uint8Array<ArrayBuffer> | undefined
  private length = 0
  private nulls = 0

  read(vector: Vector, rows: number): void {
    // Null where every row has a value, which the binding's types don't say.
    this.source = duckdb.vector_get_validity(vector, Math.ceil(rows / 64) * 8)
  }

  has(row: number): boolean {
    return this.source === null || (((this.source[row >> 3] as number) >> (row & 7)) & 1) === 1
  }

  /** `onNull` is told of each null, by its index in what is appended. */
  append(start: number, count: number, onNull?: (index: number) => void): void {
    const base = this.length
    this.length += count
    if (this.source === null) return
    for (let index = 0; index < count; index++) {
      const row = start + index
      if ((row & 7) === 0 && this.source[row >> 3] === 0xff) {
        index += 7
        continue
      }
      if (this.has(row)) continue
      const bits = this.reserve()
      const at = base + index
      bits[at >> 3] = (bits[at >> 3] as number) & ~(1 << (at & 7))
      this.nulls++
      onNull?.(index)
    }
  }

  take(): { readonly length: number; readonly nullCount: number; readonly nullBitmap?: Uint8Array } {
    const { length, nulls: nullCount } = this
    const bits = this.bits === undefined ? undefined : this.reserve()
    this.length = this.nulls = 0
    this.bits = undefined
    if (bits === undefined) return { length, nullCount }
    const nullBitmap = bits.subarray(0, Math.ceil(length / 8))
    // Bits behind the last row are zero.
    if (length % 8 !== 0)
      nullBitmap[length >> 3] = (nullBitmap[length >> 3] as number) & ((1 << (length & 7)) - 1)
    return { length, nullCount, nullBitmap }
  }

  /** Bits for all rows so far, set but for those cleared before. */
  private reserve(): Uint8Array<ArrayBuffer> {
    const bytes = Math.ceil(this.length / 8)
    if (this.bits === undefined || this.bits.length < bytes) {
      const larger = new Uint8Array(Math.max(bytes, 2 * (this.bits?.length ?? 0))).fill(0xff)
      larger.set(this.bits ?? [])
      this.bits = larger
    }
    return this.bits
  }
}
