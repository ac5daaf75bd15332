import { ifFound } from '../../iceberg/error.js'
import type { LakeDeps } from '../../schemas/lake-deps.js'
import { auditIdentifier } from '../../schemas/lake-tables.js'
import { publishedState } from '../publish/audit.js'

/**
 * The least number that a new ledger row may get: beyond what any batch has read. It matters where the ledger was rolled
 * back and the removed rows have expired: their numbers must not name other records.
 */
export async function numberFloor(deps: LakeDeps, source: string): Promise<number> {
  const readers = [...deps.pipelines.values()].filter(({ sources }) => Object.hasOwn(sources, source))
  const ends = await Promise.all(
    readers.map(async ({ name, namespace }) => {
      const audit = await ifFound(deps.catalog.loadTable(auditIdentifier(namespace)))
      return audit === undefined ? 0 : (await publishedState(deps, audit, name)).end
    }),
  )
  return Math.max(0, ...ends)
}
