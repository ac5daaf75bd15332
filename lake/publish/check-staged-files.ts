import { isIcebergError } from '../../iceberg/error.js'
import type { DataFile } from '../../iceberg/spec/data-file.js'
import { FirnError } from '../../schemas/error.js'
import type { LakeDeps } from '../../schemas/lake-deps.js'
import type { PublishRequest } from '../../schemas/publish.js'

const PARALLEL = 16

/** Just before a commit: every staged file is there in its size and no lease is past; else `stage-expired`. */
export async function checkStagedFiles(
  deps: Pick<LakeDeps, 'catalog' | 'now'>,
  request: PublishRequest,
): Promise<void> {
  for (const { table, files, leaseExpiresAtMs } of request.tables) {
    if (leaseExpiresAtMs !== undefined && leaseExpiresAtMs <= deps.now()) {
      throw expired(
        request,
        table,
        `its staged files were safe until ${new Date(leaseExpiresAtMs).toISOString()}`,
      )
    }
    for (let start = 0; start < files.length; start += PARALLEL) {
      const slice = files.slice(start, start + PARALLEL)
      const missing = (await Promise.all(slice.map((file) => isMissing(deps, file)))).indexOf(true)
      if (missing !== -1)
        throw expired(request, table, `staged file ${slice[missing]?.filePath ?? ''} is gone or changed`)
    }
  }
}

async function isMissing(deps: Pick<LakeDeps, 'catalog'>, file: DataFile): Promise<boolean> {
  try {
    return (await deps.catalog.io.stat(file.filePath)).sizeBytes !== file.fileSizeInBytes
  } catch (error) {
    if (isIcebergError(error, 'not-found')) return true
    throw error
  }
}

function expired(request: PublishRequest, table: string, why: string): FirnError {
  return new FirnError(
    'stage-expired',
    `batch ${request.batch}, table ${table}: ${why}; it has to be built again`,
    {
      context: { batch: request.batch, tables: [table] },
    },
  )
}
