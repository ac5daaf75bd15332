import type { LoadedTable } from '../../iceberg/catalog/catalog.js'
import type { SnapshotId } from '../../iceberg/spec/snapshot.js'
import type { RecordedBatch } from './recorded-batches.js'

/** What a rollback does to one table. */
export interface TableRollback {
  /** `namespace.name` */
  readonly table: string
  readonly loaded: LoadedTable
  /** Where main is; null: the table is empty. */
  readonly from: SnapshotId | null
  /** Where main is to be; null: the table had no rows then. */
  readonly to: SnapshotId | null
  /** `empty`: all rows are deleted, in a snapshot of its own, since main can't point to nothing. */
  readonly action: 'stay' | 'move' | 'empty'
  /** Tags of what is taken back; they get the prefix `rolled_back_`. */
  readonly tags: readonly string[]
  /** Snapshots that go with it though no batch of ours made them. */
  readonly foreign: readonly ForeignSnapshot[]
}

export interface ForeignSnapshot {
  readonly table: string
  readonly snapshotId: string
  readonly operation: string
  readonly addedRows: number
}

/** A tag or branch of a user or a model that goes on showing rows which are taken back. */
export interface KeptRef {
  readonly ref: string
  readonly tables: readonly string[]
}

/** What a rollback would do, from one catalog read. */
export interface RollbackPlan {
  readonly pipeline: string
  /** The batch that all tables go back to. */
  readonly to: RecordedBatch
  /** By processing name: ledger rows before this one are built afterwards. */
  readonly builtUpTo: ReadonlyMap<string, number>
  /** Published batches, scorings, rebuilds and skips that are taken back, oldest first. */
  readonly takenBack: readonly RecordedBatch[]
  readonly tables: readonly TableRollback[]
  /** Tables of the record ids that are built, without those that are not made yet. */
  readonly ids: readonly LoadedTable[]
  readonly audit: LoadedTable
  readonly kept: readonly KeptRef[]
}

/** Nothing of what was done since would be taken back. */
export function isNothing({ takenBack, tables }: RollbackPlan): boolean {
  return takenBack.length === 0 && tables.every(({ action }) => action === 'stay')
}
