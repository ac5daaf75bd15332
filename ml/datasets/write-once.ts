import { isIcebergError } from '../../iceberg/error.js'
import type { LakeDeps } from '../../schemas/lake-deps.js'

/** Writes an object whose name is drawn from its content: whoever wrote it first wrote the same. */
export async function writeOnce(deps: LakeDeps, location: string, bytes: Uint8Array): Promise<void> {
  try {
    await deps.catalog.io.createIfAbsent(location, bytes)
  } catch (error) {
    if (!isIcebergError(error, 'already-exists')) throw error
  }
}
