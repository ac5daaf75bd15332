import type { LoadedTable } from '../../iceberg/catalog/catalog.js'
import { planScan } from '../../iceberg/scan/plan-scan.js'
import { openTable } from '../../engine/table/open-table.js'
import type { LakeDeps } from '../../schemas/lake-deps.js'
import { DEAD_LETTERS } from '../../schemas/lake-tables.js'
import { ensureLandingTables } from '../tables/ensure-tables.js'
import { letterKeySql } from './letter-id.js'
import type { LetterCount } from './list-letters.js'
import { countLetters } from './list-letters.js'
import type { LetterSelection } from './read-letters.js'
import { loadLetters, selectedSql } from './read-letters.js'

/** Letters that are to go, as they were when somebody was told of them: what is landed later is not among them. */
export interface DropPlan {
  readonly table: LoadedTable | undefined
  readonly selection: LetterSelection
  readonly counts: readonly LetterCount[]
  readonly letters: number
}

/** Says what a drop would delete. */
export async function planDrop(deps: LakeDeps, selection: LetterSelection): Promise<DropPlan> {
  const table = await loadLetters(deps)
  const counts = table === undefined ? [] : await countLetters(deps, table, selection)
  const letters = counts.reduce((sum, count) => sum + count.letters, 0)
  return { table, selection, counts, letters }
}

/**
 * Deletes the planned letters for good; the snapshot says why and by whom. Those that somebody replayed or dropped since
 * are passed over. Returns how many went. Errors: IcebergError `commit-*`.
 */
export async function dropLetters(
  deps: LakeDeps,
  { table, selection, counts, letters }: DropPlan,
  why: { readonly reason: string; readonly by: string },
): Promise<{ readonly dropped: number; readonly snapshotId: string | null }> {
  if (table === undefined || letters === 0) return { dropped: 0, snapshotId: null }
  const [source] = counts.map((count) => count.source)
  // Columns that came later have to be there.
  if (source !== undefined) await ensureLandingTables(deps, source)
  const { metadata } = table
  const { schema, tasks } = await planScan({ metadata, io: deps.catalog.io })
  const doomed = { kind: 'scan' as const, name: 'planned_letters', schema, tasks, metadata }
  const keys = `SELECT ${letterKeySql('p')} FROM (${selectedSql(table, selection, doomed.name)}) p`
  const result = await openTable({ ...deps, identifier: DEAD_LETTERS }).delete(
    { sql: `${letterKeySql('target')} IN (${keys})`, relations: [doomed] },
    {
      // Letters that others add are none of these.
      isolation: 'snapshot',
      summary: {
        'firn.dropped-letters': String(letters),
        'firn.reason': why.reason,
        'firn.dropped-by': why.by,
      },
    },
  )
  return { dropped: result.deletedRows, snapshotId: result.snapshotId?.toString() ?? null }
}
