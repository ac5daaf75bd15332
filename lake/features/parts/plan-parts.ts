import type { LoadedTable } from '../../../iceberg/catalog/catalog.js'
import type { LakeDeps } from '../../../schemas/lake-deps.js'
import type { Pipeline } from '../../../schemas/pipeline.js'
import { landedBytesFrom, readLedger } from '../../land/ledger.js'
import { tablesByRecord } from './tables-by-record.js'

const PART_BYTES = 1024 ** 3
/** Every part is two entries of a workflow's history and a file of each partition. */
const MOST_PARTS = 64

/**
 * Into how many parts a range is cut: 1 for what is not large, where no table may be built from a part, and for what lies
 * in one object. A range of which the landings' summaries say that it is not large costs no look at its rows.
 */
export async function planParts(
  deps: LakeDeps,
  pipeline: Pipeline,
  ledger: LoadedTable,
  range: { readonly rowFrom: number; readonly rowEnd: number },
): Promise<number> {
  const partBytes = deps.settings.partBytes ?? PART_BYTES
  const landed = landedBytesFrom(ledger, range.rowFrom)
  if (landed !== undefined && landed <= partBytes) return 1
  if ((await tablesByRecord(pipeline)).size === 0) return 1
  const rows = await readLedger(deps, ledger, range)
  const bytes = rows.reduce((sum, row) => sum + row.bytes, 0)
  const objects = new Set(rows.filter((row) => row.records > 0).map((row) => row.path)).size
  return Math.max(1, Math.min(Math.ceil(bytes / partBytes), objects, MOST_PARTS))
}
