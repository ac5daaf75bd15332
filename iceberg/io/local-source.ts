import type { FileHandle } from 'node:fs/promises'
import { open } from 'node:fs/promises'
import { IcebergError } from '../error.js'

/** A file of the local disk that is being uploaded. */
export interface LocalSource {
  readonly handle: FileHandle
  readonly sizeBytes: number
}

/** Opens a file to upload for as long as `use` runs. Throws `io` where it can't be read: it is not the target that fails. */
export async function withLocalSource<T>(
  localPath: string,
  use: (source: LocalSource) => Promise<T>,
): Promise<T> {
  const handle = await open(localPath, 'r').catch((error: unknown) => {
    throw unreadable(localPath, error)
  })
  try {
    return await use({ handle, sizeBytes: (await handle.stat()).size })
  } finally {
    await handle.close()
  }
}

/** Exactly the bytes [start, end) of an open file. Throws `io` where it ends before. */
export async function readSource(
  { handle }: LocalSource,
  { start, end }: { readonly start: number; readonly end: number },
): Promise<Uint8Array> {
  const buffer = new Uint8Array(end - start)
  for (let done = 0; done < buffer.length;) {
    const { bytesRead } = await handle.read(buffer, done, buffer.length - done, start + done)
    if (bytesRead === 0) {
      throw new IcebergError('io', `a file shrank while it was uploaded: it ends before byte ${end}`)
    }
    done += bytesRead
  }
  return buffer
}

function unreadable(localPath: string, cause: unknown): IcebergError {
  const reason = cause instanceof Error ? cause.message : String(cause)
  return new IcebergError('io', `the file ${localPath} to upload can't be read: ${reason}`, {
    context: { localPath },
    cause,
  })
}
