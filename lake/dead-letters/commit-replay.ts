import type { LoadedTable } from '../../iceberg/catalog/catalog.js'
import { headOf } from '../../iceberg/spec/refs.js'
import type { Change, TableChange } from '../../iceberg/write/table-change.js'
import { commitTransaction } from '../../iceberg/write/transaction.js'
import type { Row } from '../../engine/engine.js'
import { computeOnce } from '../../engine/table/compute-change.js'
import { deleteRows } from '../../engine/table/delete-rows.js'
import { FirnError } from '../../schemas/error.js'
import type { LakeDeps } from '../../schemas/lake-deps.js'
import { DEAD_LETTERS, ledgerIdentifier } from '../../schemas/lake-tables.js'
import { parseTableSchema } from '../../schemas/table-schema.js'
import { carriedSummary, nextRowNumber } from '../land/ledger.js'
import { numberFloor } from '../land/number-floor.js'
import { restoreRemovedRows } from '../land/restore-removed-rows.js'
import { writeTableRows } from '../tables/write-table-rows.js'
import { letterKeySql } from './letter-id.js'
import type { UnnumberedRow } from './replay-objects.js'

/** Letters that leave `raw.dead_letters`, and the ledger rows that come for them. */
export interface Replay {
  readonly source: string
  readonly batch: string
  readonly rows: readonly UnnumberedRow[]
  /** Of the letters that go, as `letterKeySql` says them. */
  readonly keys: readonly string[]
  /** How many of these are landed by `rows`. */
  readonly letters: number
}

const MAX_ROUNDS = 20

/**
 * Ledger rows and the deletion of the letters in one transaction. The rows take the numbers that come next on the very
 * ledger committed onto, and move no position. Errors: IcebergError `rebuild-needed` where somebody took one of the
 * letters since `letters` was loaded, or compacted them: compute it again.
 */
export async function commitReplay(
  deps: LakeDeps,
  letters: LoadedTable,
  replay: Replay,
): Promise<{ readonly ledgerSnapshotId: string | null }> {
  const { catalog, now, newUuid } = deps
  const deletion = await deletionOf(deps, letters, replay.keys)
  const summary = { 'firn.batch-id': replay.batch, 'firn.replayed-letters': String(replay.letters) }
  const letterChange: TableChange = {
    identifier: DEAD_LETTERS,
    change: deletion,
    snapshotId: deps.newSnapshotId(),
    summary,
  }
  for (let round = 0; round < MAX_ROUNDS; round++) {
    const basis = await ledgerNow(deps, replay.source)
    const changes =
      replay.rows.length === 0
        ? [letterChange]
        : [await ledgerChange(deps, basis, replay, summary), letterChange]
    const head = headOf(basis.metadata)?.['snapshot-id']
    const result = await commitTransaction<'moved'>({
      catalog,
      changes,
      // Row numbers were given on the basis: the attempt has to commit onto that.
      beforeAttempt: ([ledger]) => {
        const moved =
          replay.rows.length > 0 && headOf(ledger?.metadata ?? basis.metadata)?.['snapshot-id'] !== head
        return Promise.resolve(moved ? 'moved' : undefined)
      },
      now,
      newUuid,
    })
    if (result.kind === 'ended') continue
    const ledgerSnapshotId = replay.rows.length === 0 ? head : result.tables[0]?.snapshotId
    return { ledgerSnapshotId: ledgerSnapshotId?.toString() ?? null }
  }
  throw new FirnError(
    'stale-range',
    `the ledger raw.${replay.source} changed ${MAX_ROUNDS} times while letters were replayed; nothing of these was landed, replay again`,
  )
}

/** Rows that a rollback removed come first: batches know them by the numbers that a replay would take. */
async function ledgerNow(deps: LakeDeps, source: string): Promise<LoadedTable> {
  const loaded = await deps.catalog.loadTable(ledgerIdentifier(source))
  return (await restoreRemovedRows(deps, source, loaded)).ledger
}

async function ledgerChange(
  deps: LakeDeps,
  ledger: LoadedTable,
  { source, rows }: Replay,
  summary: Readonly<Record<string, string>>,
): Promise<TableChange> {
  const next = Math.max(await nextRowNumber(deps, ledger), await numberFloor(deps, source))
  const numbered = rows.map((row, i): Row => ({ row_number: BigInt(next + i), ...row }))
  const file = await writeTableRows(deps, ledger, numbered)
  return {
    identifier: ledgerIdentifier(source),
    change: { kind: 'append', files: [file] },
    snapshotId: deps.newSnapshotId(),
    summary: { ...summary, ...carriedSummary(ledger, next + rows.length) },
  }
}

const GONE = 'firn_gone_letters'

async function deletionOf(deps: LakeDeps, letters: LoadedTable, keys: readonly string[]): Promise<Change> {
  const context = { ...deps, identifier: DEAD_LETTERS }
  const relation = {
    kind: 'rows' as const,
    name: GONE,
    schema: parseTableSchema({ key: 'string!' }),
    rows: keys.map((key) => ({ key })),
  }
  const where = { sql: `${letterKeySql('target')} IN (SELECT key FROM ${GONE})`, relations: [relation] }
  // Letters that others add are none of these.
  const options = { isolation: 'snapshot' as const }
  return (await computeOnce(context, {}, letters, (basis) => deleteRows(basis, where, options))).change
}
