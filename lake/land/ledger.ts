import type { LoadedTable } from '../../iceberg/catalog/catalog.js'
import type { Expression } from '../../iceberg/expr/expression.js'
import { alwaysTrue, and, eq, gtEq, lt, ltEq } from '../../iceberg/expr/expression.js'
import { ancestorsOf, headOf } from '../../iceberg/spec/refs.js'
import type { SnapshotSummary } from '../../iceberg/spec/snapshot.js'
import { quoteText } from '../../engine/duckdb/sql-text.js'
import type { Row } from '../../engine/engine.js'
import { queryTable } from '../../engine/query-table.js'
import type { LakeDeps } from '../../schemas/lake-deps.js'
import type { LEDGER_COLUMNS } from '../../schemas/lake-tables.js'

/** What a batch reads of a row of `raw.<source>`: records of one file (or topic range) in one raw object. */
export interface LedgerRow {
  readonly rowNumber: number
  /** Location of the raw object. */
  readonly path: string
  readonly incarnation: string
  readonly partition: number
  readonly first: number
  /** One past the last offset. */
  readonly nextOffset: number
  readonly records: number
  readonly bytes: number
  /** Of the raw object, in hex; empty where there is none. */
  readonly sha256: string
  readonly batch: string
  /** Of the records' event times, ms since 1970. Absent where none of them has one. */
  readonly minEventTimeMs?: number
  readonly maxEventTimeMs?: number
}

/** Where the next landing of a partition goes on. */
export interface Position {
  readonly next: number
  /** `<offset>:<digest>` of the last record that was there; topics only. */
  readonly lastRecord?: string
}

/** By partition; a folder or prefix has only partition 0. */
export type Positions = ReadonlyMap<number, Position>

export type LedgerDeps = Pick<LakeDeps, 'catalog' | 'engine'>

const NEXT_ROW_NUMBER = 'firn.next-row-number'
const POSITIONS_PREFIX = 'firn.positions.'
const TOPIC_INCARNATION = 'firn.topic-incarnation'
const LANDED_RECORDS = 'firn.landed-records'
const LANDED_BYTES = 'firn.landed-bytes'

/** Rows with `rowFrom` ≤ row_number < `rowEnd`, in order. */
export async function readLedger(
  deps: LedgerDeps,
  ledger: LoadedTable,
  range: { readonly rowFrom: number; readonly rowEnd: number },
): Promise<readonly LedgerRow[]> {
  const filter = and(gtEq('row_number', BigInt(range.rowFrom)), lt('row_number', BigInt(range.rowEnd)))
  const where = `row_number >= ${range.rowFrom} AND row_number < ${range.rowEnd}`
  return await ledgerRows(deps, ledger, filter, where)
}

/** Rows before `rowEnd` that may hold records with `fromMs` ≤ event time < `endMs`, in order; no others are read. */
export async function readOverlapping(
  deps: LedgerDeps,
  ledger: LoadedTable,
  range: { readonly rowEnd: number; readonly fromMs: number; readonly endMs: number },
): Promise<readonly LedgerRow[]> {
  const [from, end] = [BigInt(range.fromMs) * 1000n, BigInt(range.endMs) * 1000n]
  const filter = and(
    lt('row_number', BigInt(range.rowEnd)),
    gtEq('max_event_time', from),
    ltEq('min_event_time', end),
  )
  const where = `records > 0 AND row_number < ${range.rowEnd} AND max_event_time >= make_timestamptz(${from}) AND min_event_time < make_timestamptz(${end})`
  return await ledgerRows(deps, ledger, filter, where)
}

/** One past the largest row number: the end of what a batch may read. */
export async function nextRowNumber(deps: LedgerDeps, ledger: LoadedTable): Promise<number> {
  const cached = cachedSummary(ledger)?.[NEXT_ROW_NUMBER]
  if (cached !== undefined) return Number(cached)
  const [row] = await queryLedger(deps, ledger, alwaysTrue, 'SELECT max(row_number) + 1 AS next FROM ledger')
  return Number(row?.['next'] ?? 0)
}

/** Taken from the head's summary where the head was written by a landing, else from the rows themselves. */
export async function ledgerPositions(
  deps: LedgerDeps,
  ledger: LoadedTable,
  incarnation: string,
): Promise<Positions> {
  const cached = cachedSummary(ledger)?.[POSITIONS_PREFIX + incarnation]
  if (cached !== undefined) return parsePositions(cached)
  const rows = await queryLedger(
    deps,
    ledger,
    eq('incarnation', incarnation),
    `SELECT partition, max(next_offset) AS next, max_by(last_record, next_offset) AS last FROM ledger
     WHERE incarnation = ${quoteText(incarnation)} GROUP BY partition`,
  )
  return new Map(rows.map((row) => [Number(row['partition']), position(Number(row['next']), row['last'])]))
}

/** The topic that was landed last, as an incarnation; undefined where only files were. */
export async function lastTopicIncarnation(
  deps: LedgerDeps,
  ledger: LoadedTable,
): Promise<string | undefined> {
  const cached = cachedSummary(ledger)?.[TOPIC_INCARNATION]
  if (cached !== undefined) return cached
  const [row] = await queryLedger(
    deps,
    ledger,
    alwaysTrue,
    'SELECT max_by(incarnation, row_number) AS last FROM ledger WHERE source_path IS NULL',
  )
  return typeof row?.['last'] === 'string' ? row['last'] : undefined
}

/** Where the landing of the topic that was landed last goes on. */
export async function lastTopicPositions(deps: LedgerDeps, ledger: LoadedTable): Promise<Positions> {
  const last = await lastTopicIncarnation(deps, ledger)
  return last === undefined ? new Map() : await ledgerPositions(deps, ledger, last)
}

/** Mean payload of the records that the last landing brought; undefined where that is not known. */
export function meanRecordBytes(ledger: LoadedTable): number | undefined {
  const summary = cachedSummary(ledger)
  const records = Number(summary?.[LANDED_RECORDS] ?? 0)
  return records === 0 ? undefined : Number(summary?.[LANDED_BYTES] ?? 0) / records
}

/**
 * Bytes of documents that rows from `rowFrom` on hold, with those landed together with that row; undefined where the
 * landings' summaries, which alone are looked at, don't say.
 */
export function landedBytesFrom({ metadata }: LoadedTable, rowFrom: number): number | undefined {
  let bytes = 0
  let parent = headOf(metadata)?.['snapshot-id']
  if (parent === undefined) return 0
  for (const snapshot of ancestorsOf(metadata, parent)) {
    const { summary } = snapshot
    parent = snapshot['parent-snapshot-id']
    if (summary?.operation === 'replace') continue
    const [end, landed] = [summary?.[NEXT_ROW_NUMBER], summary?.[LANDED_BYTES]]
    if (end !== undefined && Number(end) <= rowFrom) return bytes
    if (end === undefined || landed === undefined) return undefined
    bytes += Number(landed)
  }
  return parent === undefined ? bytes : undefined
}

/** What a landing writes into its snapshot's summary, for the next one to find. */
export function positionSummary(state: {
  readonly nextRowNumber: number
  readonly incarnation: string
  readonly positions: Positions
  readonly isTopic: boolean
  readonly records: number
  readonly bytes: number
}): Readonly<Record<string, string>> {
  return {
    [NEXT_ROW_NUMBER]: String(state.nextRowNumber),
    [POSITIONS_PREFIX + state.incarnation]: formatPositions(state.positions),
    ...(state.isTopic ? { [TOPIC_INCARNATION]: state.incarnation } : {}),
    [LANDED_RECORDS]: String(state.records),
    [LANDED_BYTES]: String(state.bytes),
  }
}

/** As positionSummary, for a commit that adds rows and moves no position: what the head's summary says is carried on. */
export function carriedSummary(ledger: LoadedTable, nextRow: number): Readonly<Record<string, string>> {
  const carried = Object.entries(cachedSummary(ledger) ?? {}).filter(
    ([key]) => key.startsWith(POSITIONS_PREFIX) || key === TOPIC_INCARNATION,
  )
  return { ...Object.fromEntries(carried), [NEXT_ROW_NUMBER]: String(nextRow) }
}

/** The row number that a landing's snapshot ends at, by its summary; 0 where it is none. */
export function rowEndOf(summary: SnapshotSummary | undefined): number {
  return Number(summary?.[NEXT_ROW_NUMBER] ?? 0)
}

export async function queryLedger(
  deps: LedgerDeps,
  ledger: LoadedTable,
  filter: Expression,
  sql: string,
): Promise<readonly Row[]> {
  const from = { engine: deps.engine, io: deps.catalog.io, metadata: ledger.metadata }
  return await queryTable(from, { name: 'ledger', filter, sql, limit: Number.MAX_SAFE_INTEGER })
}

/** Compaction rewrites files and no rows, so it is looked through; any other foreign snapshot ends the trust. */
function cachedSummary(ledger: LoadedTable): SnapshotSummary | undefined {
  const head = headOf(ledger.metadata)
  if (head === undefined) return undefined
  for (const snapshot of ancestorsOf(ledger.metadata, head['snapshot-id'])) {
    if (snapshot.summary?.[NEXT_ROW_NUMBER] !== undefined) return snapshot.summary
    if (snapshot.summary?.operation !== 'replace') return undefined
  }
  return undefined
}

/** `partition:next` or `partition:next:offset:digest`, comma-separated. */
function formatPositions(positions: Positions): string {
  return [...positions]
    .sort(([a], [b]) => a - b)
    .map(([partition, { next, lastRecord }]) =>
      [partition, next, ...(lastRecord === undefined ? [] : [lastRecord])].join(':'),
    )
    .join(',')
}

function parsePositions(text: string): Positions {
  return new Map(
    text.split(',').map((part) => {
      const [partition, next, ...last] = part.split(':')
      return [Number(partition), position(Number(next), last.length === 0 ? null : last.join(':'))] as const
    }),
  )
}

function position(next: number, lastRecord: unknown): Position {
  return typeof lastRecord === 'string' ? { next, lastRecord } : { next }
}

async function ledgerRows(
  deps: LedgerDeps,
  ledger: LoadedTable,
  filter: Expression,
  where: string,
): Promise<readonly LedgerRow[]> {
  const sql = `SELECT row_number, path, incarnation, partition, first, next_offset, records, bytes, sha256, batch,
      epoch_ms(min_event_time)::DOUBLE AS min_ms, epoch_ms(max_event_time)::DOUBLE AS max_ms
    FROM ledger WHERE ${where} ORDER BY row_number`
  return (await queryLedger(deps, ledger, filter, sql)).map(toLedgerRow)
}

function toLedgerRow(row: Row): LedgerRow {
  const text = (column: keyof typeof LEDGER_COLUMNS): string => row[column] as string
  const number = (column: keyof typeof LEDGER_COLUMNS): number => Number(row[column])
  return {
    rowNumber: number('row_number'),
    path: text('path'),
    incarnation: text('incarnation'),
    partition: number('partition'),
    first: number('first'),
    nextOffset: number('next_offset'),
    records: number('records'),
    bytes: number('bytes'),
    sha256: text('sha256'),
    batch: text('batch'),
    ...(typeof row['min_ms'] === 'number' && typeof row['max_ms'] === 'number'
      ? { minEventTimeMs: row['min_ms'], maxEventTimeMs: row['max_ms'] }
      : {}),
  }
}
