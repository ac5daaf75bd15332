import { isIcebergError } from '../error.js'
import type { FileIO } from './file-io.js'

/** `createIfAbsent` as an answer: false where the location is taken. */
export async function tryCreate(io: FileIO, location: string, bytes: Uint8Array): Promise<boolean> {
  try {
    await io.createIfAbsent(location, bytes)
    return true
  } catch (error) {
    if (isIcebergError(error, 'already-exists')) return false
    throw error
  }
}
