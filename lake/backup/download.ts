import { createHash } from 'node:crypto'
import { mkdir, open } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { FileIO } from '../../iceberg/io/file-io.js'

const PART_BYTES = 8 * 1024 * 1024

/** Reads a file of a store into one of the local disk, flushed; at most `bytes` of it. */
export async function download(
  io: FileIO,
  file: { readonly location: string; readonly bytes: number },
  path: string,
): Promise<{ readonly bytes: number; readonly sha256: string }> {
  await mkdir(dirname(path), { recursive: true })
  const target = await open(path, 'w')
  const hash = createHash('sha256')
  let written = 0
  try {
    while (written < file.bytes) {
      const end = Math.min(written + PART_BYTES, file.bytes)
      const bytes = await io.read(file.location, { start: written, end })
      if (bytes.length === 0) break
      hash.update(bytes)
      await target.write(bytes)
      written += bytes.length
    }
    await target.sync()
  } finally {
    await target.close()
  }
  return { bytes: written, sha256: hash.digest('hex') }
}
