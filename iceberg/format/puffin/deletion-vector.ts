import { IcebergError } from '../../error.js'
import { crc32 } from '../crc32.js'
import { decodeRoaring } from './roaring.js'

/** Bytes before and after the bitmap: a length and the magic number, then the checksum. */
const FRAME_BYTES = 12
const MAGIC = [0xd1, 0xd3, 0x39, 0x64]

/**
 * The deleted positions of a blob `deletion-vector-v1` (Puffin spec), ascending. `count` is what the manifest says it
 * holds (`record_count`). Throws `data-invalid` where the blob is damaged or holds another number.
 */
export function decodeDeletionVector(blob: Uint8Array, count: number): BigInt64Array {
  if (blob.length < FRAME_BYTES) throw damaged(`${blob.length} bytes are too few`)
  const view = new DataView(blob.buffer, blob.byteOffset, blob.length)
  const length = view.getUint32(0)
  if (length !== blob.length - 8) throw damaged(`it says ${length} bytes, but has ${blob.length - 8}`)
  const body = blob.subarray(4, blob.length - 4)
  if (MAGIC.some((byte, index) => body[index] !== byte)) throw damaged('its magic number is another')
  if (crc32(body) !== view.getUint32(blob.length - 4)) throw damaged('its checksum differs')
  return decodeRoaring(body.subarray(MAGIC.length), count)
}

function damaged(reason: string): IcebergError {
  return new IcebergError('data-invalid', `a deletion vector is damaged: ${reason}`)
}
