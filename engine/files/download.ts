import { open } from 'node:fs/promises'
import type { FileIO } from '../../iceberg/io/file-io.js'
import { inParallel } from '../../iceberg/io/in-parallel.js'
import { EngineError } from '../engine.js'

const CHUNK_BYTES = 8 * 1024 * 1024
const CHUNKS_AT_ONCE = 4

/** Copies an object to a new local file and flushes it. A few chunks are in memory, whatever the object's size. */
export async function download(
  io: FileIO,
  file: { readonly location: string; readonly sizeBytes: number },
  path: string,
): Promise<void> {
  const handle = await open(path, 'w')
  try {
    if (file.sizeBytes <= CHUNK_BYTES) {
      await handle.writeFile(await io.read(file.location))
    } else {
      // Manifests were seen to be wrong about sizes.
      const { sizeBytes } = await io.stat(file.location)
      await inParallel(chunksOf(sizeBytes), CHUNKS_AT_ONCE, async (chunk) => {
        const bytes = await io.read(file.location, chunk)
        if (bytes.length !== chunk.end - chunk.start) throw brokenOff(file.location, sizeBytes)
        await handle.write(bytes, 0, bytes.length, chunk.start)
      })
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
