import { gzipSync } from 'node:zlib'
import { compressFrameSync } from 'lz4-napi'
import { crc32c } from '@node-rs/crc32'
import snappy from 'snappyjs'

export interface BatchRecord {
  readonly offset: number
  readonly timestampMs: number
  readonly key: Buffer | null
  readonly value: Buffer | null
  readonly headers?: readonly (readonly [string, Buffer | null])[]
}

export type Codec = 'none' | 'gzip' | 'snappy' | 'xerial' | 'lz4'

export interface BatchOptions {
  readonly base: number
  /** Where compaction took the last records it is behind them. */
  readonly last: number
  readonly codec?: Codec
  readonly producerId?: bigint
  readonly transactional?: boolean
  readonly control?: boolean
  readonly appendTimeMs?: number
}

const CODECS: Readonly<Record<Codec, readonly [number, (bytes: Buffer) => Buffer]>> = {
  none: [0, (bytes) => bytes],
  gzip: [1, (bytes) => gzipSync(bytes)],
  snappy: [2, compressSnappy],
  xerial: [2, xerial],
  lz4: [3, (bytes) => compressFrameSync(Buffer.from(bytes))],
}

/** A record batch as the protocol describes it (message format 2), written apart from what reads it. */
export function encodeBatch(options: BatchOptions, records: readonly BatchRecord[]): Buffer {
  const { base, last, codec = 'none', producerId = -1n } = options
  const [number, compress] = CODECS[codec]
  const firstMs = records[0]?.timestampMs ?? 0
  const attributes =
    number |
    (options.appendTimeMs === undefined ? 0 : 8) |
    (options.transactional === true ? 16 : 0) |
    (options.control === true ? 32 : 0)
  const checked = Buffer.alloc(40)
  checked.writeInt16BE(attributes, 0)
  checked.writeInt32BE(last - base, 2)
  checked.writeBigInt64BE(BigInt(firstMs), 6)
  const maxMs = options.appendTimeMs ?? Math.max(firstMs, ...records.map((record) => record.timestampMs))
  checked.writeBigInt64BE(BigInt(maxMs), 14)
  checked.writeBigInt64BE(producerId, 22)
  checked.writeInt16BE(0, 30)
  checked.writeInt32BE(0, 32)
  checked.writeInt32BE(records.length, 36)
  const encoded = Buffer.concat(records.map((record) => encodeRecord(record, base, firstMs)))
  const covered = Buffer.concat([checked, compress(encoded)])
  const head = Buffer.alloc(21)
  head.writeBigInt64BE(BigInt(base), 0)
  head.writeInt32BE(9 + covered.length, 8)
  head.writeInt32BE(0, 12)
  head.writeInt8(2, 16)
  head.writeUInt32BE(crc32c(covered), 17)
  return Buffer.concat([head, covered])
}

/** The marker that ends a transaction. */
export function encodeMarker(offset: number, producerId: bigint, outcome: 'abort' | 'commit'): Buffer {
  const key = Buffer.from([0, 0, 0, outcome === 'abort' ? 0 : 1])
  const marker = { offset, timestampMs: 0, key, value: Buffer.from([0, 0, 0, 0, 0, 0]) }
  return encodeBatch({ base: offset, last: offset, producerId, transactional: true, control: true }, [marker])
}

function encodeRecord(record: BatchRecord, base: number, firstMs: number): Buffer {
  const headers = record.headers ?? []
  const body = Buffer.concat([
    Buffer.from([0]),
    varint(record.timestampMs - firstMs),
    varint(record.offset - base),
    sized(record.key),
    sized(record.value),
    varint(headers.length),
    ...headers.flatMap(([name, value]) => [sized(Buffer.from(name)), sized(value)]),
  ])
  return Buffer.concat([varint(body.length), body])
}

function sized(bytes: Buffer | null): Buffer {
  return bytes === null ? varint(-1) : Buffer.concat([varint(bytes.length), bytes])
}

function varint(value: number): Buffer {
  let left = BigInt.asUintN(64, (BigInt(value) << 1n) ^ (BigInt(value) >> 63n))
  const bytes: number[] = []
  for (; left >= 0x80n; left >>= 7n) bytes.push(Number(left & 0x7fn) | 0x80)
  return Buffer.from([...bytes, Number(left)])
}

export function compressSnappy(bytes: Buffer): Buffer {
  return Buffer.from(snappy.compress(new Uint8Array(bytes)))
}

/** As Java's library frames it: a header, then blocks of at most 32 KiB. */
function xerial(bytes: Buffer): Buffer {
  const parts: Buffer[] = [Buffer.from([0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0, 0, 0, 0, 1, 0, 0, 0, 1])]
  for (let at = 0; at < bytes.length; at += 32 * 1024) {
    const block = compressSnappy(bytes.subarray(at, at + 32 * 1024))
    const size = Buffer.alloc(4)
    size.writeUInt32BE(block.length)
    parts.push(size, block)
  }
  return Buffer.concat(parts)
}
