import { quoteText } from '../../engine/duckdb/sql-text.js'
import { listOf } from '../../engine/table/row-value.js'
import { queryTable } from '../../engine/query-table.js'
import { parseIdentifier } from '../../iceberg/catalog/catalog.js'
import { and, eq } from '../../iceberg/expr/expression.js'
import type { BatchId } from '../../schemas/batch.js'
import type { LakeDeps } from '../../schemas/lake-deps.js'
import { auditIdentifier } from '../../schemas/lake-tables.js'
import type { Metrics, ScoreBatchResult } from '../../schemas/model-messages.js'

/** What identifies a scoring, and where it writes. */
export interface ScoringKey {
  readonly namespace: string
  /** `namespace.name` of the predictions table. */
  readonly predictions: string
  /** `processing_name` of the audit row. */
  readonly processingName: string
  readonly model: string
  readonly batch: BatchId
  readonly tag: string
}

/** What a scoring says about itself in its audit row. */
export interface ScoringInfo {
  readonly version: number
  readonly featuresTag: string
  readonly snapshots: Readonly<Record<string, string>>
  readonly metrics?: Metrics
}

/** The recorded result of a scoring. With `ifTagged` only where its tag still exists, which costs no scan. */
export async function findScoring(
  deps: LakeDeps,
  key: ScoringKey,
  { ifTagged = false } = {},
): Promise<ScoreBatchResult | undefined> {
  const [predictions, audit] = await deps.catalog.loadTables([
    parseIdentifier(key.predictions),
    auditIdentifier(key.namespace),
  ])
  if (audit === undefined || (ifTagged && predictions?.metadata.refs[key.tag] === undefined)) return undefined
  const from = { engine: deps.engine, io: deps.catalog.io, metadata: audit.metadata }
  const [row] = await queryTable(from, {
    name: 'audit',
    filter: and(eq('processing_batch_id', key.batch), eq('processing_name', key.processingName)),
    sql: `
      SELECT source_data_info, table_names, record_counts, snapshot_ids FROM audit
      WHERE processing_batch_id = ${quoteText(key.batch)}
        AND processing_name = ${quoteText(key.processingName)} AND status = 'published'`,
    session: { threads: 1 },
  })
  if (row === undefined) return undefined
  const at = listOf(row['table_names']).indexOf(key.predictions)
  const info = JSON.parse(row['source_data_info'] as string) as ScoringInfo
  return {
    status: 'published',
    model: key.model,
    version: info.version,
    batch: key.batch,
    rows: Number(listOf(row['record_counts'])[at] ?? 0),
    featuresTag: info.featuresTag,
    snapshotId: (listOf(row['snapshot_ids'])[at] as bigint).toString(),
    ...(info.metrics === undefined ? {} : { metrics: info.metrics }),
  }
}
