import type { LoadedTable } from '../../iceberg/catalog/catalog.js'
import { and, eq, startsWith, type Expression } from '../../iceberg/expr/expression.js'
import { ancestorsOf, headOf } from '../../iceberg/spec/refs.js'
import type { Snapshot } from '../../iceberg/spec/snapshot.js'
import { quoteText } from '../../engine/duckdb/sql-text.js'
import type { Row, RowValue } from '../../engine/engine.js'
import { listOf } from '../../engine/table/row-value.js'
import { queryTable } from '../../engine/query-table.js'
import type { LakeDeps } from '../../schemas/lake-deps.js'
import type { PublishedTable, PublishResult } from '../../schemas/publish.js'

/**
 * `rebuilt`: the rows of an earlier batch, computed again and published under an id of their own; what is built up to stays.
 * `rolled_back`: what was published and a rollback took back; its range is due again.
 */
export type AuditStatus = 'published' | 'failed' | 'skipped' | 'rebuilt' | 'rolled_back'
export type AuditDeps = Pick<LakeDeps, 'catalog' | 'engine'>

/** A row of `processing_metadata`, as far as it decides what happens next. */
export interface AuditRow {
  readonly batch: string
  readonly status: AuditStatus
  readonly inputFrom: number
  readonly inputTo: number
  readonly duplicates: number
  readonly tables: readonly PublishedTable[]
}

/** Input up to `end` (exclusive) is built or skipped. */
export interface PublishedState {
  readonly end: number
  /** Whether a batch was ever published. */
  readonly published: boolean
}

/** What identifies the outcome of a batch. */
export interface MarkerKey {
  readonly processingName: string
  readonly batch: string
  readonly inputFrom: number
  readonly inputTo: number
}

/** `table_versions` of a table that a batch left as it was. */
export const NO_CHANGES = 'no_changes'

/** Properties by which snapshots repeat their audit row: a cache, since expiry removes them. */
export const SUMMARY = {
  operation: 'firn.operation-id',
  batch: 'firn.batch-id',
  /** `processing_name` of the audit row. */
  pipeline: 'firn.pipeline',
  fingerprint: 'firn.fingerprint',
  inputFrom: 'firn.input-from',
  inputTo: 'firn.input-to',
  status: 'firn.status',
  /** Of a rollback: the newest batch that it took back, an id that is taken for good. */
  rolledBackFrom: 'firn.rolled-back-from',
} as const

/** A rollback's snapshot says what is built up to for every processing name of its pipeline, under `firn.input-to.<name>`. */
export function builtUpToKey(processingName: string): string {
  return `${SUMMARY.inputTo}.${processingName}`
}

/** Where the next batch goes on, from the newest summary on main, else from the rows. */
export async function publishedState(
  deps: AuditDeps,
  audit: LoadedTable,
  processingName: string,
): Promise<PublishedState> {
  let end: number | undefined
  const history = mainHistory(audit)
  for (const { summary } of history.snapshots) {
    const left = summary?.[builtUpToKey(processingName)]
    if (left !== undefined) return { end: end ?? Number(left), published: Number(left) > 0 }
    if (summary?.[SUMMARY.pipeline] !== processingName) continue
    const status = summary[SUMMARY.status]
    if (status === 'failed' || status === 'rebuilt' || status === 'rolled_back') continue
    end ??= Number(summary[SUMMARY.inputTo])
    if (status === 'published') return { end, published: true }
  }
  if (history.complete) return { end: end ?? 0, published: false }
  const [row] = await queryAudit(
    deps,
    audit,
    eq('processing_name', processingName),
    `SELECT max(input_to) AS input_end, coalesce(bool_or(status = 'published'), false) AS published
     FROM audit WHERE processing_name = ${quoteText(processingName)} AND status IN ('published', 'skipped')`,
  )
  return { end: end ?? Number(row?.['input_end'] ?? 0), published: row?.['published'] === true }
}

/** The recorded outcome of exactly this batch and range on main, if there is one. */
export async function findRecorded(
  deps: AuditDeps,
  audit: LoadedTable,
  key: MarkerKey & { readonly tag?: string },
): Promise<PublishResult | undefined> {
  const history = mainHistory(audit)
  const noted = history.snapshots.some(({ summary }) => isNoteOf(summary, key))
  if (!noted && history.complete) return undefined
  const rows = await readBatchRows(deps, audit, key.processingName, key.batch)
  const row = rows.find(
    (candidate) =>
      candidate.status !== 'skipped' &&
      candidate.status !== 'rolled_back' &&
      candidate.batch === key.batch &&
      candidate.inputFrom === key.inputFrom &&
      candidate.inputTo === key.inputTo,
  )
  return row === undefined ? undefined : recordedResult(audit, row, key.tag)
}

/**
 * Rows of a batch and of its rebuilds (`<batch>-2`, …). Batch ids rise with time, so an id above all those that main's
 * retained history and the tags name is new without a look at the rows: the usual case costs no scan.
 */
export async function readBatchFamily(
  deps: AuditDeps,
  audit: LoadedTable,
  processingName: string,
  batch: string,
): Promise<readonly AuditRow[]> {
  const base = batch.slice(0, 16)
  const history = mainHistory(audit)
  const own = history.snapshots.filter(({ summary }) => summary?.[SUMMARY.pipeline] === processingName)
  const known = own.flatMap(({ summary }) =>
    [summary?.[SUMMARY.batch], summary?.[SUMMARY.rolledBackFrom]].filter((id) => id !== undefined),
  )
  const tagged = Object.keys(audit.metadata.refs).flatMap((ref) => BATCH_REF.exec(ref)?.[1] ?? [])
  const newest = [...known, ...tagged].reduce((max, id) => (id > max ? id : max), '')
  const isNew = history.complete ? !known.some((id) => id.startsWith(base)) : newest !== '' && base > newest
  if (isNew && !tagged.includes(base)) return []
  return await readBatchRows(deps, audit, processingName, base)
}

const BATCH_REF = /^(?:v_|v_incr_|failed_)(\d{8}T\d{6}Z)/

/** The result that publishing the batch gave when it was recorded. */
export function recordedResult(audit: LoadedTable, row: AuditRow, tag?: string): PublishResult {
  const version = row.tables.find((table) => table.version !== NO_CHANGES)?.version
  const byRef = [`v_${row.batch}`, `v_incr_${row.batch}`].find((name) => name in audit.metadata.refs)
  return {
    status: row.status === 'failed' ? 'failed' : 'published',
    alreadyCommitted: true,
    batch: row.batch,
    tag: version ?? tag ?? byRef ?? `v_incr_${row.batch}`,
    tables: row.tables,
    inputFrom: row.inputFrom,
    inputTo: row.inputTo,
    duplicates: row.duplicates,
  }
}

function isNoteOf(summary: Snapshot['summary'], key: MarkerKey): boolean {
  return (
    summary?.[SUMMARY.pipeline] === key.processingName &&
    summary[SUMMARY.batch] === key.batch &&
    summary[SUMMARY.inputFrom] === String(key.inputFrom) &&
    summary[SUMMARY.inputTo] === String(key.inputTo)
  )
}

/** Main's retained snapshots, newest first; `complete` where they reach back to the table's first. */
function mainHistory(table: LoadedTable): {
  readonly snapshots: readonly Snapshot[]
  readonly complete: boolean
} {
  const head = headOf(table.metadata)
  if (head === undefined) return { snapshots: [], complete: true }
  const snapshots = [...ancestorsOf(table.metadata, head['snapshot-id'])]
  return { snapshots, complete: snapshots.at(-1)?.['parent-snapshot-id'] === undefined }
}

async function readBatchRows(
  deps: AuditDeps,
  audit: LoadedTable,
  processingName: string,
  prefix: string,
): Promise<readonly AuditRow[]> {
  const rows = await queryAudit(
    deps,
    audit,
    and(startsWith('processing_batch_id', prefix), eq('processing_name', processingName)),
    `SELECT * FROM audit WHERE starts_with(processing_batch_id, ${quoteText(prefix)})
       AND processing_name = ${quoteText(processingName)}
     ORDER BY input_to, length(processing_batch_id), processing_batch_id, status`,
  )
  return rows.map(toAuditRow)
}

async function queryAudit(
  deps: AuditDeps,
  audit: LoadedTable,
  filter: Expression,
  sql: string,
): Promise<readonly Row[]> {
  const from = { engine: deps.engine, io: deps.catalog.io, metadata: audit.metadata }
  return await queryTable(from, { name: 'audit', filter, sql })
}

/** Of a row with all columns of the table. */
export function toAuditRow(row: Row): AuditRow {
  const versions = listOf(row['table_versions'])
  const counts = listOf(row['record_counts'])
  const snapshotIds = listOf(row['snapshot_ids'])
  return {
    batch: textOf(row['processing_batch_id']),
    status: row['status'] as AuditStatus,
    inputFrom: Number(row['input_from']),
    inputTo: Number(row['input_to']),
    duplicates: Number(row['duplicates'] ?? 0),
    tables: listOf(row['table_names']).map((table, i) => ({
      table: textOf(table),
      rows: Number(counts[i] ?? 0),
      version: textOf(versions[i]),
      snapshotId: textOf(snapshotIds[i]) || null,
    })),
  }
}

/** Text and ids of an audit row; empty where there is none. */
export function textOf(value: RowValue | undefined): string {
  return typeof value === 'string' || typeof value === 'bigint' ? value.toString() : ''
}
