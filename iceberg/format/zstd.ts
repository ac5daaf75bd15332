import { Decompress } from 'fzstd'
import { IcebergError } from '../error.js'

/** Unpacks zstd frames; `data-invalid` where they are damaged or hold more than `mostBytes`. */
export function unpackZstd(packed: Uint8Array, mostBytes: number): Uint8Array {
  refuseLargeWindow(packed, mostBytes)
  const chunks: Uint8Array[] = []
  let length = 0
  try {
    const stream = new Decompress((chunk) => {
      length += chunk.length
      if (length > mostBytes) throw tooLarge(mostBytes)
      chunks.push(chunk)
    })
    stream.push(packed, true)
  } catch (cause) {
    if (cause instanceof IcebergError) throw cause
    throw new IcebergError('data-invalid', `zstd data is damaged: ${String(cause)}`, { cause })
  }
  return Buffer.concat(chunks)
}

export function isZstd(bytes: Uint8Array): boolean {
  return bytes[0] === 0x28 && bytes[1] === 0xb5 && bytes[2] === 0x2f && bytes[3] === 0xfd
}

/** The decoder allocates what a frame header claims (RFC 8878, 3.1.1.1), before it has seen any of it. */
function refuseLargeWindow(packed: Uint8Array, mostBytes: number): void {
  if (!isZstd(packed) || packed.length < 6) {
    throw new IcebergError('data-invalid', 'zstd data does not start with its magic number')
  }
  const descriptor = packed[4] ?? 0
  const sizeFlag = descriptor >> 6
  const isSingleSegment = (descriptor & 0x20) !== 0
  const dictionaryBytes = [0, 1, 2, 4][descriptor & 3] ?? 0
  const at = 5 + (isSingleSegment ? 0 : 1) + dictionaryBytes
  const sizeBytes = sizeFlag === 0 ? Number(isSingleSegment) : 1 << sizeFlag
  let contentSize = sizeFlag === 1 ? 256 : 0
  for (let index = 0; index < sizeBytes; index++) contentSize += (packed[at + index] ?? 0) * 256 ** index
  const window = packed[5] ?? 0
  const windowSize = isSingleSegment ? contentSize : 2 ** (10 + (window >> 3)) * (1 + (window & 7) / 8)
  if (contentSize > mostBytes || windowSize > Math.max(mostBytes, 8 * 1024 * 1024)) throw tooLarge(mostBytes)
}

function tooLarge(mostBytes: number): IcebergError {
  return new IcebergError('data-invalid', `zstd data holds more than ${mostBytes} bytes`)
}
