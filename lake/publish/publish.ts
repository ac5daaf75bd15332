import type { LakeDeps } from '../../schemas/lake-deps.js'
import type { PublishRequest, PublishResult } from '../../schemas/publish.js'
import { commitBatch } from './commit-batch.js'

/**
 * The one call by which batches, predictions and streams become visible: one catalog transaction over all tables, their
 * tags, the audit row and the check results. A batch published before gives its recorded result. Errors: FirnError
 * `stage-expired` and `rebuild-needed` (context.tables: compute them again), IcebergError `commit-*`.
 */
export async function publish(deps: LakeDeps, request: PublishRequest): Promise<PublishResult> {
  return await commitBatch(deps, request, { status: 'published', follows: false })
}
