import { statSync } from 'node:fs'
import { resolve } from 'node:path'
import { FirnError } from '../schemas/error.js'

/** A folder as a worker in another directory finds it. */
export function absoluteFolder(path: string): string {
  const folder = resolve(path)
  if (statSync(folder, { throwIfNoEntry: false })?.isDirectory() !== true) {
    throw new FirnError(
      'invalid-input',
      `${folder} is no folder: give --from a folder that holds JSON documents.`,
    )
  }
  return folder
}
