import type { LoadedTable } from '../../iceberg/catalog/catalog.js'
import type { Expression } from '../../iceberg/expr/expression.js'
import { alwaysTrue, and, eq, gtEq, lt, ltEq } from '../../iceberg/expr/expression.js'
import { ancestorsOf, headOf } from '../../iceberg/spec/refs.js'
import type { Snapshot, SnapshotSummary } from '../../iceberg/spec/snapshot.js'
import { quoteText } from '../../engine/duckdb/sql-text.js'
import type { Row, RowValue } from '../../engine/engine.js'
import { queryTable } from '../../engine/query-table.js'
import type { LakeDeps } from '../../schemas/lake-deps.js'
import type { LEDGER_COLUMNS } from '../../schemas/lake-tables.js'
import type { ListedFile } from './landing-files.js'

/** What a batch reads of a row of `raw.<source>`: records of one file (or topic range) in one raw object. */
export interface LedgerRow {
  /** Location of the raw object. */
  readonly path: string
  readonly incarnation: string
  readonly first: number
  /** One past the last offset. */
  readonly nextOffset: number
  readonly records: number
  readonly bytes: number
  readonly batch: string
}

/** Where the next landing of an incarnation goes on. */
export interface LedgerPosition {
  readonly nextRowNumber: number
  readonly nextOffset: number
}

export type LedgerDeps = Pick<LakeDeps, 'catalog' | 'engine'>

const NEXT_ROW_NUMBER = 'firn.next-row-number'
const NEXT_OFFSET_PREFIX = 'firn.next-offset.'

/** Rows with `rowFrom` ≤ row_number < `rowEnd`, in order. */
export async function readLedger(
  deps: LedgerDeps,
  ledger: LoadedTable,
  range: { readonly rowFrom: number; readonly rowEnd: number },
): Promise<readonly LedgerRow[]> {
  const filter = and(gtEq('row_number', BigInt(range.rowFrom)), lt('row_number', BigInt(range.rowEnd)))
  const rows = await queryLedger(
    deps,
    ledger,
    filter,
    `SELECT path, incarnation, first, next_offset, records, bytes, batch FROM ledger
     WHERE row_number >= ${range.rowFrom} AND row_number < ${range.rowEnd} ORDER BY row_number`,
  )
  return rows.map(toLedgerRow)
}

/** One past the largest row number: the end of what a batch may read. */
export async function nextRowNumber(deps: LedgerDeps, ledger: LoadedTable): Promise<number> {
  const cached = cachedSummary(ledger)?.[NEXT_ROW_NUMBER]
  if (cached !== undefined) return Number(cached)
  const [row] = await queryLedger(deps, ledger, alwaysTrue, 'SELECT max(row_number) + 1 AS next FROM ledger')
  return Number(row?.['next'] ?? 0)
}

/** Taken from the head's summary where the head was written by a landing, else from the rows themselves. */
export async function ledgerPosition(
  deps: LedgerDeps,
  ledger: LoadedTable,
  incarnation: string,
): Promise<LedgerPosition> {
  const next = await nextRowNumber(deps, ledger)
  const cached = cachedSummary(ledger)?.[NEXT_OFFSET_PREFIX + incarnation]
  if (cached !== undefined) return { nextRowNumber: next, nextOffset: Number(cached) }
  const [row] = await queryLedger(
    deps,
    ledger,
    eq('incarnation', incarnation),
    `SELECT max(next_offset) AS next FROM ledger WHERE incarnation = ${quoteText(incarnation)}`,
  )
  return { nextRowNumber: next, nextOffset: Number(row?.['next'] ?? 0) }
}

/** What a landing writes into its snapshot's summary, for the next one to find. */
export function positionSummary(
  position: LedgerPosition,
  incarnation: string,
): Readonly<Record<string, string>> {
  return {
    [NEXT_ROW_NUMBER]: String(position.nextRowNumber),
    [NEXT_OFFSET_PREFIX + incarnation]: String(position.nextOffset),
  }
}

export interface NewFiles {
  /**
   * Of the listed ones, those that no landing has seen in this size and age, in their order; first those that a rollback
   * of the ledger took away, in the order of the rows that they had: batches that have read these rows read them again.
   */
  readonly files: readonly ListedFile[]
  /** Those of them that were landed before in another state. */
  readonly changed: readonly string[]
}

/** Compares a listing with what the incarnation has landed. Reads only the part of the ledger that its paths fall in. */
export async function newFilesOf(
  deps: LedgerDeps,
  ledger: LoadedTable,
  incarnation: string,
  files: readonly ListedFile[],
): Promise<NewFiles> {
  const bounds = pathBounds(files)
  if (bounds === undefined || headOf(ledger.metadata) === undefined) return { files, changed: [] }
  const filter = and(
    eq('incarnation', incarnation),
    gtEq('source_path', bounds.min),
    ltEq('source_path', bounds.max),
  )
  const known = await queryLedger(
    deps,
    ledger,
    filter,
    `SELECT DISTINCT source_path, source_size, source_mtime_ms FROM ledger WHERE incarnation = ${quoteText(incarnation)}`,
  )
  const states = new Set(
    known.map((row) => stateKey(row['source_path'], row['source_size'], row['source_mtime_ms'])),
  )
  const paths = new Set(known.map((row) => row['source_path']))
  const fresh = files.filter((file) => !states.has(stateKey(file.path, file.size, file.mtimeMs)))
  const removed = await rolledBackFiles(deps, ledger, incarnation)
  const rankOf = (file: ListedFile): number =>
    removed.get(stateKey(file.path, file.size, file.mtimeMs)) ?? Number.MAX_SAFE_INTEGER
  fresh.sort((a, b) => rankOf(a) - rankOf(b))
  return { files: fresh, changed: fresh.filter((file) => paths.has(file.path)).map((file) => file.path) }
}

/** Files of rows beyond main's that a snapshot still shows: the ledger was rolled back. With their row numbers. */
async function rolledBackFiles(
  deps: LedgerDeps,
  ledger: LoadedTable,
  incarnation: string,
): Promise<ReadonlyMap<string, number>> {
  const next = await nextRowNumber(deps, ledger)
  const last = ledger.metadata.snapshots
    .filter(({ summary }) => Number(summary?.[NEXT_ROW_NUMBER] ?? 0) > next)
    .reduce<Snapshot | undefined>(
      (max, one) => (max === undefined || one['sequence-number'] > max['sequence-number'] ? one : max),
      undefined,
    )
  if (last === undefined) return new Map()
  const main = { type: 'branch', 'snapshot-id': last['snapshot-id'] } as const
  const then = { ...ledger, metadata: { ...ledger.metadata, refs: { ...ledger.metadata.refs, main } } }
  const rows = await queryLedger(
    deps,
    then,
    and(eq('incarnation', incarnation), gtEq('row_number', BigInt(next))),
    `SELECT source_path, source_size, source_mtime_ms, row_number FROM ledger
     WHERE incarnation = ${quoteText(incarnation)} AND row_number >= ${next}`,
  )
  return new Map(
    rows.map((row) => [
      stateKey(row['source_path'], row['source_size'], row['source_mtime_ms']),
      Number(row['row_number']),
    ]),
  )
}

/** Whether the ledger holds exactly these rows already: the landing was committed before. */
export async function isRecorded(
  deps: LedgerDeps,
  ledger: LoadedTable,
  landing: {
    readonly batch: string
    readonly incarnation: string
    readonly first: number
    readonly end: number
  },
  rows: { readonly rowFrom: number; readonly rowEnd: number },
): Promise<boolean> {
  const found = await readLedger(deps, ledger, rows)
  return (
    found.length === rows.rowEnd - rows.rowFrom &&
    found[0]?.first === landing.first &&
    found.at(-1)?.nextOffset === landing.end &&
    found.every((row) => row.batch === landing.batch && row.incarnation === landing.incarnation)
  )
}

function stateKey(
  path: RowValue | undefined,
  size: RowValue | undefined,
  mtimeMs: RowValue | undefined,
): string {
  return [path, size, mtimeMs].map(String).join('\0')
}

/** Bounds in the order of UTF-8 bytes, as the column's metrics have them. */
function pathBounds(
  files: readonly ListedFile[],
): { readonly min: string; readonly max: string } | undefined {
  const [first, ...rest] = files
  if (first === undefined) return undefined
  let min = first.path
  let max = first.path
  for (const { path } of rest) {
    if (Buffer.compare(Buffer.from(path), Buffer.from(min)) < 0) min = path
    if (Buffer.compare(Buffer.from(path), Buffer.from(max)) > 0) max = path
  }
  return { min, max }
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

async function queryLedger(
  deps: LedgerDeps,
  ledger: LoadedTable,
  filter: Expression,
  sql: string,
): Promise<readonly Row[]> {
  const from = { engine: deps.engine, io: deps.catalog.io, metadata: ledger.metadata }
  return await queryTable(from, { name: 'ledger', filter, sql, limit: Number.MAX_SAFE_INTEGER })
}

function toLedgerRow(row: Row): LedgerRow {
  const text = (column: keyof typeof LEDGER_COLUMNS): string => row[column] as string
  const number = (column: keyof typeof LEDGER_COLUMNS): number => Number(row[column])
  return {
    path: text('path'),
    incarnation: text('incarnation'),
    first: number('first'),
    nextOffset: number('next_offset'),
    records: number('records'),
    bytes: number('bytes'),
    batch: text('batch'),
  }
}
