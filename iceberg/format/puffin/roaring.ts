import { IcebergError } from '../../error.js'

const NO_RUN_COOKIE = 12_346
const RUN_COOKIE = 12_347
/** With runs, bitmaps of fewer containers have no offsets. */
const NO_OFFSET_BELOW = 4
const ARRAY_MAX = 4_096
const BITMAP_WORDS = 2_048
/** Keys are the upper 32 bits of a position; beyond these it is no safe integer, and no file has that many rows. */
const KEY_MAX = 2 ** 21 - 1

/**
 * The positions of a 64-bit Roaring bitmap in the portable format (Puffin spec, `deletion-vector-v1`), ascending. There
 * must be `count` of them, which bounds what damaged bytes can make of themselves. Throws `data-invalid`.
 */
export function decodeRoaring(bytes: Uint8Array, count: number): BigInt64Array {
  const reader = new Reader(bytes)
  // A container takes 8 bytes at least and holds 65,536: what is said to be more must not be allocated.
  if (!(count >= 0 && count <= bytes.length * 8192)) {
    throw damaged(`${bytes.length} bytes can't hold ${count} positions`)
  }
  const positions = new Positions(count)
  const bitmaps = reader.long()
  let lastKey = -1
  for (let index = 0; index < bitmaps; index++) {
    const key = reader.int()
    if (key <= lastKey || key > KEY_MAX) throw damaged(`key ${key} follows ${lastKey}`)
    lastKey = key
    readBitmap(reader, key, positions)
  }
  if (!reader.atEnd) throw damaged('bytes follow the last bitmap')
  return positions.take()
}

function readBitmap(reader: Reader, key: number, positions: Positions): void {
  const cookie = reader.int()
  const hasRuns = (cookie & 0xffff) === RUN_COOKIE
  if (!hasRuns && cookie !== NO_RUN_COOKIE) throw damaged(`cookie ${cookie} is not known`)
  const size = hasRuns ? (cookie >>> 16) + 1 : reader.int()
  if (size > 0x10000) throw damaged(`${size} containers are more than 65,536`)
  const runFlags = reader.bytes(hasRuns ? (size + 7) >> 3 : 0)
  const header = reader.bytes(size * 4)
  if (!hasRuns || size >= NO_OFFSET_BELOW) reader.bytes(size * 4)
  let last = -1
  for (let index = 0; index < size; index++) {
    const high = shortAt(header, index * 4)
    const cardinality = shortAt(header, index * 4 + 2) + 1
    if (high <= last) throw damaged(`container ${high} follows ${last}`)
    last = high
    positions.start(key, high, cardinality)
    if (((runFlags[index >> 3] ?? 0) >> (index & 7)) & 1) readRuns(reader, positions)
    else if (cardinality > ARRAY_MAX) readWords(reader, positions)
    else readArray(reader, cardinality, positions)
    positions.finish()
  }
}

function readArray(reader: Reader, cardinality: number, positions: Positions): void {
  const bytes = reader.bytes(cardinality * 2)
  for (let index = 0; index < cardinality; index++) positions.add(shortAt(bytes, index * 2))
}

function readWords(reader: Reader, positions: Positions): void {
  const bytes = reader.bytes(BITMAP_WORDS * 4)
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  for (let index = 0; index < BITMAP_WORDS; index++) {
    for (let word = view.getUint32(index * 4, true); word !== 0; word &= word - 1) {
      positions.add(index * 32 + 31 - Math.clz32(word & -word))
    }
  }
}

function readRuns(reader: Reader, positions: Positions): void {
  const runs = shortAt(reader.bytes(2), 0)
  const bytes = reader.bytes(runs * 4)
  for (let run = 0; run < runs; run++) {
    const first = shortAt(bytes, run * 4)
    const end = first + shortAt(bytes, run * 4 + 2)
    if (end > 0xffff) throw damaged(`a run ends at ${end}`)
    for (let value = first; value <= end; value++) positions.add(value)
  }
}

/** Takes the values of one container after the other; each says before how many it has. */
class Positions {
  private readonly positions: BigInt64Array
  /** The same memory as pairs of low and high halves: no bigint is made for a position. */
  private readonly halves: Uint32Array
  private key = 0
  private high = 0
  private last = -1
  private count = 0
  private end = 0

  constructor(private readonly expected: number) {
    this.positions = new BigInt64Array(expected)
    this.halves = new Uint32Array(this.positions.buffer)
  }

  start(key: number, high: number, cardinality: number): void {
    this.key = key
    this.high = high * 0x10000
    this.last = -1
    this.end = this.count + cardinality
    if (this.end > this.expected) throw damaged(`it holds more than the ${this.expected} positions it should`)
  }

  add(value: number): void {
    if (value <= this.last) throw damaged(`${value} follows ${this.last}`)
    if (this.count === this.end) throw damaged('a container holds more than it says')
    this.last = value
    this.halves[this.count * 2] = this.high + value
    this.halves[this.count * 2 + 1] = this.key
    this.count++
  }

  finish(): void {
    if (this.count !== this.end) throw damaged('a container holds less than it says')
  }

  take(): BigInt64Array {
    if (this.count === this.expected) return this.positions
    throw damaged(`it holds ${this.count} positions, and should ${this.expected}`)
  }
}

class Reader {
  private position = 0

  constructor(private readonly buffer: Uint8Array) {}

  get atEnd(): boolean {
    return this.position === this.buffer.length
  }

  bytes(length: number): Uint8Array {
    const start = this.position
    this.position += length
    if (this.position > this.buffer.length) throw damaged('it ends in the middle of a container')
    return this.buffer.subarray(start, this.position)
  }

  int(): number {
    const bytes = this.bytes(4)
    return shortAt(bytes, 0) + shortAt(bytes, 2) * 0x10000
  }

  long(): number {
    return this.int() + this.int() * 2 ** 32
  }
}

function shortAt(bytes: Uint8Array, at: number): number {
  return (bytes[at] ?? 0) | ((bytes[at + 1] ?? 0) << 8)
}

function damaged(reason: string): IcebergError {
  return new IcebergError('data-invalid', `a Roaring bitmap is damaged: ${reason}`)
}
