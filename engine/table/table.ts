import type { LoadedTable, TableIdentifier } from '../../iceberg/catalog/catalog.js'
import type { Expression } from '../../iceberg/expr/expression.js'
import type { ScanTarget } from '../../iceberg/scan/scan-plan.js'
import type { DataFile } from '../../iceberg/spec/data-file.js'
import type { SnapshotId } from '../../iceberg/spec/snapshot.js'
import type { Schema } from '../../iceberg/spec/type.js'
import type { IsolationLevel, TagChange } from '../../iceberg/write/table-change.js'
import type { EngineSessionOptions, Relation, Row, ScanRelation } from '../engine.js'

/** Where new rows come from: memory, or a SELECT over relations, which may be larger than memory. */
export type Source =
  | readonly Row[]
  /** Rows whose columns are not the table's, as merge may take. */
  | { readonly rows: readonly Row[]; readonly schema: Schema }
  | { readonly sql: string; readonly relations?: readonly Relation[] }

/**
 * Which rows are meant. An expression also chooses the files to read; SQL (over the table's columns, `target` being the
 * table's name in it) looks at all. Rows of which the condition is null are not meant.
 */
export type Condition = Expression | { readonly sql: string; readonly relations?: readonly Relation[] }

/** Whether changed files are written anew, or position deletes are written beside them. */
export type WriteMode = 'copy-on-write' | 'merge-on-read'

/** How a change is committed. */
export interface WriteOptions {
  /** Default `main`. */
  readonly branch?: string
  readonly tags?: readonly TagChange[]
  /** Further properties of the snapshot's summary. */
  readonly summary?: Readonly<Record<string, string>>
  /** Kept in the summary: a second call with the same id finds the first one's snapshot and does nothing. */
  readonly operationId?: string
  /** How often the change is computed anew after others changed what it was computed from. Default 20. */
  readonly tries?: number
  readonly session?: EngineSessionOptions
}

/** How rows are taken away, and what others may do meanwhile. */
export interface RowChangeOptions extends WriteOptions {
  /** Default: the table's `write.delete.mode`, `write.update.mode` or `write.merge.mode`, else copy-on-write. */
  readonly mode?: WriteMode
  /** Default: the table's `write.delete.isolation-level` and its likes, else serializable. */
  readonly isolation?: IsolationLevel
}

/** How rows of the source meet rows of the table. */
export interface UpsertOptions extends RowChangeOptions {
  /** Columns that name a row. Default: the schema's identifier fields. */
  readonly key?: readonly string[]
  /** Default `update`. Rows that would not change are left alone. */
  readonly whenMatched?: 'update' | 'ignore'
  /** Default `insert`. */
  readonly whenNotMatched?: 'insert' | 'ignore'
}

/** New values by column, as SQL over `source` and `target`; `all`: every column as the source has it. */
export type Assignments = 'all' | Readonly<Record<string, string>>

/** The first clause whose `when` (SQL over `source` and `target`) is true is taken. */
export type MatchedClause =
  { readonly when?: string; readonly update: Assignments } | { readonly when?: string; readonly delete: true }

/**
 * SQL's MERGE. A row of the table that several rows of the source would change is an error of kind `data-invalid`.
 */
export interface Merge extends RowChangeOptions {
  readonly source: Source
  /** Columns that are equal in both, or SQL over `source` and `target`. Columns let most files be left unread. */
  readonly on: readonly string[] | string
  readonly whenMatched?: readonly MatchedClause[]
  /** Columns that are not named become null. */
  readonly whenNotMatched?: readonly { readonly when?: string; readonly insert: Assignments }[]
  readonly whenNotMatchedBySource?: readonly MatchedClause[]
  /** Rows of the table that do not match it are not looked at. */
  readonly filter?: Expression
}

/** Which rows change, and how. */
export interface Update extends RowChangeOptions {
  readonly where: Condition
  /** SQL over the table's columns, by column. */
  readonly set: Readonly<Record<string, string>>
}

/** How files that lie there already are taken. */
export interface AddFilesOptions extends WriteOptions {
  /** Takes partition values from `name=value` folders where columns are not in the files. Default true. */
  readonly hivePaths?: boolean
}

/**
 * Which rows to read, as of which snapshot. Without `limit`, more than 10,000 rows are an error of kind
 * `too-many-rows`.
 */
export interface ReadOptions {
  readonly filter?: Expression
  readonly select?: readonly string[]
  readonly limit?: number
  readonly at?: ScanTarget
  readonly session?: EngineSessionOptions
}

/** What a change did, and the table after it. */
export interface WriteResult {
  /** Absent where the table is still empty; the head where nothing changed. */
  readonly snapshotId?: SnapshotId
  /** Rows that were not there before. */
  readonly addedRows: number
  readonly updatedRows: number
  readonly deletedRows: number
  readonly addedFiles: readonly DataFile[]
  readonly removedFiles: readonly DataFile[]
  readonly deleteFiles: readonly DataFile[]
  /** How often the change was computed. 0: an earlier call with this operation id had done it. */
  readonly tries: number
  readonly table: LoadedTable
}

/** One table's rows. Writes are atomic, and computed anew where others changed what they were computed from. */
export interface Table {
  readonly identifier: TableIdentifier
  /** Adds rows, whatever others added meanwhile. */
  append(source: Source, options?: WriteOptions): Promise<WriteResult>
  /** Deletes the rows that `where` means (default: all) and adds the source's, in one snapshot. */
  overwrite(source: Source, options?: RowChangeOptions & { readonly where?: Condition }): Promise<WriteResult>
  /** Replaces every partition, of the current spec, that the source has rows of. */
  overwritePartitions(source: Source, options?: WriteOptions): Promise<WriteResult>
  /** Deletes the rows that `where` means; files whose rows all go are dropped unread. */
  delete(where: Condition, options?: RowChangeOptions): Promise<WriteResult>
  /** Changes the rows that its `where` means. */
  update(update: Update): Promise<WriteResult>
  /** Rows of the source replace those of the same key; the others are added. */
  upsert(source: Source, options?: UpsertOptions): Promise<WriteResult>
  /** SQL's MERGE. */
  merge(merge: Merge): Promise<WriteResult>
  /** Makes Parquet files that lie there already part of the table, as they are. */
  addFiles(locations: readonly string[], options?: AddFilesOptions): Promise<WriteResult>
  /** Rows in JavaScript: for a few. More belong into SQL, by `relation`. */
  rows(options?: ReadOptions): Promise<readonly Row[]>
  /** The table as an input of SQL that is run elsewhere. */
  relation(
    name: string,
    options?: { readonly filter?: Expression; readonly at?: ScanTarget },
  ): Promise<ScanRelation>
}
