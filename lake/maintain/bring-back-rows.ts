import type { LoadedTable } from '../../iceberg/catalog/catalog.js'
import { FirnError } from '../../schemas/error.js'
import type { LakeDeps } from '../../schemas/lake-deps.js'
import { isLedger } from '../../schemas/lake-tables.js'
import { restoreRemovedRows } from '../land/restore-removed-rows.js'

/**
 * Rows that a rollback of a ledger removed come back before the snapshots that show them expire: of what was replayed from
 * the dead letters nothing else is left. Where they can't, for want of a raw object, expiry is the way out.
 */
export async function bringBackRows(
  deps: LakeDeps,
  table: LoadedTable,
): Promise<{ readonly table: LoadedTable; readonly notes: readonly string[] }> {
  if (!isLedger(table.identifier)) return { table, notes: [] }
  try {
    const { ledger, restored } = await restoreRemovedRows(deps, table.identifier.name, table)
    return {
      table: ledger,
      notes: restored === 0 ? [] : [`${restored} rows that a rollback had removed are back, as they were`],
    }
  } catch (error) {
    if (!(error instanceof FirnError && error.kind === 'not-found')) throw error
    return { table, notes: [error.message] }
  }
}
