import { inflateRawSync } from 'node:zlib'
import snappy from 'snappyjs'
import { IcebergError } from '../../error.js'
import { crc32 } from '../crc32.js'
import { unpackZstd } from '../zstd.js'

/** A block that unpacks to more is taken for an attack on the memory. */
const MOST_BLOCK_BYTES = 256 * 1024 * 1024

/**
 * Unpacks one block of a container file (Avro specification, "Required Codecs" and "Optional Codecs"): null, deflate,
 * snappy and zstandard. Throws `unsupported` for another codec, `data-invalid` for a damaged block.
 */
export function blockUnpacker(
  codec: string,
  mostBytes = MOST_BLOCK_BYTES,
): (packed: Uint8Array) => Uint8Array {
  switch (codec) {
    case 'null':
      return (packed) => packed
    case 'deflate':
      return (packed) => attempt(codec, () => inflateRawSync(packed, { maxOutputLength: mostBytes }))
    case 'snappy':
      return (packed) => attempt(codec, () => unpackSnappy(packed, mostBytes))
    case 'zstandard':
      return (packed) => attempt(codec, () => unpackZstd(packed, mostBytes))
    default:
      throw new IcebergError(
        'unsupported',
        `Avro codec '${codec}' is not supported: rewrite the file with deflate, snappy or zstandard`,
      )
  }
}

/** The packed bytes are followed by the CRC-32 of the plain ones. */
function unpackSnappy(packed: Uint8Array, mostBytes: number): Uint8Array {
  const end = packed.length - 4
  if (end < 0) throw new IcebergError('data-invalid', 'the block is shorter than its checksum')
  const plain = snappy.uncompress(packed.subarray(0, end), mostBytes)
  const expected = new DataView(packed.buffer, packed.byteOffset + end, 4).getUint32(0)
  if (crc32(plain) !== expected) throw new IcebergError('data-invalid', 'the checksum differs')
  return plain
}

function attempt(codec: string, unpack: () => Uint8Array): Uint8Array {
  try {
    return unpack()
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new IcebergError('data-invalid', `an Avro block does not unpack with ${codec}: ${reason}`, {
      cause,
    })
  }
}
