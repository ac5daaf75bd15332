import { formatIdentifier, type LoadedTable } from '../../iceberg/catalog/catalog.js'
import { eq } from '../../iceberg/expr/expression.js'
import { quoteText } from '../../engine/duckdb/sql-text.js'
import { queryTable } from '../../engine/query-table.js'
import type { LakeDeps } from '../../schemas/lake-deps.js'
import type { NamedSource } from '../land/source-of.js'
import type { WindowPosition } from './window-marker.js'
import type { WindowTable } from './window-table.js'

/** `processing_name` of the audit rows that tell of a source's windows. */
export function windowsName({ pipeline, name }: Pick<NamedSource, 'pipeline' | 'name'>): string {
  return `${pipeline.name}.windows.${name}`
}

/**
 * How far a table is that does not say so itself, from the audit row of a publish: only where that row names the very
 * snapshot that the table's own trail ends at. Any other row may tell of rows that a rollback has taken away.
 */
export async function publishedPosition(
  deps: Pick<LakeDeps, 'catalog' | 'engine'>,
  source: NamedSource,
  audit: LoadedTable,
  { loaded, position }: WindowTable & { readonly position: WindowPosition },
): Promise<WindowPosition | undefined> {
  if (position.kind !== 'lost' || position.beneath === undefined) return undefined
  const name = windowsName(source)
  const at = `list_position(table_names, ${quoteText(formatIdentifier(loaded.identifier))})`
  const [row] = await queryTable(
    { engine: deps.engine, io: deps.catalog.io, metadata: audit.metadata },
    {
      name: 'audit',
      filter: eq('processing_name', name),
      sql: `SELECT input_to::DOUBLE AS row_end, processing_batch_id AS batch,
              (source_data_info->>'watermarkMs')::DOUBLE AS watermark_ms
            FROM audit WHERE processing_name = ${quoteText(name)} AND status = 'published'
              AND snapshot_ids[${at}] = ${BigInt(position.beneath)} ORDER BY input_to DESC LIMIT 1`,
    },
  )
  if (row === undefined) return undefined
  const watermarkMs = row['watermark_ms']
  return {
    kind: 'known',
    silent: true,
    marker: {
      rowEnd: Number(row['row_end']),
      ...(typeof watermarkMs === 'number' ? { watermarkMs } : {}),
      batch: '',
      ...{ windows: 0, rows: 0, late: 0 },
    },
  }
}
