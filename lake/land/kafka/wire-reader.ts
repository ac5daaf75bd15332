import { FirnError } from '../../../schemas/error.js'

/** Reads the values of Kafka's protocol one after another. Slices share the memory of what they were read from. */
export class WireReader {
  constructor(
    readonly bytes: Buffer,
    public position = 0,
  ) {}

  int8(): number {
    return this.bytes.readInt8(this.forward(1))
  }

  int16(): number {
    return this.bytes.readInt16BE(this.forward(2))
  }

  int32(): number {
    return this.bytes.readInt32BE(this.forward(4))
  }

  uint32(): number {
    return this.bytes.readUInt32BE(this.forward(4))
  }

  /** Exact up to 2^53. */
  int64(): number {
    const at = this.forward(8)
    return this.bytes.readInt32BE(at) * 0x1_0000_0000 + this.bytes.readUInt32BE(at + 4)
  }

  bigint64(): bigint {
    return this.bytes.readBigInt64BE(this.forward(8))
  }

  /** Zigzag; exact up to 2^53. */
  varint(): number {
    const { bytes } = this
    let byte = bytes[this.position++] ?? missing()
    if (byte < 0x80) return (byte >>> 1) ^ -(byte & 1)
    let low = byte & 0x7f
    for (let shift = 7; shift < 28; shift += 7) {
      byte = bytes[this.position++] ?? missing()
      low |= (byte & 0x7f) << shift
      if (byte < 0x80) return (low >>> 1) ^ -(low & 1)
    }
    return this.longVarint(low)
  }

  /** The rest of a varint whose lowest 28 bits are known. */
  private longVarint(low: number): number {
    let value = BigInt(low)
    for (let shift = 28n; shift < 70n; shift += 7n) {
      const byte = this.bytes[this.position++] ?? missing()
      value |= BigInt(byte & 0x7f) << shift
      if (byte < 0x80) return Number(BigInt.asIntN(64, (value >> 1n) ^ -(value & 1n)))
    }
    throw unreadable('a number of more than ten bytes')
  }

  uvarint(): number {
    let value = 0
    for (let factor = 1; factor < 2 ** 35; factor *= 128) {
      const byte = this.int8()
      value += (byte & 0x7f) * factor
      if (byte >= 0) return value
    }
    throw unreadable('a length of more than five bytes')
  }

  /** Null where the length is negative. */
  slice(length: number): Buffer | null {
    if (length < 0) return null
    const from = this.forward(length)
    return this.bytes.subarray(from, from + length)
  }

  string(): string | null {
    return this.slice(this.int16())?.toString('utf8') ?? null
  }

  compactString(): string | null {
    return this.slice(this.uvarint() - 1)?.toString('utf8') ?? null
  }

  array<T>(count: number, read: (reader: this) => T): T[] {
    return Array.from({ length: Math.max(0, count) }, () => read(this))
  }

  compactArray<T>(read: (reader: this) => T): T[] {
    return this.array(this.uvarint() - 1, read)
  }

  /** Tagged fields, which newer brokers add and nobody has to know. */
  skipTags(): void {
    for (let left = this.uvarint(); left > 0; left--) {
      this.uvarint()
      this.forward(this.uvarint())
    }
  }

  /** Where what was passed over begins. */
  forward(length: number): number {
    const from = this.position
    this.position += length
    if (this.position > this.bytes.length) missing()
    return from
  }
}

function missing(): never {
  throw unreadable('an end before it is complete')
}

function unreadable(what: string): FirnError {
  return new FirnError('io', `what the broker sent has ${what}`)
}
