import type { Catalog, LoadedTable, TableCommit, TableIdentifier } from '../catalog/catalog.js'
import { isIcebergError } from '../error.js'
import type { RefChange } from './ref-change.js'
import { refNameOf } from './ref-change.js'
import { refUpdates } from './ref-updates.js'
import type { RetryOptions } from './retry.js'
import { backOffMs, retryPolicy } from './retry.js'

export type { RefChange }

/** Changes of the tags and branches of one table, in their order. */
export interface TableRefChanges {
  readonly identifier: TableIdentifier
  readonly changes: readonly RefChange[]
}

/** Which refs of which tables to change, together. */
export interface RefOptions {
  readonly catalog: Catalog
  readonly tables: readonly TableRefChanges[]
  readonly now: () => number
  readonly newUuid: () => string
  readonly retry?: RetryOptions
}

/**
 * Creates, moves and drops tags and branches of many tables in one commit. Doing it twice is doing it once, so a lost
 * answer is simply asked again. A rollback or `set-current` takes back what it saw and no more: where the branch got new
 * commits meanwhile it ends as `commit-conflict`. Errors: `already-exists`, `not-found` (the snapshot, or an empty table's
 * head), `commit-rejected` (not an ancestor), and those of a commit.
 */
export async function changeRefs(options: RefOptions): Promise<readonly LoadedTable[]> {
  const identifiers = options.tables.map((table) => table.identifier)
  const first = await options.catalog.loadTables(identifiers)
  const policy = retryPolicy(options.retry ?? {}, first[0]?.metadata.properties ?? {})
  let loaded = first
  for (let attempt = 1; ; attempt++) {
    const now = options.now()
    const commits = options.tables.flatMap((table, at) => {
      const [current, seen] = [loaded[at], first[at]]
      return current === undefined || seen === undefined ? [] : [refCommit(current, seen, table.changes, now)]
    })
    try {
      return await options.catalog.commit(commits)
    } catch (error) {
      const isTransient = isIcebergError(error, 'commit-conflict') || isIcebergError(error, 'commit-unknown')
      if (!isTransient || attempt >= policy.tries) throw error
    }
    await policy.sleep(backOffMs(policy, attempt, options.newUuid()))
    loaded = await options.catalog.loadTables(identifiers)
  }
}

function refCommit(
  loaded: LoadedTable,
  seen: LoadedTable,
  changes: readonly RefChange[],
  now: number,
): TableCommit {
  const { identifier, metadata } = loaded
  const named = changes.flatMap((change) => {
    const from = change.kind === 'fast-forward' && 'ref' in change.to ? [change.to.ref] : []
    return [refNameOf(change), ...from]
  })
  return {
    identifier,
    requirements: [
      { type: 'assert-table-uuid', uuid: metadata['table-uuid'] },
      ...[...new Set(named)].map((name) => ({
        type: 'assert-ref-snapshot-id' as const,
        ref: name,
        'snapshot-id': metadata.refs[name]?.['snapshot-id'] ?? null,
      })),
    ],
    updates: changes.flatMap((change) => refUpdates({ loaded, seen, now }, change)),
  }
}
