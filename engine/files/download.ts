import { open } from 'node:fs/promises'
import type { FileIO } from '../../iceberg/io/file-io.js'
import { inParallel } from '../../iceberg/io/in-parallel.js'
import { EngineError } from '../engine.js'
import type { Slots } from './slots.js'

const CHUNK_BYTES = 8 * 1024 * 1024
const CHUNKS_AT_ONCE = 4

export interface Download {
  readonly io: FileIO
  /** One for each chunk that may be in memory, of all downloads together. */
  readonly slots: Slots
  readonly location: string
  /** As somebody said it. */
  readonly sizeBytes: number
}

/** Copies an object to a new local file and flushes it. A few chunks are in memory, whatever the object's size. */
export async function download(file: Download, path: string): Promise<void> {
  const { io, slots } = file
  const handle = await open(path, 'w')
  try {
    if (file.sizeBytes <= CHUNK_BYTES) {
      await slots.run(async () => handle.writeFile(await io.read(file.location)))
    } else {
      // Manifests were seen to be wrong about sizes.
      const { sizeBytes } = await io.stat(file.location)
      await inParallel(chunksOf(sizeBytes), CHUNKS_AT_ONCE, (chunk) =>
        slots.run(async () => {
          const bytes = await io.read(file.location, chunk)
          if (bytes.length !== chunk.end - chunk.start) throw brokenOff(file.location, sizeBytes)
          await handle.write(bytes, 0, bytes.length, chunk.start)
        }),
      )
    }
    await handle.datasync()
  } finally {
    await handle.close()
  }
}

function chunksOf(sizeBytes: number) {
  return Array.from({ length: Math.ceil(sizeBytes / CHUNK_BYTES) }, (_, n) => ({
    start: n * CHUNK_BYTES,
    end: Math.min((n + 1) * CHUNK_BYTES, sizeBytes),
  }))
}

function brokenOff(location: string, sizeBytes: number): EngineError {
  return new EngineError(
    'io',
    `${location} became shorter than its ${sizeBytes} bytes while it was read: files of a lake never change; read again`,
    { context: { location, sizeBytes } },
  )
}
