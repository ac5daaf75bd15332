import type { LakeDeps } from '../../schemas/lake-deps.js'
import { SUMMARY } from '../publish/audit.js'
import { loadNamedTable } from './table-names.js'

export interface HistoryEntry {
  readonly snapshotId: string
  readonly parentId: string | null
  readonly committedAt: string
  readonly operation: string | null
  readonly addedRows: number
  readonly deletedRows: number
  /** Rows of the table then; null where the writer did not say. */
  readonly rows: number | null
  /** Tags and branches that point at it. */
  readonly refs: readonly string[]
  /** Batch that committed it. */
  readonly batch: string | null
}

/** The retained snapshots of a table, newest first. */
export async function tableHistory(
  deps: Pick<LakeDeps, 'catalog'>,
  name: string,
): Promise<readonly HistoryEntry[]> {
  const { metadata } = await loadNamedTable(deps, name)
  const refs = Object.entries(metadata.refs)
  return metadata.snapshots
    .toSorted((a, b) => b['sequence-number'] - a['sequence-number'] || b['timestamp-ms'] - a['timestamp-ms'])
    .map((snapshot) => {
      const { summary } = snapshot
      const parent = snapshot['parent-snapshot-id']
      const rows = Number(summary?.['total-records'])
      return {
        snapshotId: String(snapshot['snapshot-id']),
        parentId: parent === undefined ? null : String(parent),
        committedAt: new Date(snapshot['timestamp-ms']).toISOString(),
        operation: summary?.operation ?? null,
        addedRows: Number(summary?.['added-records'] ?? 0),
        deletedRows: Number(summary?.['deleted-records'] ?? 0),
        rows: Number.isFinite(rows) ? rows : null,
        refs: refs.filter(([, ref]) => ref['snapshot-id'] === snapshot['snapshot-id']).map(([ref]) => ref),
        batch: summary?.[SUMMARY.batch] ?? null,
      }
    })
}
