import type { Catalog, LoadedTable, TableIdentifier } from '../catalog/catalog.js'
import { isIcebergError } from '../error.js'
import type { Replacement } from '../update/plan-replacement.js'
import { planReplacement } from '../update/plan-replacement.js'

const TRIES = 5

/**
 * Makes a table anew in place, or creates it where there is none. Its snapshots, tags and history stay; main is empty.
 * Errors: those of a commit; `commit-unknown` may be asked again: replacing twice is replacing once.
 */
export async function replaceTable(
  catalog: Catalog,
  identifier: TableIdentifier,
  replacement: Replacement,
): Promise<LoadedTable> {
  for (let attempt = 1; ; attempt++) {
    try {
      const { metadata } = await catalog.loadTable(identifier)
      const [table] = await catalog.commit([{ identifier, ...planReplacement(metadata, replacement) }])
      if (table !== undefined) return table
    } catch (error) {
      if (isIcebergError(error, 'not-found')) return catalog.createTable({ identifier, ...replacement })
      if (!isIcebergError(error, 'commit-conflict') || attempt >= TRIES) throw error
    }
  }
}
