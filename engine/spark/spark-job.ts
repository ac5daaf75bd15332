/** What one Spark session is asked to do, as runner.py reads it. Snapshot ids are decimal text. */
export type SparkJob = SparkBuild | SparkCheck

/** Name, type in Spark's words, and whether NULL is an error. */
export type SparkColumn = readonly [name: string, type: string, required: boolean]

/** Builds tables of a batch on the branch `branch` of each. */
export interface SparkBuild {
  readonly kind: 'build'
  readonly application: string
  /** Drawn for this attempt: snapshots say it, so that two attempts at one batch never mix. */
  readonly attempt: string
  readonly branch: string
  readonly batch: {
    readonly batch_id: string
    readonly pipeline: string
    readonly processing_timestamp: string
    readonly processing_date: string
  }
  /** Absent where no table of the job reads it and the ids are staged. */
  readonly source?: SparkSource
  /** The source's record ids; `kept` where they are a table's rows. `duplicates`: known, since they are staged. */
  readonly ids: SparkTarget & { readonly kept: boolean; readonly duplicates?: number }
  /** In dependency order. */
  readonly tables: readonly SparkTable[]
  /** Tables that are staged already, on the branch too: what this batch adds to them. */
  readonly staged: Readonly<Record<string, AddedRows>>
  readonly types: ColumnKinds
  /** Of a batch that is built again: those that were built after it, which conditions name as `_later_batches`. */
  readonly later?: readonly string[]
}

/** Tries every table's SQL on empty relations. */
export interface SparkCheck {
  readonly kind: 'check'
  readonly application: string
  readonly relations: Readonly<Record<string, readonly SparkColumn[]>>
  readonly tables: readonly (SparkSql & { readonly name: string; readonly columns: readonly SparkColumn[] })[]
  readonly types: ColumnKinds
}

/** Kinds of columns by name, where a name means one kind in the whole pipeline. */
export type ColumnKinds = Readonly<Record<string, 'list' | 'text' | 'integer'>>

export interface SparkSql {
  readonly sql: string
  /** `duckdb` is translated. */
  readonly dialect: 'duckdb' | 'spark'
}

/** Rows between two snapshots; both null: none. `basis` null: the table was empty. */
export interface AddedRows {
  readonly snapshot: string | null
  readonly basis: string | null
}

export interface SparkSource {
  readonly name: string
  /** Location, first offset, one past the last. */
  readonly objects: readonly (readonly [location: string, first: number, end: number])[]
  /** How many records those objects hold in these ranges, duplicates too. */
  readonly records: number
  readonly envelope: readonly SparkColumn[]
  /** The document as a struct; `lenient` as it is parsed: whole numbers as decimals. */
  readonly struct: string
  readonly lenient: string
}

export interface SparkTarget {
  readonly name: string
  /** `namespace.name` */
  readonly table: string
  readonly columns: readonly SparkColumn[]
  /** Partition columns, then the key. */
  readonly order: readonly string[]
  readonly write: 'append' | 'overwrite-partitions'
  /** Head that the batch is computed from; null: the table is empty. */
  readonly basis: string | null
  /**
   * Of a batch that is built again, a condition in DuckDB's SQL: which rows of the head are seen (of ids: are the batch's).
   * It may name `_all_ids` and `_later_batches`.
   */
  readonly stays?: string
}

export interface SparkTable extends SparkTarget, SparkSql {
  readonly key: readonly string[]
  /** It sees what the batch adds only. */
  readonly onlyNew: boolean
  /** Rows whose key the table has already are left out. */
  readonly newByKey: boolean
  readonly reads: {
    readonly source: boolean
    readonly tables: readonly {
      readonly name: string
      readonly table: string
      readonly columns: readonly SparkColumn[]
      readonly added: boolean
      readonly basis: string | null
      /** Instead of `added`: the head's rows of this condition, and what the batch adds, whose partitions may replace others. */
      readonly stays?: string
      readonly replaced?: 'partitions' | 'all'
    }[]
  }
}

/** A table that is on its branch. `snapshot` null: nothing was written. */
export interface SparkStaged {
  readonly table: string
  readonly snapshot: string | null
  readonly rows: number
  /** Of the ids alone. */
  readonly duplicates?: number
}

export interface SparkProblem {
  readonly table: string | null
  readonly kind: 'sql-invalid' | 'data-invalid' | 'unsupported' | 'io'
  /** Spark's own words, the first line. */
  readonly message: string
}

export interface SparkControl {
  readonly onProgress?: (message: string) => void
  /** Awaited in turn; throwing ends the session. */
  readonly onStaged?: (staged: SparkStaged) => Promise<void>
  readonly onProblem?: (problem: SparkProblem) => void
  readonly signal?: AbortSignal
}

/** Runs jobs, each in a session of its own. Errors: EngineError, in Spark's words. */
export interface SparkEngine {
  run(job: SparkJob, control?: SparkControl): Promise<void>
}
