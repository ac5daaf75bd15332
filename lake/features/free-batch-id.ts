import type { LoadedTable } from '../../iceberg/catalog/catalog.js'
import { rebuildId, type BatchId } from '../../schemas/batch.js'
import type { AuditRow } from '../publish/audit.js'

/** The id itself, or `<id>-2`, … where a batch of that id was published or failed, or left a tag or branch behind. */
export function freeBatchId(
  batch: BatchId,
  family: readonly AuditRow[],
  tables: readonly LoadedTable[],
): BatchId {
  const refs = new Set(tables.flatMap((table) => Object.keys(table.metadata.refs)))
  const taken = new Set(family.map((row) => row.batch))
  for (let n = 1; ; n += 1) {
    const id = rebuildId(batch, n)
    if (!taken.has(id) && !['v_', 'v_incr_', 'failed_'].some((prefix) => refs.has(prefix + id))) return id
  }
}
