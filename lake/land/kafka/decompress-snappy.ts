import { DecompressionProblem } from './decompression-problem.js'

/** Java's producer frames its blocks (xerial); others write one plain block. */
const XERIAL = Buffer.from([0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0])
const XERIAL_HEADER_BYTES = 16

/** Throws DecompressionProblem or RangeError. */
export function decompressSnappy(bytes: Buffer, maxBytes: number): Buffer {
  const blocks = bytes.subarray(0, XERIAL.length).equals(XERIAL) ? xerialBlocks(bytes) : [bytes]
  const sizes = blocks.map((block) => readLength(block).length)
  const total = sizes.reduce((sum, size) => sum + size, 0)
  if (total > maxBytes) throw DecompressionProblem.tooLarge(maxBytes)
  const into = Buffer.alloc(total)
  let at = 0
  blocks.forEach((block, i) => {
    const size = sizes[i] ?? 0
    decompressBlock(block, into.subarray(at, at + size))
    at += size
  })
  return into
}

function xerialBlocks(bytes: Buffer): Buffer[] {
  const blocks: Buffer[] = []
  for (let at = XERIAL_HEADER_BYTES; at < bytes.length;) {
    const end = at + 4 + bytes.readUInt32BE(at)
    if (end > bytes.length) throw damaged('a block is cut off')
    blocks.push(bytes.subarray(at + 4, end))
    at = end
  }
  return blocks
}

/** Of the block once decompressed, and where its elements begin. */
function readLength(block: Buffer): { readonly length: number; readonly start: number } {
  let length = 0
  for (let start = 0; start < 5; start++) {
    const byte = block.readUInt8(start)
    length += (byte & 0x7f) * 128 ** start
    if (byte < 0x80) return { length, start: start + 1 }
  }
  throw damaged('its length is no number')
}

/** Fills `into` from literals and copies of what it already holds. Snappy's format_description.txt. */
function decompressBlock(block: Buffer, into: Buffer): void {
  let from = readLength(block).start
  let to = 0
  while (from < block.length) {
    const tag = block[from++] ?? 0
    const kind = tag & 3
    if (kind === 0) {
      let length = (tag >> 2) + 1
      if (length > 60) {
        const sizeBytes = length - 60
        length = block.readUIntLE(from, sizeBytes) + 1
        from += sizeBytes
      }
      if (from + length > block.length || to + length > into.length) throw damaged('a literal is cut off')
      if (length > 32) into.set(block.subarray(from, from + length), to)
      else for (let i = 0; i < length; i++) into[to + i] = block[from + i] ?? 0
      from += length
      to += length
    } else {
      const length = kind === 1 ? ((tag >> 2) & 7) + 4 : (tag >> 2) + 1
      const back =
        kind === 1
          ? ((tag >> 5) << 8) | block.readUInt8(from)
          : kind === 2
            ? block.readUInt16LE(from)
            : block.readUInt32LE(from)
      from += kind === 3 ? 4 : kind
      if (back === 0 || back > to || to + length > into.length) throw damaged('a copy points outside')
      // Byte by byte, since a copy may read what it has just written.
      for (let i = 0; i < length; i++, to++) into[to] = into[to - back] ?? 0
    }
  }
  if (to !== into.length) throw damaged(`${to} of ${into.length} bytes are there`)
}

function damaged(reason: string): DecompressionProblem {
  return DecompressionProblem.damaged('snappy', reason)
}
