import type { LoadedTable, TableIdentifier } from '../catalog/catalog.js'
import type { DataFile } from '../spec/data-file.js'
import type { SnapshotId } from '../spec/snapshot.js'
import type { Expression } from '../expr/expression.js'

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
  /** Rows that a reader of `basis` found go, and others come: delete, update, upsert, merge, overwrite by filter. */
  | RowDelta
  /** The same rows in other files: compaction, of data files or of delete files. */
  | RewriteChange
  /** The same files in other manifests, clustered by partition. */
  | { readonly kind: 'rewrite-manifests'; readonly targetSizeBytes?: number }
  /** Main goes to another snapshot of the table, as a rule back to an earlier one; only where its head is `basis` still. */
  | { readonly kind: 'set-head'; readonly to: SnapshotId; readonly basis: SnapshotId }
  /** No rows change; only refs are set. */
  | { readonly kind: 'none' }

/**
 * Rows that go and rows that come, computed from `basis`. Copy-on-write has `removed` and `added`, merge-on-read
 * `deletes` and `added`.
 */
export interface RowDelta {
  readonly kind: 'row-delta'
  /**
   * Data files that go whole: those written anew (copy-on-write), or all of whose rows go. Also delete files whose rows
   * `deletes` says again.
   */
  readonly removed: readonly DataFile[]
  /** New data files. */
  readonly added: readonly DataFile[]
  /** New position-delete files (merge-on-read), or equality-delete files of a writer that looks nothing up. */
  readonly deletes: readonly DataFile[]
  /** The data files that `deletes` name rows of; they have to be there still. */
  readonly deletedFrom: readonly DataFile[]
  /** What was looked at. Under `serializable`, rows that others added or removed and that may match it are a conflict. */
  readonly filter: Expression
  readonly isolation: IsolationLevel
  readonly basis: SnapshotId | null
}

/** The same rows in other files. Gives up (`rebuild-needed`) where others changed what it rewrites. */
export interface RewriteChange {
  readonly kind: 'rewrite'
  readonly removed: readonly DataFile[]
  readonly added: readonly DataFile[]
  readonly basis: SnapshotId
  /**
   * What added data files take, so that equality deletes that came after go on applying: the sequence number of the
   * `basis`, nothing else. Absent: the commit's.
   */
  readonly dataSequenceNumber?: number
}

/** Iceberg's `write.delete.isolation-level` and its likes. */
export type IsolationLevel = 'serializable' | 'snapshot'

/** A tag that a commit sets. */
export interface TagChange {
  readonly name: string
  /** From now on; the commit adds the snapshot's own age, since refs age from their snapshot. Absent: never expires. */
  readonly retainMs?: number
}

/** A tag that gets another name; one of that name before is replaced. Passed over where there is no such tag (any longer). */
export interface TagRename extends TagChange {
  readonly from: string
}

/** What a transaction does to one table, and the id of the snapshot that it makes. */
export interface TableChange {
  readonly identifier: TableIdentifier
  /** Default `main`. */
  readonly branch?: string
  readonly change: Change
  /** Drawn by the caller before the first attempt; survives retries, so a lost answer can be resolved. */
  readonly snapshotId: SnapshotId
  /** Must not exist yet; set to the new snapshot, or to the head where the change is `none`. */
  readonly tags?: readonly TagChange[]
  readonly renames?: readonly TagRename[]
  /** The snapshot is added but no branch is moved to it: write, audit, then publish by `cherryPick`. */
  readonly stageOnly?: boolean
  /** A snapshot is made also where no file comes or goes, for what its summary says. */
  readonly evenIfEmpty?: true
  /** The snapshot whose files are added again. Where it has expired so have they: then the commit is rejected. */
  readonly picks?: SnapshotId
  /** Further summary properties of the snapshot, e.g. `firn.batch-id`. */
  readonly summary?: Readonly<Record<string, string>>
}

/** A table after the transaction. */
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

/** How a transaction ended: committed, or ended by what `beforeAttempt` returned. */
export type TransactionResult<T> =
  | { readonly kind: 'committed'; readonly tables: readonly CommittedTable[]; readonly attempts: number }
  | { readonly kind: 'ended'; readonly value: T }
