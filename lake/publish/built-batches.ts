import type { LoadedTable } from '../../iceberg/catalog/catalog.js'
import { eq } from '../../iceberg/expr/expression.js'
import { ancestorsOf, headOf } from '../../iceberg/spec/refs.js'
import type { Snapshot } from '../../iceberg/spec/snapshot.js'
import { quoteText } from '../../engine/duckdb/sql-text.js'
import type { Row } from '../../engine/engine.js'
import { listOf } from '../../engine/table/row-value.js'
import { queryTable } from '../../engine/query-table.js'
import type { TableDefinitions } from '../../schemas/definition-change.js'
import { SUMMARY, textOf, type AuditDeps } from './audit.js'

/** A published batch, as whoever computed its rows last left it. */
export interface BuiltBatch {
  /** As it was published: what its rows say in `processing_batch_id`, however often they are computed again. */
  readonly batch: string
  readonly inputFrom: number
  readonly inputTo: number
  readonly fingerprint: string
  /** Absent where 0.1 published it. */
  readonly definitions?: TableDefinitions
  /** Rows by `namespace.name`. */
  readonly rows: ReadonlyMap<string, number>
}

/** Every published batch of a pipeline in the order of its input: one scan of the audit table. */
export async function readBuiltBatches(
  deps: AuditDeps,
  audit: LoadedTable,
  processingName: string,
): Promise<readonly BuiltBatch[]> {
  const from = { engine: deps.engine, io: deps.catalog.io, metadata: audit.metadata }
  const rows = await queryTable(from, {
    name: 'audit',
    filter: eq('processing_name', processingName),
    sql: `SELECT processing_batch_id AS batch, status, input_from, input_to, definition_fingerprint, source_data_info,
        table_names, record_counts
      FROM audit WHERE processing_name = ${quoteText(processingName)} AND status IN ('published', 'rebuilt')
      ORDER BY input_from, input_to, status, length(processing_batch_id), processing_batch_id`,
    limit: 10_000_000,
  })
  const batches = new Map<string, BuiltBatch>()
  for (const row of rows) {
    const range = `${textOf(row['input_from'])} ${textOf(row['input_to'])}`
    // Published sorts before rebuilt, and rebuilds by their number.
    const built = builtBatch(row)
    batches.set(range, { ...built, batch: batches.get(range)?.batch ?? built.batch })
  }
  return [...batches.values()]
}

/** Fingerprint that the last batch's rows were computed with; undefined where main's retained history does not say. */
export function lastFingerprint(audit: LoadedTable, processingName: string): string | undefined {
  const rebuilt = new Map<string | undefined, string | undefined>()
  for (const { summary } of ownHistory(audit, processingName)) {
    const [status, inputTo] = [summary?.[SUMMARY.status], summary?.[SUMMARY.inputTo]]
    if (status === 'rolled_back') return undefined
    if (status === 'rebuilt' && !rebuilt.has(inputTo)) rebuilt.set(inputTo, summary?.[SUMMARY.fingerprint])
    if (status === 'published') return rebuilt.get(inputTo) ?? summary?.[SUMMARY.fingerprint]
  }
  return undefined
}

/**
 * Id of the newest retained snapshot that changed what is published, by which a plan knows that nothing has changed since;
 * null: there is none.
 */
export function lastChange(audit: LoadedTable, processingName: string): string | null {
  for (const snapshot of ownHistory(audit, processingName)) {
    const status = snapshot.summary?.[SUMMARY.status] ?? ''
    if (['published', 'rebuilt', 'rolled_back'].includes(status)) return String(snapshot['snapshot-id'])
  }
  return null
}

function* ownHistory({ metadata }: LoadedTable, processingName: string): Generator<Snapshot> {
  const head = headOf(metadata)
  if (head === undefined) return
  for (const snapshot of ancestorsOf(metadata, head['snapshot-id']))
    if (snapshot.summary?.[SUMMARY.pipeline] === processingName) yield snapshot
}

function builtBatch(row: Row): BuiltBatch {
  const counts = listOf(row['record_counts'])
  const definitions = definitionsOf(textOf(row['source_data_info']))
  return {
    batch: textOf(row['batch']),
    inputFrom: Number(row['input_from']),
    inputTo: Number(row['input_to']),
    fingerprint: textOf(row['definition_fingerprint']),
    rows: new Map(listOf(row['table_names']).map((name, i) => [textOf(name), Number(counts[i] ?? 0)])),
    ...(definitions === undefined ? {} : { definitions }),
  }
}

function definitionsOf(sourceDataInfo: string): TableDefinitions | undefined {
  if (sourceDataInfo === '') return undefined
  const info = JSON.parse(sourceDataInfo) as { readonly definitions?: TableDefinitions }
  return info.definitions
}
