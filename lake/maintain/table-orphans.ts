import type { EqualPrefixes } from '../../iceberg/maintain/location-parts.js'
import { streamOrphans, type OrphanFile, type OrphanRequest } from '../../iceberg/maintain/orphans.js'
import type { LakeDeps } from '../../schemas/lake-deps.js'
import { loadNamedTable } from '../query/table-names.js'
import { leasedFiles } from './live-leases.js'

/** What counts as an orphan, and whether it is deleted; without `delete` nothing changes. */
export interface TableOrphansOptions extends EqualPrefixes {
  readonly delete?: boolean
  /** Default: the lake's own setting. Less than 24 hours takes `force` where files are deleted. */
  readonly olderThanMs?: number
  readonly force?: boolean
  readonly location?: string
  readonly prefixMismatch?: NonNullable<OrphanRequest['prefixMismatch']>
}

/**
 * Files in a table's folder that nothing names, one by one as they are found; what live leases name is none. Errors:
 * FirnError `not-found`, IcebergError `invalid-argument` (too young, a path under another scheme).
 */
export async function* tableOrphans(
  deps: LakeDeps,
  table: string,
  options: TableOrphansOptions,
): AsyncIterable<OrphanFile> {
  const { delete: deletes = false, olderThanMs, force, ...rest } = options
  const { identifier } = await loadNamedTable(deps, table)
  const nowMs = deps.now()
  yield* streamOrphans({
    ...{ ...rest, catalog: deps.catalog, identifier, nowMs, dryRun: !deletes },
    olderThanMs: nowMs - (olderThanMs ?? deps.settings.orphanMinAgeMs),
    // The lake's own setting is the promise that no batch takes longer.
    force: olderThanMs === undefined || force === true,
    spare: () => leasedFiles(deps),
  })
}
