import { statSync } from 'node:fs'
import { resolve } from 'node:path'
import { isS3Location } from '../iceberg/io/s3-location.js'
import { FirnError } from '../schemas/error.js'

/** A folder as a worker in another directory finds it; a prefix of a bucket as it is. */
export function absoluteFolder(path: string): string {
  if (isS3Location(path)) return path
  const folder = resolve(path)
  if (statSync(folder, { throwIfNoEntry: false })?.isDirectory() !== true) {
    throw new FirnError(
      'invalid-input',
      `${folder} is no folder: give --from a folder that holds JSON documents, or s3://bucket/prefix.`,
    )
  }
  return folder
}
