import { FirnError } from '../../schemas/error.js'
import type { LakeDeps } from '../../schemas/lake-deps.js'
import type { PublishRequest } from '../../schemas/publish.js'
import { isIntact } from '../staging/is-intact.js'

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
      const missing = (await Promise.all(slice.map((file) => isIntact(deps.catalog.io, file)))).indexOf(false)
      if (missing !== -1)
        throw expired(request, table, `staged file ${slice[missing]?.filePath ?? ''} is gone or changed`)
    }
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
