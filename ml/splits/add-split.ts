import { quoteName, quoteText } from '../../engine/duckdb/sql-text.js'
import type { EngineSession } from '../../engine/engine.js'
import { formatIdentifier } from '../../iceberg/catalog/catalog.js'
import { and, eq } from '../../iceberg/expr/expression.js'
import { planScan } from '../../iceberg/scan/plan-scan.js'
import { currentSchema } from '../../iceberg/spec/schema.js'
import { SPLITS } from '../../schemas/lake-tables.js'
import type { PinnedTable } from '../views/add-rows.js'

/** A version of a pipeline's splits. */
export interface SplitKey {
  readonly pipeline: string
  readonly split: string
}

/**
 * Makes the rows of one split version a relation of the session, as the table of splits is at a snapshot: one row an
 * observation, with `entity_key`, `event_timestamp`, `split` and the table's other columns. Only its own files are read.
 */
export async function addSplit(
  session: EngineSession,
  { name, split, table }: { readonly name: string; readonly split: SplitKey; readonly table: PinnedTable },
): Promise<void> {
  const { metadata, io, snapshotId } = table
  const rows = `${name}_in_${formatIdentifier(SPLITS).replace('.', '_')}`
  const filter = and(eq('pipeline', split.pipeline), eq('split_version', split.split))
  const { schema, tasks } =
    snapshotId === undefined
      ? { schema: currentSchema(metadata), tasks: [] }
      : await planScan({
          ...{ metadata, io, filter, metrics: 'filter' },
          target: { kind: 'snapshot', snapshotId: BigInt(snapshotId) },
        })
  await session.addRelation({ kind: 'scan', name: rows, schema, tasks, metadata })
  await session.addRelation({
    ...{ kind: 'query', name, lazy: true },
    sql: `SELECT * FROM ${quoteName(rows)}
          WHERE pipeline = ${quoteText(split.pipeline)} AND split_version = ${quoteText(split.split)}`,
  })
}
