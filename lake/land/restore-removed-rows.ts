import type { LoadedTable } from '../../iceberg/catalog/catalog.js'
import { ifFound } from '../../iceberg/error.js'
import { gtEq } from '../../iceberg/expr/expression.js'
import { headOf } from '../../iceberg/spec/refs.js'
import type { Snapshot } from '../../iceberg/spec/snapshot.js'
import { commitTransaction } from '../../iceberg/write/transaction.js'
import type { Row } from '../../engine/engine.js'
import { FirnError } from '../../schemas/error.js'
import type { LakeDeps } from '../../schemas/lake-deps.js'
import { ledgerIdentifier } from '../../schemas/lake-tables.js'
import { writeTableRows } from '../tables/write-table-rows.js'
import { carriedSummary, nextRowNumber, queryLedger, rowEndOf } from './ledger.js'

const MAX_ROUNDS = 10

/**
 * Brings back the ledger rows that a rollback removed and a retained snapshot still shows, under their own numbers:
 * batches that have read these numbers must not find other records there. Returns the ledger as it is then.
 */
export async function restoreRemovedRows(
  deps: LakeDeps,
  source: string,
  ledger: LoadedTable,
): Promise<{ readonly ledger: LoadedTable; readonly restored: number }> {
  let current = ledger
  for (let round = 0; round < MAX_ROUNDS; round++) {
    const next = await nextRowNumber(deps, current)
    const last = lastRemoved(current, next)
    if (last === undefined) return { ledger: current, restored: 0 }
    const before = atSnapshot(current, last)
    const rows = await queryLedger(
      deps,
      before,
      gtEq('row_number', BigInt(next)),
      `SELECT * FROM ledger WHERE row_number >= ${next} ORDER BY row_number`,
    )
    await assertObjects(deps, rows)
    const committed = await append(deps, source, current, before, rows)
    if (committed !== undefined) return { ledger: committed, restored: rows.length }
    current = await deps.catalog.loadTable(ledgerIdentifier(source))
  }
  throw new FirnError(
    'stale-range',
    `the ledger raw.${source} changed ${MAX_ROUNDS} times while its removed rows were brought back; land again`,
  )
}

/**
 * Whether main lacks rows that a retained snapshot shows. Until they are back nothing may be committed: new rows would
 * take the numbers of those that are missing, and who has read these would never see the new ones.
 */
export function isRolledBack(ledger: LoadedTable, nextRow: number): boolean {
  return lastRemoved(ledger, nextRow) !== undefined
}

/** The snapshot that shows most rows beyond main's. */
function lastRemoved(ledger: LoadedTable, next: number): Snapshot | undefined {
  return ledger.metadata.snapshots
    .filter(({ summary }) => rowEndOf(summary) > next)
    .reduce<Snapshot | undefined>(
      (max, one) => (max === undefined || rowEndOf(one.summary) > rowEndOf(max.summary) ? one : max),
      undefined,
    )
}

function atSnapshot(ledger: LoadedTable, snapshot: Snapshot): LoadedTable {
  const main = { type: 'branch', 'snapshot-id': snapshot['snapshot-id'] } as const
  return { ...ledger, metadata: { ...ledger.metadata, refs: { ...ledger.metadata.refs, main } } }
}

async function assertObjects(deps: LakeDeps, rows: readonly Row[]): Promise<void> {
  const paths = new Set(rows.filter((row) => row['records'] !== 0n).map((row) => row['path'] as string))
  for (const path of paths) {
    if ((await ifFound(deps.catalog.io.stat(path))) !== undefined) continue
    throw new FirnError(
      'not-found',
      `the ledger was rolled back, and the raw object ${path} of a row that it lost is gone: put it back from a backup, ` +
        'or expire the snapshots that show the row: its records are then read from the source again.',
      { context: { path } },
    )
  }
}

/** Undefined where something else was committed first. */
async function append(
  deps: LakeDeps,
  source: string,
  ledger: LoadedTable,
  before: LoadedTable,
  rows: readonly Row[],
): Promise<LoadedTable | undefined> {
  const head = headOf(ledger.metadata)?.['snapshot-id']
  const file = await writeTableRows(deps, ledger, rows)
  const end = rowEndOf(headOf(before.metadata)?.summary)
  const { catalog, now, newUuid } = deps
  const result = await commitTransaction<'moved'>({
    catalog,
    changes: [
      {
        identifier: ledgerIdentifier(source),
        change: { kind: 'append', files: [file] },
        snapshotId: deps.newSnapshotId(),
        summary: { ...carriedSummary(before, end), 'firn.restored-rows': String(rows.length) },
      },
    ],
    beforeAttempt: (tables) => {
      const moved = headOf(tables[0]?.metadata ?? ledger.metadata)?.['snapshot-id'] !== head
      return Promise.resolve(moved ? 'moved' : undefined)
    },
    now,
    newUuid,
  })
  return result.kind === 'ended' ? undefined : result.tables[0]?.table
}
