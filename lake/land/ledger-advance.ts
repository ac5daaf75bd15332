import type { LoadedTable } from '../../iceberg/catalog/catalog.js'
import { and, eq, gtEq, ltEq } from '../../iceberg/expr/expression.js'
import { quoteText } from '../../engine/duckdb/sql-text.js'
import { FirnError } from '../../schemas/error.js'
import type { LandingPlan } from '../../schemas/messages.js'
import type { LedgerDeps, Position, Positions } from './ledger.js'
import { queryLedger } from './ledger.js'
import type { LandedRange } from './staged-landing.js'

/**
 * Positions after these ranges, or undefined where one does not begin exactly where its partition ends: then nothing may
 * be committed. A partition that was never landed takes any beginning. Pure.
 */
export function advance(before: Positions, ranges: readonly LandedRange[]): Positions | undefined {
  const after = new Map<number, Position>(before)
  for (const { partition, first, nextOffset, lastRecord } of inOrder(ranges)) {
    const position = after.get(partition)
    if (position !== undefined && position.next !== first) return undefined
    const last = lastRecord ?? position?.lastRecord
    after.set(partition, last === undefined ? { next: nextOffset } : { next: nextOffset, lastRecord: last })
  }
  return after
}

/** By partition and offset: slices may have read pieces of one partition side by side. */
export function inOrder(ranges: readonly LandedRange[]): readonly LandedRange[] {
  return [...ranges].sort(
    (a, b) => a.partition - b.partition || a.first - b.first || a.nextOffset - b.nextOffset,
  )
}

/** One past the last of their row numbers where the ledger holds exactly these ranges: they were committed before. */
export async function isRecorded(
  deps: LedgerDeps,
  ledger: LoadedTable,
  incarnation: string,
  ranges: readonly LandedRange[],
): Promise<number | undefined> {
  // Not by spreading: a folder may bring more files than a call takes arguments.
  const least = ranges.reduce((min, { first }) => Math.min(min, first), Number.MAX_SAFE_INTEGER)
  const greatest = ranges.reduce((max, { nextOffset }) => Math.max(max, nextOffset), 0)
  const rows = await queryLedger(
    deps,
    ledger,
    and(eq('incarnation', incarnation), gtEq('first', BigInt(least)), ltEq('next_offset', BigInt(greatest))),
    `SELECT ${RANGE_COLUMNS.join(', ')}, row_number FROM ledger
     WHERE incarnation = ${quoteText(incarnation)} AND first >= ${least} AND next_offset <= ${greatest}`,
  )
  const key = (parts: readonly unknown[]): string => parts.map(String).join('\0')
  const found = new Map(
    rows.map((row) => [key(RANGE_COLUMNS.map((column) => row[column] ?? null)), Number(row['row_number'])]),
  )
  let end = 0
  for (const { partition, first, nextOffset, path, sha256, source } of ranges) {
    const file = [source?.path ?? null, source?.mtimeMs ?? null, source?.etag ?? null]
    const number = found.get(key([partition, first, nextOffset, path, sha256, ...file]))
    if (number === undefined) return undefined
    end = Math.max(end, number + 1)
  }
  return end
}

/** What tells the rows of one landing from those of another: of files without a record the file alone. */
const RANGE_COLUMNS = [
  ...['partition', 'first', 'next_offset', 'path', 'sha256'],
  ...['source_path', 'source_mtime_ms', 'source_etag'],
] as const

export function stalePosition(
  plan: LandingPlan,
  before: Positions,
  ranges: readonly LandedRange[],
): FirnError {
  const range = inOrder(ranges).find(({ partition, first }, i, all) => {
    const previous = all[i - 1]
    const due = previous?.partition === partition ? previous.nextOffset : before.get(partition)?.next
    return due !== undefined && due !== first
  })
  const partition = range?.partition ?? 0
  const got = before.get(partition)?.next
  return new FirnError(
    'stale-range',
    `the ledger raw.${plan.source} goes on at offset ${got} of partition ${partition}, this landing was planned from ` +
      `offset ${range?.first}. Nothing was landed; land again.`,
    { context: { partition, expected: range?.first, got } },
  )
}
