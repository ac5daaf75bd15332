import { tableTarget } from '../../engine/table-target.js'
import type { Row } from '../../engine/engine.js'
import { writeRows } from '../../engine/parquet/write-rows.js'
import type { LoadedTable } from '../../iceberg/catalog/catalog.js'
import type { DataFile } from '../../iceberg/spec/data-file.js'
import type { LakeDeps } from '../../schemas/lake-deps.js'

/** Writes a few rows as a file of an unpartitioned table; nothing of it is visible yet. */
export async function writeTableRows(
  deps: Pick<LakeDeps, 'catalog' | 'newUuid'>,
  { metadata }: LoadedTable,
  rows: readonly Row[],
): Promise<DataFile> {
  const { catalog, newUuid } = deps
  return await writeRows({ ...tableTarget(metadata), io: catalog.io, partition: [], rows, newUuid })
}
