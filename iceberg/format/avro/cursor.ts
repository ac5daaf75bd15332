import { IcebergError } from '../../error.js'

/** Reads Avro's binary encoding from one buffer, front to back. Throws `data-invalid` past the end. */
export class Cursor {
  position: number
  private readonly buffer: Buffer
  private readonly end: number

  constructor(bytes: Uint8Array, position = 0) {
    this.buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    this.end = bytes.byteLength
    this.position = position
  }

  get atEnd(): boolean {
    return this.position >= this.end
  }

  get remaining(): number {
    return this.end - this.position
  }

  readByte(): number {
    return this.buffer[this.position++] ?? this.overrun()
  }

  /** An int, or a long that is known to be far below 2^53. */
  readLong(): number {
    let low = 0
    for (let shift = 0; shift < 28; shift += 7) {
      const byte = this.buffer[this.position++] ?? this.overrun()
      low |= (byte & 0x7f) << shift
      if (byte < 0x80) return (low >>> 1) ^ -(low & 1)
    }
    let value = low
    for (let factor = 2 ** 28; ; factor *= 128) {
      const byte = this.buffer[this.position++] ?? this.overrun()
      value += (byte & 0x7f) * factor
      if (value > Number.MAX_SAFE_INTEGER || factor > 2 ** 63)
        throw new IcebergError('data-invalid', 'Avro integer is out of range')
      if (byte < 0x80) return value % 2 === 0 ? value / 2 : -(value + 1) / 2
    }
  }

  readBigLong(): bigint {
    let value = 0n
    let chunk = 0
    for (let shift = 0; shift < 70; shift += 7) {
      const byte = this.buffer[this.position++] ?? this.overrun()
      chunk |= (byte & 0x7f) << (shift % 28)
      const last = byte < 0x80
      if (last || shift % 28 === 21) {
        value |= BigInt(chunk) << BigInt(shift - (shift % 28))
        chunk = 0
      }
      if (last) return BigInt.asIntN(64, value & 1n ? ~(value >> 1n) : value >> 1n)
    }
    throw new IcebergError('data-invalid', 'Avro integer is longer than ten bytes')
  }

  readFloat(): number {
    return this.buffer.readFloatLE(this.advance(4))
  }

  readDouble(): number {
    return this.buffer.readDoubleLE(this.advance(8))
  }

  /** A view, not a copy. */
  readBytes(): Uint8Array {
    return this.readFixed(this.readLong())
  }

  readFixed(length: number): Uint8Array {
    const start = this.advance(length)
    return new Uint8Array(this.buffer.buffer, this.buffer.byteOffset + start, length)
  }

  readString(): string {
    const length = this.readLong()
    const start = this.advance(length)
    return this.buffer.toString('utf8', start, start + length)
  }

  /** The number of items in the next block of an array or map; 0 ends it. An item takes a byte at least. */
  readBlockCount(): number {
    const count = this.readLong()
    if (count < 0) this.readLong()
    if (Math.abs(count) > this.remaining) this.overrun()
    return Math.abs(count)
  }

  skip(length: number): void {
    this.advance(length)
  }

  skipLong(): void {
    for (let length = 1; (this.buffer[this.position++] ?? this.overrun()) >= 0x80; length++) {
      if (length === 10) throw new IcebergError('data-invalid', 'Avro integer is longer than ten bytes')
    }
  }

  /** Passes over what lies next where it is byte for byte what lay from `start` to `end`; says whether it is. */
  skipRepeat(start: number, end: number): boolean {
    const next = this.position + end - start
    if (next > this.end || this.buffer.compare(this.buffer, start, end, this.position, next) !== 0)
      return false
    this.position = next
    return true
  }

  private advance(length: number): number {
    const start = this.position
    this.position = start + length
    if (length < 0 || this.position > this.end) this.overrun()
    return start
  }

  private overrun(): never {
    throw new IcebergError('data-invalid', 'Avro data ends in the middle of a value')
  }
}
