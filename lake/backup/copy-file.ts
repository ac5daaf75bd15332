import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { FileIO } from '../../iceberg/io/file-io.js'
import { FirnError } from '../../schemas/error.js'
import { copyName, type BackedFile } from './backup-format.js'
import type { BackupPlace } from './backup-place.js'
import { download } from './download.js'

export const COPIES_AT_ONCE = 8

/**
 * Copies a file of the store into a backup, part by part, whole or not at all; one that is there in its size is left.
 * Errors: IcebergError `not-found` (it is gone), FirnError `io` (size or digest are not what was recorded).
 */
export async function copyOut(io: FileIO, file: BackedFile, place: BackupPlace): Promise<void> {
  const name = copyName(file.location)
  if ((await place.sizeOf(name)) === file.bytes) return
  const part = join(place.scratch, `${name}.part`)
  const { bytes, sha256 } = await download(io, file, part)
  checkCopy(file, bytes, sha256)
  await place.take(part, name)
}

/** Puts a copy back where it was. Errors: FirnError `io` where the copy itself is damaged. */
export async function copyBack(io: FileIO, file: BackedFile, place: BackupPlace): Promise<void> {
  await place.withFile(copyName(file.location), async (path) => {
    const { size } = await stat(path)
    checkCopy(file, size, file.sha256 === undefined ? undefined : await digestOf(path))
    await io.upload(path, file.location)
  })
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
