import { ifFound } from '../../iceberg/error.js'
import type { FileIO, FileStatus } from '../../iceberg/io/file-io.js'
import { inParallel } from '../../iceberg/io/in-parallel.js'
import type { MaintainedFile } from '../../schemas/maintenance.js'

const DELETES_AT_ONCE = 16

/**
 * Deletes files as they were listed; one that was written again meanwhile stays. Each file's own result; none stops the
 * others.
 */
export async function deleteOneByOne(
  io: FileIO,
  files: readonly FileStatus[],
  why: MaintainedFile['why'],
  { dryRun }: { readonly dryRun: boolean },
): Promise<readonly MaintainedFile[]> {
  return await inParallel(files, DELETES_AT_ONCE, async ({ location, sizeBytes, modifiedMs }) => {
    const file = { location, sizeBytes, why }
    if (dryRun) return { ...file, result: 'would-delete' }
    try {
      const now = await ifFound(io.stat(location))
      if (now !== undefined && now.modifiedMs !== modifiedMs) return { ...file, result: 'needed-after-all' }
      await io.delete(location)
      return { ...file, result: 'deleted' }
    } catch (error) {
      return { ...file, result: 'failed', error: error instanceof Error ? error.message : String(error) }
    }
  })
}
