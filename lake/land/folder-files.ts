import { createReadStream, statSync } from 'node:fs'
import type { Dirent } from 'node:fs'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import { compareLocations } from '../../iceberg/io/location.js'
import { FirnError } from '../../schemas/error.js'
import { documentFormatOf } from './read-documents.js'
import type { FileListing, ListedFile, SourceFiles } from './source-files.js'
import { fileChanged, isPassedOver } from './source-files.js'

/** Asked one after another, since a round trip to a thread costs more than the call; others get their turn in between. */
const STATS_AT_ONCE = 100
const CHUNK_BYTES = 1024 * 1024

/** The documents of a folder of the local disk. Hidden files and folders and linked folders are passed over. */
export class FolderFiles implements SourceFiles {
  /** `folder`: absolute, and resolved, so that one folder has one name. */
  constructor(private readonly folder: string) {}

  async list(after?: string): Promise<FileListing> {
    const paths = (await documentPaths(this.folder, ''))
      .filter((path) => after === undefined || compareLocations(path, after) > 0)
      .sort(compareLocations)
    const files: ListedFile[] = []
    const gone: string[] = []
    for (const [i, path] of paths.entries()) {
      if (i % STATS_AT_ONCE === 0) await setImmediate()
      const file = this.statNow(path)
      if (file === undefined) gone.push(path)
      else files.push(file)
    }
    return { files, gone, seen: paths.length }
  }

  stat(path: string): Promise<ListedFile | undefined> {
    return new Promise((resolve) => resolve(this.statNow(path)))
  }

  async *read(file: ListedFile): AsyncIterable<Buffer> {
    const path = join(this.folder, file.path)
    try {
      // What is small costs less as a whole than as a stream.
      if (file.size <= CHUNK_BYTES) yield await readFile(path)
      else yield* createReadStream(path, { highWaterMark: CHUNK_BYTES }) as AsyncIterable<Buffer>
    } catch (error) {
      if (isMissing(error)) throw fileChanged(file, 'it is gone')
      throw unreadable(path, error)
    }
  }

  /** Undefined where the file is gone again, or is a link to something else than a file. */
  private statNow(path: string): ListedFile | undefined {
    try {
      const status = statSync(join(this.folder, path))
      if (!status.isFile()) return undefined
      return { path, size: status.size, mtimeMs: Math.trunc(status.mtimeMs) }
    } catch (error) {
      if (isMissing(error)) return undefined
      throw unreadable(join(this.folder, path), error)
    }
  }
}

async function documentPaths(folder: string, prefix: string, found: string[] = []): Promise<string[]> {
  for (const entry of await entriesOf(join(folder, prefix))) {
    if (isPassedOver(entry.name)) continue
    const path = prefix === '' ? entry.name : `${prefix}/${entry.name}`
    if (entry.isDirectory()) await documentPaths(folder, path, found)
    else if ((entry.isFile() || entry.isSymbolicLink()) && documentFormatOf(path) !== undefined) {
      found.push(path)
    }
  }
  return found
}

async function entriesOf(folder: string): Promise<readonly Dirent[]> {
  try {
    return await readdir(folder, { withFileTypes: true })
  } catch (error) {
    throw new FirnError('io', `folder ${JSON.stringify(folder)} can't be read`, { cause: error })
  }
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ENOTDIR')
}

function unreadable(path: string, error: unknown): FirnError {
  const reason = error instanceof Error ? error.message : String(error)
  return new FirnError('io', `${JSON.stringify(path)} can't be read: ${reason}`, { cause: error })
}
