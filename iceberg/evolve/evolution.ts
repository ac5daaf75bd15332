import type { TableCommit } from '../catalog/catalog.js'
import type { TableMetadata } from '../spec/table-metadata.js'
import type { TableRequirement, TableUpdate } from '../update/table-update.js'

/** What a change of a table's metadata needs and does, as data. No updates: the table is as wished already. */
export type Evolution = Pick<TableCommit, 'requirements' | 'updates'>

export const NO_EVOLUTION: Evolution = { requirements: [], updates: [] }

/** An evolution of this very table (its uuid), valid while the further requirements hold. */
export function evolutionOf(
  metadata: TableMetadata,
  updates: readonly TableUpdate[],
  requirements: readonly TableRequirement[] = [],
): Evolution {
  if (updates.length === 0) return NO_EVOLUTION
  return {
    requirements: [{ type: 'assert-table-uuid', uuid: metadata['table-uuid'] }, ...requirements],
    updates,
  }
}
