import type { FileHandle } from 'node:fs/promises'
import { open } from 'node:fs/promises'
import { isIcebergError } from '../../iceberg/error.js'
import type { AvroHeader } from '../../iceberg/format/avro/container.js'
import { checkSync, readHeader, SYNC_LENGTH } from '../../iceberg/format/avro/container.js'
import { Cursor } from '../../iceberg/format/avro/cursor.js'
import { EngineError } from '../engine.js'

/** A block of an Avro file, still packed. */
export interface AvroBlock {
  readonly count: number
  readonly packed: Uint8Array
}

export interface AvroFile {
  readonly header: AvroHeader
  /** The blocks in their order; no more than one is in memory. */
  readonly blocks: AsyncIterable<AvroBlock>
}

const FIRST_READ = 64 * 1024
/** A block starts with two integers of ten bytes at most. */
const BLOCK_START = 20

/** Opens a local Avro file for as long as `use` takes. */
export async function withAvroFile<T>(path: string, use: (file: AvroFile) => Promise<T>): Promise<T> {
  const handle = await open(path, 'r')
  try {
    const { size } = await handle.stat()
    const header = await headerOf(handle, size)
    return await use({ header, blocks: blocksOf(handle, size, header) })
  } finally {
    await handle.close()
  }
}

async function headerOf(handle: FileHandle, size: number): Promise<AvroHeader> {
  for (let length = FIRST_READ; ; length *= 4) {
    try {
      return readHeader(await readAt(handle, 0, Math.min(length, size)))
    } catch (error) {
      if (length >= size || !isIcebergError(error, 'data-invalid')) throw error
    }
  }
}

async function* blocksOf(handle: FileHandle, size: number, header: AvroHeader): AsyncIterable<AvroBlock> {
  let position = header.length
  while (position < size) {
    const start = new Cursor(await readAt(handle, position, Math.min(BLOCK_START, size - position)))
    const [count, length] = [start.readLong(), start.readLong()]
    position += start.position
    if (length < 0 || position + length + SYNC_LENGTH > size) {
      throw new EngineError('data-invalid', `an Avro block of ${length} bytes does not fit into its file`)
    }
    const bytes = await readAt(handle, position, length + SYNC_LENGTH)
    checkSync(header, bytes.subarray(length))
    position += length + SYNC_LENGTH
    yield { count, packed: bytes.subarray(0, length) }
  }
}

async function readAt(handle: FileHandle, position: number, length: number): Promise<Uint8Array> {
  const buffer = Buffer.allocUnsafe(length)
  let done = 0
  while (done < length) {
    const { bytesRead } = await handle.read(buffer, done, length - done, position + done)
    if (bytesRead === 0) throw new EngineError('io', 'the file became shorter while it was read')
    done += bytesRead
  }
  return buffer
}
