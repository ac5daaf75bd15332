/** Writes Avro's binary encoding into one growing buffer. */
export class Sink {
  private buffer = Buffer.allocUnsafe(4096)
  private length = 0

  get size(): number {
    return this.length
  }

  /** A copy of what was written; the sink is empty afterwards. */
  take(): Uint8Array {
    const bytes = new Uint8Array(this.buffer.subarray(0, this.length))
    this.length = 0
    return bytes
  }

  byte(value: number): void {
    this.reserve(1)
    this.buffer[this.length++] = value
  }

  boolean(value: boolean): void {
    this.byte(value ? 1 : 0)
  }

  /** An int or a long. */
  long(value: number | bigint): void {
    if (typeof value === 'bigint' || value >= 2 ** 30 || value < -(2 ** 30)) {
      this.bigLong(BigInt(value))
      return
    }
    let rest = ((value << 1) ^ (value >> 31)) >>> 0
    this.reserve(5)
    while (rest >= 0x80) {
      this.buffer[this.length++] = (rest & 0x7f) | 0x80
      rest >>>= 7
    }
    this.buffer[this.length++] = rest
  }

  float(value: number): void {
    this.reserve(4)
    this.length = this.buffer.writeFloatLE(value, this.length)
  }

  double(value: number): void {
    this.reserve(8)
    this.length = this.buffer.writeDoubleLE(value, this.length)
  }

  bytes(value: Uint8Array): void {
    this.long(value.length)
    this.fixed(value)
  }

  fixed(value: Uint8Array): void {
    this.reserve(value.length)
    this.buffer.set(value, this.length)
    this.length += value.length
  }

  string(value: string): void {
    const length = Buffer.byteLength(value)
    this.long(length)
    this.reserve(length)
    this.length += this.buffer.write(value, this.length)
  }

  /** The branch of a `["null", X]` union; true where a value has to follow. */
  optional<T>(value: T | null | undefined): value is T {
    const present = value !== null && value !== undefined
    this.byte(present ? 2 : 0)
    return present
  }

  /** An array (or a map) as one block. */
  block<T>(count: number, items: Iterable<T>, write: (item: T) => void): void {
    if (count > 0) {
      this.long(count)
      for (const item of items) write(item)
    }
    this.byte(0)
  }

  private bigLong(value: bigint): void {
    let rest = BigInt.asUintN(64, (value << 1n) ^ (value >> 63n))
    this.reserve(10)
    while (rest >= 0x80n) {
      this.buffer[this.length++] = Number(rest & 0x7fn) | 0x80
      rest >>= 7n
    }
    this.buffer[this.length++] = Number(rest)
  }

  private reserve(more: number): void {
    if (this.length + more <= this.buffer.length) return
    const grown = Buffer.allocUnsafe(Math.max(this.buffer.length * 2, this.length + more))
    this.buffer.copy(grown, 0, 0, this.length)
    this.buffer = grown
  }
}
