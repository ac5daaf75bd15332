import { createHash } from 'node:crypto'
import type { Dirent } from 'node:fs'
import { statSync } from 'node:fs'
import { readdir, realpath, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import { FirnError } from '../../schemas/error.js'
import { documentFormatOf } from './read-documents.js'

/** A file of a landing folder as the listing saw it. `path` is relative to the folder, with slashes. */
export interface ListedFile {
  readonly path: string
  readonly size: number
  readonly mtimeMs: number
}

/** A file with the offsets that its records get. */
export interface PlannedFile extends ListedFile {
  readonly first: number
  readonly records: number
}

export interface FolderListing {
  readonly files: readonly ListedFile[]
  /** Document files that are younger than the settle time. */
  readonly waiting: number
  /** Names that were listed and could not be found then. */
  readonly gone: readonly string[]
}

/** Asked one after another, since a round trip to a thread costs more than the call; others get their turn in between. */
const STATS_AT_ONCE = 100

/** The folder that a user named, resolved, so that one folder has one name. */
export async function resolveFolder(from: string): Promise<string> {
  try {
    const folder = await realpath(from)
    if ((await stat(folder)).isDirectory()) return folder
  } catch (error) {
    throw new FirnError(
      'invalid-input',
      `landing folder ${JSON.stringify(from)} can't be read: give an existing folder`,
      {
        cause: error,
      },
    )
  }
  throw new FirnError(
    'invalid-input',
    `${JSON.stringify(from)} is not a folder: give the folder that holds the documents`,
  )
}

/** The identity of a folder source: offsets count per incarnation. */
export function incarnationOf(folder: string): string {
  return createHash('sha256').update(folder).digest('hex').slice(0, 12)
}

/** All document files under the folder, ordered by path. Hidden files and folders and linked folders are passed over. */
export async function listFolder(folder: string, settledBeforeMs: number): Promise<FolderListing> {
  const paths = (await documentPaths(folder, '')).sort()
  const files: ListedFile[] = []
  const gone: string[] = []
  let waiting = 0
  for (const [i, path] of paths.entries()) {
    if (i % STATS_AT_ONCE === 0) await setImmediate()
    const file = statFile(folder, path)
    if (file === undefined) gone.push(path)
    else if (file.mtimeMs > settledBeforeMs) waiting += 1
    else files.push(file)
  }
  return { files, waiting, gone }
}

async function documentPaths(folder: string, prefix: string, found: string[] = []): Promise<string[]> {
  for (const entry of await entriesOf(join(folder, prefix))) {
    if (entry.name.startsWith('.')) continue
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

/** Undefined where the file is gone again, or is a link to something else than a file. */
export function statFile(folder: string, path: string): ListedFile | undefined {
  try {
    const status = statSync(join(folder, path))
    if (!status.isFile()) return undefined
    return { path, size: status.size, mtimeMs: Math.trunc(status.mtimeMs) }
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
    throw new FirnError('io', `${JSON.stringify(join(folder, path))} can't be read`, { cause: error })
  }
}
