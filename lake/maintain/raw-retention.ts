import type { LoadedTable } from '../../iceberg/catalog/catalog.js'
import { ifFound, isIcebergError } from '../../iceberg/error.js'
import { gtEq } from '../../iceberg/expr/expression.js'
import type { FileStatus } from '../../iceberg/io/file-io.js'
import { sameLocation } from '../../iceberg/maintain/reachable-files.js'
import type { Row } from '../../engine/engine.js'
import { instantOf, isBatchId } from '../../schemas/batch.js'
import type { LakeDeps } from '../../schemas/lake-deps.js'
import { ledgerIdentifier } from '../../schemas/lake-tables.js'
import type { MaintainedFile } from '../../schemas/maintenance.js'
import { queryLedger } from '../land/ledger.js'
import { RAW_KEPT_FROM, rawKeptFrom } from '../land/raw-kept-from.js'
import { builtRows, type BuiltRows } from './built-rows.js'
import { deleteOneByOne } from './delete-one-by-one.js'
import { objectsOf } from './raw-orphans.js'

/** Property of a ledger: retention is done with the rows before this number. */
const RAW_REMOVED_TO = 'firn.raw-removed-to-row'
/** Objects of one run, and dates that they are listed of. The next run goes on. */
const OBJECTS_AT_ONCE = 5000
const DATES_AT_ONCE = 62

export interface Retired {
  readonly files: readonly MaintainedFile[]
  readonly notes: readonly string[]
}

/**
 * Removes raw objects that every pipeline of their source has built and that are past the retention, from the oldest
 * ledger row on and up to the first that has to stay. The rows stay, since positions are counted by them; from then on
 * reading such a row is refused in words. Done again it goes on where it stopped.
 */
export async function retireRaw(
  deps: LakeDeps,
  ledger: LoadedTable,
  { dryRun }: { readonly dryRun: boolean },
): Promise<Retired> {
  const { rawRetentionMs, snapshotMaxAgeMs } = deps.settings
  if (rawRetentionMs === undefined) return { files: [], notes: [] }
  const source = ledger.identifier.name
  const built = await builtRows(deps, source)
  // A ledger that is rolled back needs the objects of what it gets back.
  const cutoffMs = deps.now() - Math.max(rawRetentionMs, snapshotMaxAgeMs)
  const due = await dueObjects(deps, ledger, built, cutoffMs)
  if (due.length === 0) return { files: [], notes: built.notes }
  const present = due.flatMap(({ status }) => status ?? [])
  const last = due.at(-1)?.rowEnd ?? 0
  if (!dryRun) await setProperty(deps, source, RAW_KEPT_FROM, last)
  const files = await deleteOneByOne(deps.catalog.io, present, 'retention', { dryRun })
  if (!dryRun) {
    const failed = new Set(files.filter(({ result }) => result === 'failed').map(({ location }) => location))
    const stuck = due.find(({ status }) => status !== undefined && failed.has(status.location))
    await setProperty(deps, source, RAW_REMOVED_TO, stuck?.rowFrom ?? last)
  }
  return { files, notes: built.notes }
}

interface DueObject {
  readonly rowFrom: number
  readonly rowEnd: number
  /** Undefined: it is gone already. */
  readonly status: FileStatus | undefined
}

async function dueObjects(
  deps: LakeDeps,
  ledger: LoadedTable,
  built: BuiltRows,
  cutoffMs: number,
): Promise<readonly DueObject[]> {
  const from = Number(ledger.metadata.properties[RAW_REMOVED_TO] ?? 0)
  const rows = await queryLedger(
    deps,
    ledger,
    gtEq('row_number', BigInt(from)),
    `SELECT path, min(row_number) AS row_from, max(row_number) + 1 AS row_end, max(batch) AS batch,
       max(max_event_time) AS event_time FROM ledger
     WHERE row_number >= ${from} AND path NOT LIKE 'gap:%' GROUP BY path
     HAVING max(row_number) < ${built.rowEnd} ORDER BY row_from LIMIT ${OBJECTS_AT_ONCE}`,
  )
  const listings = new Map<string, ReadonlyMap<string, FileStatus>>()
  const due: DueObject[] = []
  for (const row of rows) {
    if (!isOld(row, built, cutoffMs)) break
    const date = dateOf(row)
    if (!listings.has(date) && listings.size >= DATES_AT_ONCE) break
    const listing = listings.get(date) ?? (await listingOf(deps, ledger.identifier.name, date))
    listings.set(date, listing)
    const status = listing.get(sameLocation(row['path'] as string))
    // Its own time counts too: a batch of an old date may have been landed yesterday.
    if (status !== undefined && status.modifiedMs >= cutoffMs) break
    due.push({ rowFrom: Number(row['row_from']), rowEnd: Number(row['row_end']), status })
  }
  return due
}

function isOld(row: Row, { eventsBeforeMs }: BuiltRows, cutoffMs: number): boolean {
  const batch = row['batch'] as string
  const eventTime = row['event_time']
  const isClosed =
    eventsBeforeMs === undefined ||
    (typeof eventTime === 'bigint' && Number(eventTime / 1000n) < eventsBeforeMs)
  return isBatchId(batch) && instantOf(batch).getTime() < cutoffMs && isClosed
}

/** The folder that the object lies in. */
function dateOf(row: Row): string {
  return (row['path'] as string).split('/').at(-2) ?? ''
}

async function listingOf(
  deps: LakeDeps,
  source: string,
  date: string,
): Promise<ReadonlyMap<string, FileStatus>> {
  return new Map((await objectsOf(deps, source, date)).map((file) => [sameLocation(file.location), file]))
}

const MAX_TRIES = 20

/** Raises a property of a ledger; it never falls. */
async function setProperty(deps: LakeDeps, source: string, name: string, value: number): Promise<void> {
  const identifier = ledgerIdentifier(source)
  for (let tries = 1; ; tries++) {
    const table = await ifFound(deps.catalog.loadTable(identifier))
    if (table === undefined || Number(table.metadata.properties[name] ?? 0) >= value) return
    try {
      const requirements = [{ type: 'assert-table-uuid' as const, uuid: table.metadata['table-uuid'] }]
      const updates = [{ action: 'set-properties' as const, updates: { [name]: String(value) } }]
      await deps.catalog.commit([{ identifier, requirements, updates }])
      return
    } catch (error) {
      const isTransient = isIcebergError(error, 'commit-conflict') || isIcebergError(error, 'commit-unknown')
      if (!isTransient || tries >= MAX_TRIES) throw error
    }
  }
}

export function keptFromNote(ledger: LoadedTable): readonly string[] {
  const keptFrom = rawKeptFrom(ledger)
  return keptFrom === 0
    ? []
    : [`raw objects are kept from row ${keptFrom} on; those before are past their retention`]
}
