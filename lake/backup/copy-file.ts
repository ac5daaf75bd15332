import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { mkdir, open, rename, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { FileIO } from '../../iceberg/io/file-io.js'
import { FirnError } from '../../schemas/error.js'
import type { BackedFile } from './backup-format.js'

const PART_BYTES = 8 * 1024 * 1024

/**
 * Copies a file of the store to the local disk, part by part, whole or not at all; one that is there in its size is left.
 * Errors: IcebergError `not-found` (it is gone), FirnError `io` (size or digest are not what was recorded).
 */
export async function copyOut(io: FileIO, file: BackedFile, path: string): Promise<void> {
  const known = await stat(path).catch(() => undefined)
  if (known?.size === file.bytes) return
  await mkdir(dirname(path), { recursive: true })
  const part = `${path}.part`
  const target = await open(part, 'w')
  const hash = createHash('sha256')
  let written = 0
  try {
    while (written < file.bytes) {
      const bytes = await io.read(file.location, {
        start: written,
        end: Math.min(written + PART_BYTES, file.bytes),
      })
      if (bytes.length === 0) break
      hash.update(bytes)
      await target.write(bytes)
      written += bytes.length
    }
    await target.sync()
  } finally {
    await target.close()
  }
  checkCopy(file, written, hash.digest('hex'))
  await rename(part, path)
}

/** Puts a copy back where it was. Errors: FirnError `io` where the copy itself is damaged. */
export async function copyBack(io: FileIO, file: BackedFile, path: string): Promise<void> {
  const { size } = await stat(path)
  checkCopy(file, size, file.sha256 === undefined ? undefined : await digestOf(path))
  await io.upload(path, file.location)
}

async function digestOf(path: string): Promise<string> {
  const hash = createHash('sha256')
  for await (const bytes of createReadStream(path)) hash.update(bytes as Buffer)
  return hash.digest('hex')
}

function checkCopy(file: BackedFile, bytes: number, sha256: string | undefined): void {
  const { location, owner } = file
  if (bytes !== file.bytes) {
    throw new FirnError(
      'io',
      `${location} of ${owner} has ${bytes} bytes, and ${file.bytes} are recorded: it is damaged`,
    )
  }
  if (file.sha256 === undefined || sha256 === undefined || sha256 === file.sha256) return
  throw new FirnError(
    'io',
    `${location} of ${owner} is damaged: its SHA-256 is ${sha256}, recorded is ${file.sha256}`,
  )
}
