import { isIcebergError } from '../../iceberg/error.js'
import type { LoadedTable } from '../../iceberg/catalog/catalog.js'
import { diffSnapshots, type SnapshotDiff } from '../../iceberg/scan/diff-snapshots.js'
import { resolveTarget } from '../../iceberg/spec/refs.js'
import type { Snapshot } from '../../iceberg/spec/snapshot.js'
import { FirnError } from '../../schemas/error.js'
import type { LakeDeps } from '../../schemas/lake-deps.js'
import { loadNamedTable } from './table-names.js'

/** What makes two states of a table differ; each is a tag, a branch or a snapshot id. FirnError `not-found`. */
export async function diffTable(
  deps: Pick<LakeDeps, 'catalog'>,
  { name, from, to }: { readonly name: string; readonly from: string; readonly to: string },
): Promise<SnapshotDiff> {
  const table = await loadNamedTable(deps, name)
  const [before, after] = [snapshotNamed(table, name, from), snapshotNamed(table, name, to)]
  return diffSnapshots({ metadata: table.metadata, io: deps.catalog.io, from: before, to: after })
}

function snapshotNamed({ metadata }: LoadedTable, name: string, at: string): Snapshot {
  const isId = !Object.hasOwn(metadata.refs, at) && /^\d+$/.test(at)
  const target = isId
    ? ({ kind: 'snapshot', snapshotId: BigInt(at) } as const)
    : ({ kind: 'ref', ref: at } as const)
  try {
    const snapshot = resolveTarget(metadata, target)
    if (snapshot !== undefined) return snapshot
  } catch (error) {
    if (!isIcebergError(error, 'not-found')) throw error
    throw new FirnError('not-found', `table ${name}: ${error.message}`, { cause: error })
  }
  throw new FirnError('not-found', `table ${name} has no snapshot yet: nothing was written to it`)
}
