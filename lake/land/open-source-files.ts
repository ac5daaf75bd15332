import { realpath, stat } from 'node:fs/promises'
import type { FileIO } from '../../iceberg/io/file-io.js'
import { openFileIO } from '../../iceberg/io/open-file-io.js'
import { isS3Location, parseS3Location } from '../../iceberg/io/s3-location.js'
import { FirnError } from '../../schemas/error.js'
import type { SourceStore } from '../../schemas/lake-deps.js'
import { FolderFiles } from './folder-files.js'
import { PrefixFiles } from './prefix-files.js'
import type { SourceFiles } from './source-files.js'

/** The one name of a folder or prefix that a user named. Errors: `invalid-input`. */
export async function locateSource(from: string): Promise<string> {
  if (isS3Location(from)) return locatePrefix(from)
  const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(from)?.[1]
  if (scheme === undefined) return await resolveFolder(from)
  throw new FirnError(
    'invalid-input',
    `${JSON.stringify(from)} names a place of kind "${scheme}", which can't be landed from: give a folder or s3://bucket/prefix`,
  )
}

/** The files of a place as `locateSource` names it. */
export function openSourceFiles(location: string, store: SourceStore = BY_ENVIRONMENT): SourceFiles {
  if (!isS3Location(location)) return new FolderFiles(location)
  let io = opened.get(store)
  if (io === undefined) {
    // Nothing is written there, so nothing has to be marked as written by this process.
    io = openFileIO({ ...store, newUuid: () => 'reader' })
    opened.set(store, io)
  }
  return new PrefixFiles(io, location)
}

const BY_ENVIRONMENT: SourceStore = {}
/** A client keeps its connections: one for each store of the process. */
const opened = new WeakMap<SourceStore, FileIO>()

/** `s3a` and `s3n` name the same objects; `in` means what lies below `in/`. */
function locatePrefix(from: string): string {
  if (from.includes('\0') || !/^s3[an]?:\/\/[^/]/i.test(from)) {
    throw new FirnError(
      'invalid-input',
      `${JSON.stringify(from)} is no prefix of a bucket: give s3://bucket/prefix`,
    )
  }
  const { bucket, key } = parseS3Location(from)
  return `s3://${bucket}/${key === '' || key.endsWith('/') ? key : `${key}/`}`
}

async function resolveFolder(from: string): Promise<string> {
  try {
    const folder = await realpath(from)
    if ((await stat(folder)).isDirectory()) return folder
  } catch (error) {
    throw new FirnError(
      'invalid-input',
      `landing folder ${JSON.stringify(from)} can't be read: give an existing folder`,
      { cause: error },
    )
  }
  throw new FirnError(
    'invalid-input',
    `${JSON.stringify(from)} is not a folder: give the folder that holds the documents`,
  )
}
