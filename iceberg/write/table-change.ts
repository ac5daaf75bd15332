import type { LoadedTable, TableIdentifier } from '../catalog/catalog.js'
import type { DataFile } from '../spec/data-file.js'
import type { SnapshotId } from '../spec/snapshot.js'

/**
 * What one transaction does to one table, as data. `basis` is the head (null: empty) that the change was computed from;
 * conflict rules compare it with the head committed onto (docs/decisions/0002-commits.md).
 */
export type Change =
  /** Adds files, whatever else was added. */
  | { readonly kind: 'append'; readonly files: readonly DataFile[] }
  /** Adds rows that no row of the table has by key, as seen from `basis`. */
  | { readonly kind: 'insert-new'; readonly files: readonly DataFile[]; readonly basis: SnapshotId | null }
  /** Replaces every partition that the files fall in (of any spec). */
  | {
      readonly kind: 'overwrite-partitions'
      readonly files: readonly DataFile[]
      readonly basis: SnapshotId | null
    }
  /** The same rows in other files: compaction. */
  | {
      readonly kind: 'rewrite'
      readonly removed: readonly DataFile[]
      readonly added: readonly DataFile[]
      readonly basis: SnapshotId
    }
  /** No rows change; only refs are set. */
  | { readonly kind: 'none' }

export interface TagChange {
  readonly name: string
  /** From now on; the commit adds the snapshot's own age, since refs age from their snapshot. Absent: never expires. */
  readonly retainMs?: number
}

export interface TableChange {
  readonly identifier: TableIdentifier
  /** Default `main`. */
  readonly branch?: string
  readonly change: Change
  /** Drawn by the caller before the first attempt; survives retries, so a lost answer can be resolved. */
  readonly snapshotId: SnapshotId
  /** Must not exist yet; set to the new snapshot, or to the head where the change is `none`. */
  readonly tags?: readonly TagChange[]
  /** Further summary properties of the snapshot, e.g. `firn.batch-id`. */
  readonly summary?: Readonly<Record<string, string>>
}

export interface CommittedTable {
  readonly identifier: TableIdentifier
  /** Absent where the table is still empty. */
  readonly snapshotId?: SnapshotId
  readonly table: LoadedTable
}

/**
 * Looks, before every attempt, at the very metadata that the attempt commits onto. Returning a value ends the
 * transaction with it and commits nothing (e.g. the marker of this batch is there already).
 */
export type BeforeAttempt<T> = (tables: readonly LoadedTable[]) => Promise<T | undefined>

/** Says whether rows of files that others added since the basis collide with an insert-new's keys. */
export type CollidesWith = (change: TableChange, addedByOthers: readonly DataFile[]) => Promise<boolean>

export type TransactionResult<T> =
  | { readonly kind: 'committed'; readonly tables: readonly CommittedTable[]; readonly attempts: number }
  | { readonly kind: 'ended'; readonly value: T }
