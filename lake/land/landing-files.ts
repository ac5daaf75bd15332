import { createHash } from 'node:crypto'
import { opendir, realpath, stat } from 'node:fs/promises'
import { join } from 'node:path'
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

const STATS_AT_ONCE = 32

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
  const paths: string[] = []
  for await (const path of documentPaths(folder, '')) paths.push(path)
  paths.sort()
  const files: ListedFile[] = []
  const gone: string[] = []
  let waiting = 0
  for (let i = 0; i < paths.length; i += STATS_AT_ONCE) {
    const some = paths.slice(i, i + STATS_AT_ONCE)
    const found = await Promise.all(some.map((path) => statFile(folder, path)))
    for (const [j, file] of found.entries()) {
      if (file === undefined) gone.push(some[j] ?? '')
      else if (file.mtimeMs > settledBeforeMs) waiting += 1
      else files.push(file)
    }
  }
  return { files, waiting, gone }
}

async function* documentPaths(folder: string, prefix: string): AsyncGenerator<string> {
  for await (const entry of await opendir(join(folder, prefix))) {
    if (entry.name.startsWith('.')) continue
    const path = prefix === '' ? entry.name : `${prefix}/${entry.name}`
    if (entry.isDirectory()) yield* documentPaths(folder, path)
    else if ((entry.isFile() || entry.isSymbolicLink()) && documentFormatOf(path) !== undefined) yield path
  }
}

/** Undefined where the file is gone again, or is a link to something else than a file. */
export async function statFile(folder: string, path: string): Promise<ListedFile | undefined> {
  try {
    const status = await stat(join(folder, path))
    if (!status.isFile()) return undefined
    return { path, size: status.size, mtimeMs: Math.trunc(status.mtimeMs) }
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
    throw new FirnError('io', `${JSON.stringify(join(folder, path))} can't be read`, { cause: error })
  }
}
