import { gunzipSync } from 'node:zlib'
import { decompressFrameSync } from 'lz4-napi'
import { decompressSnappy } from './decompress-snappy.js'
import { decompressZstd } from './decompress-zstd.js'
import { DecompressionProblem } from './decompression-problem.js'

/** A compression bomb stops here, long before it takes the memory; no broker takes a batch that large. */
const MAX_BATCH_BYTES = 256 * 1024 * 1024

type Decompress = (bytes: Buffer, maxBytes: number) => Buffer

/** By their number in a batch's attributes. */
const CODECS: readonly (readonly [name: string, decompress: Decompress])[] = [
  ['nothing', (bytes) => bytes],
  ['gzip', gunzip],
  ['snappy', decompressSnappy],
  ['lz4', decompressLz4],
  ['zstd', decompressZstd],
]

/**
 * The records of a batch; zeros may follow them. Throws DecompressionProblem where they are damaged or larger than
 * `maxBytes`, before that much memory is taken.
 */
export function decompress(codec: number, bytes: Buffer, maxBytes = MAX_BATCH_BYTES): Buffer {
  const [name, run] = CODECS[codec] ?? unknownCodec(codec)
  try {
    return run(bytes, maxBytes)
  } catch (error) {
    throw DecompressionProblem.damaged(name, error)
  }
}

function gunzip(bytes: Buffer, maxBytes: number): Buffer {
  try {
    return gunzipSync(bytes, { maxOutputLength: maxBytes })
  } catch (error) {
    if (error instanceof RangeError) throw DecompressionProblem.tooLarge(maxBytes)
    throw error
  }
}

const LZ4_MAGIC = 0x184d2204

function decompressLz4(bytes: Buffer, maxBytes: number): Buffer {
  if (lz4Bound(bytes) > maxBytes) throw DecompressionProblem.tooLarge(maxBytes)
  return decompressFrameSync(bytes)
}

/** Bytes that the frame's blocks hold at most: it seldom says its size. */
function lz4Bound(bytes: Buffer): number {
  if (bytes.readUInt32LE(0) !== LZ4_MAGIC) throw new DecompressionProblem('has no lz4 frame')
  const flags = bytes.readUInt8(4)
  const blockBytes = 1 << (8 + 2 * ((bytes.readUInt8(5) >> 4) & 7))
  const checksumBytes = (flags & 0x10) === 0 ? 0 : 4
  let at = 7 + ((flags & 0x08) === 0 ? 0 : 8) + ((flags & 0x01) === 0 ? 0 : 4)
  let bound = 0
  for (;;) {
    const block = bytes.readUInt32LE(at)
    if (block === 0) return bound
    at += 4 + (block & 0x7fff_ffff) + checksumBytes
    bound += blockBytes
  }
}

function unknownCodec(codec: number): never {
  throw new DecompressionProblem(`is compressed by codec ${codec}, which nobody knows yet`)
}
