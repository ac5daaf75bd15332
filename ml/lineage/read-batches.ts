import type { Row, RowValue } from '../../engine/engine.js'
import { listOf } from '../../engine/table/row-value.js'
import { queryTable } from '../../engine/query-table.js'
import { ifFound } from '../../iceberg/error.js'
import { eq } from '../../iceberg/expr/expression.js'
import type { LakeDeps } from '../../schemas/lake-deps.js'
import { auditIdentifier } from '../../schemas/lake-tables.js'

/** A published row of `<namespace>.processing_metadata`. */
export interface PublishedBatch {
  readonly namespace: string
  readonly batch: string
  readonly processingName: string
  readonly inputFrom: number
  readonly inputTo: number
  readonly fingerprint: string | null
  readonly workflowId: string | null
  readonly runId: string | null
  /** `source_data_info`; empty where it is no object. */
  readonly info: Readonly<Record<string, unknown>>
  readonly tables: readonly {
    readonly table: string
    readonly rows: number
    readonly snapshot: string | null
    /** False: the batch left it as it was. */
    readonly isChanged: boolean
  }[]
}

const ROWS_MAX = 1_000_000

/** All batches that were published into a namespace, oldest first; none where it has no audit table. */
export async function readBatches(
  { catalog, engine }: Pick<LakeDeps, 'catalog' | 'engine'>,
  namespace: string,
): Promise<readonly PublishedBatch[]> {
  const audit = await ifFound(catalog.loadTable(auditIdentifier(namespace)))
  if (audit === undefined) return []
  const rows = await queryTable(
    { engine, io: catalog.io, metadata: audit.metadata },
    {
      name: 'audit',
      filter: eq('status', 'published'),
      sql: `
        SELECT processing_batch_id, processing_name, table_names, table_versions, record_counts, snapshot_ids,
          source_data_info, input_from, input_to, definition_fingerprint, workflow_id, run_id
        FROM audit WHERE status = 'published'
        ORDER BY input_to, length(processing_batch_id), processing_batch_id, processing_name`,
      limit: ROWS_MAX,
      session: { threads: 1 },
    },
  )
  return rows.map((row) => toBatch(namespace, row))
}

function toBatch(namespace: string, row: Row): PublishedBatch {
  const [versions, counts, ids] = ['table_versions', 'record_counts', 'snapshot_ids'].map((name) =>
    listOf(row[name]),
  )
  return {
    namespace,
    batch: row['processing_batch_id'] as string,
    processingName: row['processing_name'] as string,
    inputFrom: Number(row['input_from'] ?? 0),
    inputTo: Number(row['input_to'] ?? 0),
    fingerprint: textOf(row['definition_fingerprint']),
    workflowId: textOf(row['workflow_id']),
    runId: textOf(row['run_id']),
    info: infoOf(row['source_data_info']),
    tables: listOf(row['table_names']).map((table, at) => ({
      table: table as string,
      rows: Number(counts?.[at] ?? 0),
      snapshot: textOf(ids?.[at]),
      isChanged: versions?.[at] !== 'no_changes',
    })),
  }
}

function infoOf(value: RowValue | undefined): PublishedBatch['info'] {
  try {
    const info: unknown = JSON.parse(value as string)
    return typeof info === 'object' && info !== null ? (info as PublishedBatch['info']) : {}
  } catch {
    return {}
  }
}

function textOf(value: RowValue | undefined): string | null {
  return typeof value === 'string' || typeof value === 'bigint' ? value.toString() : null
}
