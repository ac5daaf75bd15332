import type { FileIO } from '../io/file-io.js'
import { inParallel } from '../io/in-parallel.js'

/** A file that could not be deleted, and why. */
export interface FailedDelete {
  readonly location: string
  readonly error: string
}

export const DELETES_AT_ONCE = 32

/** Deletes files, many at a time. One that can't be deleted is told of and stops nothing. */
export async function deleteFiles(
  io: FileIO,
  locations: readonly string[],
): Promise<readonly FailedDelete[]> {
  const failed: FailedDelete[] = []
  await inParallel(locations, DELETES_AT_ONCE, async (location) => {
    try {
      await io.delete(location)
    } catch (error) {
      failed.push({ location, error: error instanceof Error ? error.message : String(error) })
    }
  })
  return failed
}
