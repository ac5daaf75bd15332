import { decompress } from 'fzstd'
import { DecompressionProblem } from './decompression-problem.js'

const MAGIC = 0xfd2fb528
const SKIPPABLE = 0x184d2a5
const BLOCK_BYTES = 128 * 1024
const RAW = 0
const RUN = 1

/**
 * Of a single frame the answer is followed by zeros. The blocks are walked first: they bound what comes out, and a frame
 * seldom says its size. Throws DecompressionProblem, RangeError, or what fzstd throws.
 */
export function decompressZstd(bytes: Buffer, maxBytes: number): Buffer {
  const frames: { readonly bytes: Uint8Array; readonly bound: number }[] = []
  let total = 0
  for (let at = 0; at < bytes.length;) {
    const { end, bound } = walkFrame(bytes, at, maxBytes)
    if (bound !== undefined) frames.push({ bytes: bytes.subarray(at, end), bound })
    total += bound ?? 0
    if (total > maxBytes) throw DecompressionProblem.tooLarge(maxBytes)
    at = end
  }
  const [first, ...others] = frames
  if (first === undefined) return Buffer.alloc(0)
  if (others.length > 0) return Buffer.concat(frames.map((frame) => decompress(frame.bytes)))
  const into = Buffer.alloc(first.bound)
  decompress(first.bytes, into)
  return into
}

/** Where the frame ends and how many bytes at most it holds; undefined: it is to be skipped. RFC 8878, section 3.1. */
function walkFrame(
  bytes: Buffer,
  start: number,
  maxBytes: number,
): { readonly end: number; readonly bound: number | undefined } {
  const magic = bytes.readUInt32LE(start)
  if (magic >>> 4 === SKIPPABLE) return { end: start + 8 + bytes.readUInt32LE(start + 4), bound: undefined }
  if (magic !== MAGIC) throw new DecompressionProblem('has no zstd frame where one begins')
  const descriptor = bytes.readUInt8(start + 4)
  const single = (descriptor & 0x20) !== 0
  if (!single && windowBytes(bytes.readUInt8(start + 5)) > maxBytes)
    throw DecompressionProblem.tooLarge(maxBytes)
  const sizeFlag = descriptor >> 6
  const sizeBytes = sizeFlag === 0 ? Number(single) : 1 << sizeFlag
  const dictionaryBytes = [0, 1, 2, 4][descriptor & 3] ?? 0
  let at = start + 5 + Number(!single) + dictionaryBytes + sizeBytes
  let bound = 0
  for (let last = false; !last;) {
    const header = bytes.readUIntLE(at, 3)
    const kind = (header >> 1) & 3
    const size = header >> 3
    last = (header & 1) === 1
    at += 3 + (kind === RUN ? 1 : size)
    bound += kind === RAW || kind === RUN ? size : BLOCK_BYTES
  }
  return { end: at + ((descriptor & 4) === 0 ? 0 : 4), bound }
}

function windowBytes(descriptor: number): number {
  const base = 2 ** (10 + (descriptor >> 3))
  return base + (base / 8) * (descriptor & 7)
}
