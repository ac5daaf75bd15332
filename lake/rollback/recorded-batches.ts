import type { LoadedTable } from '../../iceberg/catalog/catalog.js'
import { alwaysTrue } from '../../iceberg/expr/expression.js'
import type { SnapshotId } from '../../iceberg/spec/snapshot.js'
import { quoteText } from '../../engine/duckdb/sql-text.js'
import { queryTable } from '../../engine/query-table.js'
import type { Row } from '../../engine/engine.js'
import { toAuditRow, type AuditDeps, type AuditRow } from '../publish/audit.js'

/** An audit row with the name that it was recorded under: the pipeline's, or that of a scoring or of windows. */
export interface RecordedBatch extends AuditRow {
  readonly processingName: string
  /** Of a scoring: the tag that it read features at. */
  readonly featuresTag?: string
}

/** All audit rows of a pipeline, its scorings and its windows, oldest input first. */
export async function recordedBatches(
  deps: AuditDeps,
  audit: LoadedTable,
  pipeline: string,
): Promise<readonly RecordedBatch[]> {
  const rows = await queryTable(
    { engine: deps.engine, io: deps.catalog.io, metadata: audit.metadata },
    {
      name: 'audit',
      filter: alwaysTrue,
      sql: `SELECT *, try_cast(source_data_info AS JSON)->>'featuresTag' AS features_tag FROM audit
        WHERE processing_name = ${quoteText(pipeline)} OR starts_with(processing_name, ${quoteText(`${pipeline}.`)})
        ORDER BY processing_timestamp, length(processing_batch_id), processing_batch_id, input_to, processing_name, status`,
      limit: Number.MAX_SAFE_INTEGER,
      session: { threads: 1 },
    },
  )
  return rows.map(toRecordedBatch)
}

/** A table as it was when main was at one of its snapshots. */
export function atSnapshot(table: LoadedTable, snapshotId: SnapshotId): LoadedTable {
  const main = { type: 'branch', 'snapshot-id': snapshotId } as const
  return { ...table, metadata: { ...table.metadata, refs: { ...table.metadata.refs, main } } }
}

/** Equal for one row, wherever it is read. */
export function recordKey(row: RecordedBatch): string {
  const { processingName, batch, inputFrom, inputTo, status } = row
  return JSON.stringify([processingName, batch, inputFrom, inputTo, status])
}

/** Of a scoring by a model of the pipeline: the model. */
export function scoredModel({ processingName }: RecordedBatch, pipeline: string): string | undefined {
  const prefix = `${pipeline}.score.`
  return processingName.startsWith(prefix) ? processingName.slice(prefix.length) : undefined
}

function toRecordedBatch(row: Row): RecordedBatch {
  const featuresTag = row['features_tag']
  return {
    ...toAuditRow(row),
    processingName: row['processing_name'] as string,
    ...(typeof featuresTag === 'string' ? { featuresTag } : {}),
  }
}
