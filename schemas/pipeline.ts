import type { FeatureDefinitions } from './feature-definitions.js'
import type { ModelDefinition } from './model-definitions.js'

/** How the rows of a table get there; contracts for concurrent writers hang on it (docs/decisions/0002-commits.md). */
export type WriteMode = 'insert-new' | 'append' | 'overwrite-partitions'

/** `column` alone partitions by identity; otherwise `bucket(16, column)`, `truncate(4, column)`, `day(column)`, … */
export type PartitionExpression = string

export interface TableDefinition {
  /** SQL file, relative to the pipeline's folder. Absent for tables that Firn itself writes (predictions). */
  readonly sql?: string
  readonly schema: TableSchema
  /** Columns that identify a row; also the total order of its output. */
  readonly key: readonly string[]
  readonly partition: readonly PartitionExpression[]
  readonly write: WriteMode
  /**
   * Insert-new only: the column that names the source record a row comes from. Such a table sees only the batch's new
   * records, in its source and in the tables of the same `newBy` that it reads. Without it, rows are anti-joined by key.
   */
  readonly newBy?: string
  /**
   * The SQL reads the source with `_event_time`, `_window_start` and `_window_end` and gives one row a key; the key has
   * a column `window_end`.
   */
  readonly window?: WindowDefinition
  /** What runs its SQL in batches. Default: the pipeline's. */
  readonly engine?: EngineName
}

/** Column name → Iceberg type in short form: `int`, `list<double>`, `struct<a: int, b: string>`; `!` at the end: required. */
export type TableSchema = Readonly<Record<string, string>>

/** What a source's documents look like: declared, never inferred. `?` at the end of a name: may be absent or null. */
export type DocumentSchema = Readonly<Record<string, string>>

export interface SourceDefinition {
  readonly kind: 'json'
  /** Kafka topic, and the folder name under a landing root. */
  readonly topic: string
  /** Document fields in short form, top level; nested ones as `struct<…>`. */
  readonly schema: DocumentSchema
  /** Paths whose canonical JSON (RFC 8785) identifies a record; its SHA-256 is the record id. */
  readonly identity: readonly string[]
  /** Larger documents go to the dead letters. Default 64 MiB. */
  readonly maxDocumentBytes?: number
  /**
   * What happens to a document that is not as declared. `evolve` (default): members that nobody declared are let through
   * and named in the result, anything else goes to the dead letters. `discard-row`: such members are a reason as well.
   * `freeze`: the first of either kind stops the landing, and nothing of it is landed.
   */
  readonly contract?: ContractMode
  /** Path of the event time: a timestamp in ISO 8601 or ms since 1970. Default: the message's or the file's own time. */
  readonly eventTime?: string
  /** Where a topic that was never landed begins. Default `earliest`. */
  readonly startAt?: 'earliest' | 'latest'
  /**
   * `rising`: names of new files always sort behind all that were landed (dates, counters), in the order of UTF-8 bytes.
   * Then a landing lists only those behind the last one, and all of them once a week. Default `any`: all, each time.
   */
  readonly fileNames?: 'any' | 'rising'
  /** A night that finds nothing landed for so long raises an alert, e.g. `26h`. Default: never. */
  readonly lateAfter?: string
}

/** `duckdb`: in the worker. `spark`: by `spark-submit`, on a cluster or this machine (docs/spark.md). */
export type EngineName = 'duckdb' | 'spark'

export type ContractMode = 'evolve' | 'freeze' | 'discard-row'

/** Makes a table one row a key and tumbling window of the source's event time; only the stream writes it. */
export interface WindowDefinition {
  /** Length, e.g. `5m`; units s, m, h, d. Windows begin at multiples of it since 1970 in UTC. */
  readonly size: string
  /** How long after its end, by the watermark, a window still takes records. Default `0s`. */
  readonly lateness?: string
  /**
   * `copy-on-write` (default): files that hold rows of changed windows are written anew, quick to read. `merge-on-read`:
   * position deletes beside them, quick to write; maintenance merges them.
   */
  readonly mode?: 'copy-on-write' | 'merge-on-read'
}

export interface CheckDefinition {
  readonly severity: 'blocking' | 'warning'
  /**
   * A SELECT of the rows that break the rule: none means passed. A table's plain name is what this batch adds to it;
   * `all_<table>` is its current state with what the batch adds.
   */
  readonly sql: string
  readonly description?: string
}

export interface ScheduleDefinition {
  /** Five-field cron. Where it names days of the month and of the week, both have to match. */
  readonly nightly: string
  /** IANA zone; only chooses the instant. Default UTC. */
  readonly timezone?: string
  /** A night starts up to so much later, e.g. `10m`; its batch is the instant without it. Default none. */
  readonly jitter?: string
  /** A night that nothing could start is started up to so much later; also how far missed ones are looked for. Default `7d`. */
  readonly catchUp?: string
  /** The schedule is paused when it is first applied. What people do to it afterwards stays. */
  readonly paused?: boolean
  /** Shown beside the schedule. */
  readonly note?: string
}

export interface PipelineDefinition extends FeatureDefinitions {
  readonly name: string
  /** Iceberg namespace of its tables. Default `<name>_features`. */
  readonly namespace?: string
  readonly sources: Readonly<Record<string, SourceDefinition>>
  readonly tables: Readonly<Record<string, TableDefinition>>
  readonly checks?: Readonly<Record<string, CheckDefinition>>
  readonly models?: Readonly<Record<string, ModelDefinition>>
  readonly schedule?: ScheduleDefinition
  /** What runs the SQL of its tables in batches, unless FIRN_ENGINE says it for all. Default `duckdb`. */
  readonly engine?: EngineName
}

/** A pipeline read from its folder: the definition checked, SQL texts beside it. */
export interface Pipeline extends PipelineDefinition {
  readonly namespace: string
  readonly directory: string
  /** Text of every SQL file by its relative path. */
  readonly sqlTexts: Readonly<Record<string, string>>
}
