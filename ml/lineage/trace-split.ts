import { quoteText } from '../../engine/duckdb/sql-text.js'
import { formatIdentifier } from '../../iceberg/catalog/catalog.js'
import { ifFound } from '../../iceberg/error.js'
import { and, eq } from '../../iceberg/expr/expression.js'
import { planScan } from '../../iceberg/scan/plan-scan.js'
import { snapshotById } from '../../iceberg/spec/refs.js'
import type { LakeDeps } from '../../schemas/lake-deps.js'
import { SPLITS } from '../../schemas/lake-tables.js'
import type { TrainingPin } from '../../schemas/model-messages.js'
import type { SplitTrace } from './version-lineage.js'

/** How a training's split was made, as its rows say; undefined without a split, or where its snapshot is gone. */
export async function traceSplit(
  { catalog, engine }: Pick<LakeDeps, 'catalog' | 'engine'>,
  { pipeline, split, snapshots }: TrainingPin,
): Promise<SplitTrace | undefined> {
  const snapshot = snapshots[formatIdentifier(SPLITS)]
  if (split === undefined || snapshot === undefined) return undefined
  const metadata = (await ifFound(catalog.loadTable(SPLITS)))?.metadata
  if (metadata === undefined || snapshotById(metadata, BigInt(snapshot)) === undefined) return undefined
  const { schema, tasks } = await planScan({
    ...{ metadata, io: catalog.io, metrics: 'filter' },
    target: { kind: 'snapshot', snapshotId: BigInt(snapshot) },
    filter: and(eq('pipeline', pipeline), eq('split_version', split)),
  })
  const session = await engine.openSession({ threads: 1 })
  try {
    await session.addRelation({ kind: 'scan', name: 'splits', schema, tasks, metadata })
    const { rows } = await session.query(
      `SELECT split_seed, method FROM splits
       WHERE pipeline = ${quoteText(pipeline)} AND split_version = ${quoteText(split)} LIMIT 1`,
    )
    const [row] = rows
    if (row === undefined) return undefined
    return { version: split, seed: Number(row['split_seed']), method: row['method'] as string }
  } finally {
    await session.close()
  }
}
