import type { LoadedTable } from '../../iceberg/catalog/catalog.js'
import { gtEq } from '../../iceberg/expr/expression.js'
import type { FileStatus } from '../../iceberg/io/file-io.js'
import { joinLocation } from '../../iceberg/io/location.js'
import { sameLocation } from '../../iceberg/maintain/reachable-files.js'
import { headOf } from '../../iceberg/spec/refs.js'
import type { Snapshot } from '../../iceberg/spec/snapshot.js'
import { quoteText } from '../../engine/duckdb/sql-text.js'
import type { LakeDeps } from '../../schemas/lake-deps.js'
import { ledgerIdentifier } from '../../schemas/lake-tables.js'
import { queryLedger } from '../land/ledger.js'
import type { Lease } from '../staging/stage.js'
import { isLiveLease } from './live-leases.js'

const DAY_MS = 86_400_000
/** Dates of batches that are looked at, before today. */
const LOOK_BACK_DAYS = 30

/**
 * Raw objects of a source that no row of the ledger names, of batches of the last 30 days and of `dates`: what killed
 * fetches left. Also rows of snapshots that main no longer shows count, and those that a live lease will add.
 */
export async function rawOrphans(
  deps: LakeDeps,
  source: string,
  leases: readonly Lease[],
  dates: ReadonlySet<string>,
): Promise<readonly FileStatus[]> {
  const looked = [...new Set([...lookBack(deps.now()), ...dates])].sort()
  const old: FileStatus[] = []
  for (const date of looked) old.push(...(await oldObjects(deps, source, date)))
  if (old.length === 0) return []
  // Loaded after the listing: whatever was landed by then is named.
  const ledger = await deps.catalog.loadTable(ledgerIdentifier(source))
  const named = await namedObjects(deps, ledger, looked[0] ?? '')
  const leased = leases.filter((lease) => isLiveLease(deps, lease)).flatMap(({ ranges = [] }) => ranges)
  for (const { path } of leased) named.add(sameLocation(path))
  return old.filter(({ location }) => !named.has(sameLocation(location)))
}

/** Objects of one batch date, whatever their age. */
export async function objectsOf(
  deps: LakeDeps,
  source: string,
  date: string,
): Promise<readonly FileStatus[]> {
  const found: FileStatus[] = []
  const folder = joinLocation(deps.warehouse, 'raw', source, date, '')
  for await (const file of deps.catalog.io.list(folder)) found.push(file)
  return found
}

async function oldObjects(deps: LakeDeps, source: string, date: string): Promise<readonly FileStatus[]> {
  const olderThanMs = deps.now() - deps.settings.orphanMinAgeMs
  return (await objectsOf(deps, source, date)).filter(({ modifiedMs }) => modifiedMs < olderThanMs)
}

/** Tomorrow too: batches are named in UTC by any clock. */
function lookBack(nowMs: number): readonly string[] {
  return Array.from({ length: LOOK_BACK_DAYS + 2 }, (_, i) =>
    new Date(nowMs + DAY_MS - i * DAY_MS).toISOString().slice(0, 10),
  )
}

async function namedObjects(deps: LakeDeps, ledger: LoadedTable, fromDate: string): Promise<Set<string>> {
  const batchFrom = fromDate.replaceAll('-', '')
  const named = new Set<string>()
  for (const tip of tipsOf(ledger)) {
    const main = { type: 'branch', 'snapshot-id': tip['snapshot-id'] } as const
    const then = { ...ledger, metadata: { ...ledger.metadata, refs: { ...ledger.metadata.refs, main } } }
    const rows = await queryLedger(
      deps,
      then,
      gtEq('batch', batchFrom),
      `SELECT DISTINCT path FROM ledger WHERE batch >= ${quoteText(batchFrom)}`,
    )
    for (const row of rows) named.add(sameLocation(row['path'] as string))
  }
  return named
}

/**
 * Snapshots that together show every row that any retained one shows: rows are only ever added, but where somebody deleted
 * some, and where main was set back.
 */
function tipsOf({ metadata }: LoadedTable): readonly Snapshot[] {
  const head = headOf(metadata)?.['snapshot-id']
  const continued = new Set<Snapshot['snapshot-id'] | undefined>()
  for (const snapshot of metadata.snapshots) {
    const isAdding = ['append', 'replace'].includes(snapshot.summary?.operation ?? '')
    if (isAdding) continued.add(snapshot['parent-snapshot-id'])
  }
  return metadata.snapshots.filter(({ 'snapshot-id': id }) => id === head || !continued.has(id))
}
