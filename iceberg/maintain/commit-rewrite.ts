import type { Catalog, TableIdentifier } from '../catalog/catalog.js'
import { isIcebergError } from '../error.js'
import type { SnapshotId } from '../spec/snapshot.js'
import type { RetryOptions } from '../write/retry.js'
import type { Change, CommittedTable } from '../write/table-change.js'
import { commitTransaction } from '../write/transaction.js'

/** Which table a rewrite is committed to, as every request of maintenance says it. */
export interface RewriteTarget {
  readonly catalog: Catalog
  readonly identifier: TableIdentifier
  readonly now: () => number
  readonly newUuid: () => string
  readonly newSnapshotId: () => SnapshotId
  readonly summary?: Readonly<Record<string, string>>
  readonly retry?: RetryOptions
}

/** `conflict`: a writer changed what was rewritten. `busy`: writers were always first. Neither changed anything. */
export type RewriteOutcome =
  | { readonly kind: 'committed'; readonly table: CommittedTable | undefined }
  | { readonly kind: 'conflict' | 'busy' }

/** Commits one rewrite, which yields to writers: what they got ahead of is told and not thrown. */
export async function commitRewrite(target: RewriteTarget, change: Change): Promise<RewriteOutcome> {
  const { catalog, identifier, now, newUuid, summary, retry } = target
  const snapshotId = target.newSnapshotId()
  try {
    const result = await commitTransaction({
      ...{ catalog, now, newUuid },
      ...(retry && { retry }),
      changes: [{ identifier, snapshotId, change, ...(summary && { summary }) }],
    })
    return { kind: 'committed', table: result.kind === 'committed' ? result.tables[0] : undefined }
  } catch (error) {
    if (isIcebergError(error, 'rebuild-needed')) return { kind: 'conflict' }
    if (isIcebergError(error, 'commit-conflict')) return { kind: 'busy' }
    throw error
  }
}
