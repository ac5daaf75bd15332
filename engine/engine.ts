import type { RecordBatch } from 'apache-arrow'
import type { FileScanTask } from '../iceberg/scan/scan-plan.js'
import type { DataFile } from '../iceberg/spec/data-file.js'
import type { PartitionSpec } from '../iceberg/spec/partition-spec.js'
import type { TableMetadata } from '../iceberg/spec/table-metadata.js'
import type { Schema, Value } from '../iceberg/spec/type.js'

/** A named input of a query. `name` is how SQL says it and may hold one dot: `quantum_features.vqe_results`. */
export type Relation =
  /** Rows of an Iceberg scan, by field id, deletes applied. Columns that a file lacks are null, or their default. */
  | ScanRelation
  /**
   * Newline JSON objects (gzip by suffix): each line has the columns of `envelope` and a `payload` string, the document's
   * own JSON text, read with `schema`. The relation has the document's top-level fields under their names and the
   * envelope's columns with an underscore before them (`_record_id`, `_offset`).
   */
  | {
      readonly kind: 'raw'
      readonly name: string
      readonly schema: Schema
      readonly envelope: Schema
      readonly objects: readonly RawObject[]
      /** One more column, `_mark`: the `mark` of the object that a record is of. */
      readonly marked?: true
    }
  /** Rows already in memory; values as `Row` says. */
  | { readonly kind: 'rows'; readonly name: string; readonly schema: Schema; readonly rows: readonly Row[] }
  /** A SELECT over the other relations, computed once and kept for the session; with `lazy`, computed where it is read. */
  | { readonly kind: 'query'; readonly name: string; readonly sql: string; readonly lazy?: boolean }

/** Rows of an Iceberg scan, read by field id, deletes applied. */
export interface ScanRelation {
  readonly kind: 'scan'
  readonly name: string
  readonly schema: Schema
  readonly tasks: readonly FileScanTask[]
  /** Where the name mapping of files without field ids and columns dropped since are looked up. */
  readonly metadata?: TableMetadata
  /** A number for each task. One more column, `PLACE`, says which task's file a row is of and where in it. */
  readonly places?: readonly number[]
}

/** One object of newline JSON, and which of its lines. */
export interface RawObject {
  readonly location: string
  /** Envelope offsets to keep, first inclusive, end exclusive. */
  readonly first: number
  readonly end: number
  /** No line of the object is longer than this. Readers take buffers of that size for every thread. Default 128 MiB. */
  readonly maxLineBytes?: number
  /** Whatever the caller wants its records to be known by. Default 0. */
  readonly mark?: number
}

/**
 * A row in JavaScript: null, boolean, number (int, float, double), bigint (long), string (string, uuid), Date-free:
 * timestamps are bigint µs and dates are days since 1970; lists are arrays, structs are objects, binary is Uint8Array.
 */
export type RowValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | readonly RowValue[]
  | { readonly [key: string]: RowValue }
/** A row by column. */
export type Row = Readonly<Record<string, RowValue>>

/** Where the result of a query becomes data files of a table. */
export interface WriteTarget {
  readonly schema: Schema
  readonly spec: PartitionSpec
  /** `<table location>/data`; file names are unique. */
  readonly dataLocation: string
  /** Columns that order the rows totally (the table's key): the same rows come out in the same order, whatever the threads. */
  readonly orderBy: readonly string[]
  /** Default 512 MiB. */
  readonly targetFileSizeBytes?: number
  /** All rows lie in this one partition, as the caller knows: they are written as they come. */
  readonly partition?: readonly (Value | null)[]
  /** Folder of a partition below `dataLocation`; empty: none. Default: named after its values. */
  readonly folderOf?: (partition: readonly (Value | null)[]) => string
}

/** Data files that a query became, durable and not yet part of any table. */
export interface WrittenFiles {
  readonly files: readonly DataFile[]
  readonly rows: number
}

/** What a SELECT gave; `type` is the engine's own name of it. */
export interface QueryResult {
  readonly columns: readonly { readonly name: string; readonly type: string }[]
  readonly rows: readonly Row[]
}

/**
 * One unit of SQL work with its own relations: open it, add relations, run, close. Not shared between activities.
 * Every session runs in UTC with a deterministic insertion order. Errors: EngineError.
 */
export interface EngineSession {
  /** Makes an input known to the queries that follow. */
  addRelation(relation: Relation): Promise<void>
  /** Runs a SELECT. `limit` bounds the rows returned (default 10,000); more is an error of kind `too-many-rows`. */
  query(sql: string, options?: { readonly limit?: number }): Promise<QueryResult>
  /**
   * Runs a SELECT and gives its rows, in its order, as Arrow: timestamps µs, decimals 128 bits, lists and arrays `List`,
   * uuids 16 bytes; structs and maps are `unsupported`. Memory is bounded however many rows there are: nothing is read
   * ahead of who iterates but a buffer of 8 MiB. Other calls may run meanwhile; breaking off frees what it took.
   */
  stream(sql: string, options?: StreamOptions): AsyncIterable<RecordBatch>
  /** Runs a SELECT and writes its rows as durable data files with field ids, metrics and partitions. */
  write(sql: string, target: WriteTarget): Promise<WrittenFiles>
  /** Paths at which SQL finds files wherever they lie, by location; good until the session is closed. */
  openFiles(locations: readonly string[]): Promise<ReadonlyMap<string, string>>
  close(): Promise<void>
}

/** Where a batch of a stream ends: the same rows are the same batches, whatever the threads. */
export interface StreamOptions {
  /** Rows of every batch but the last. Default 16,384. */
  readonly batchRows?: number
  /** A batch also ends at the first multiple of 256 rows at which it takes so many bytes. Default 8 MiB. */
  readonly batchBytes?: number
  /** The memory of a batch is used again once the next one is asked for: for who is done with it by then. Default false. */
  readonly reuse?: boolean
}

/** Opens sessions, which share its memory and its temporary folder. */
export interface Engine {
  /** The caller closes it. */
  openSession(options?: EngineSessionOptions): Promise<EngineSession>
}

/** What one session may use, and how it is stopped. */
export interface EngineSessionOptions {
  /** Default: the number of cores. Results are equal at any number. */
  readonly threads?: number
  /** Default 60 % of memory over all sessions; larger work spills to `tempDirectory`. */
  readonly memoryLimitBytes?: number
  readonly signal?: AbortSignal
}

/**
 * What went wrong: the SQL, the data, the size of the result, something not supported, a file, or the caller stopped
 * it.
 */
export type EngineErrorKind =
  'sql-invalid' | 'data-invalid' | 'too-many-rows' | 'unsupported' | 'io' | 'cancelled'

/** Errors of the data plane. `message` holds the engine's own words; `context.sql` the statement. */
export class EngineError extends Error {
  readonly kind: EngineErrorKind
  readonly retryable: boolean
  readonly context: Readonly<Record<string, unknown>>

  constructor(
    kind: EngineErrorKind,
    message: string,
    options: { readonly context?: Readonly<Record<string, unknown>>; readonly cause?: unknown } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = 'EngineError'
    this.kind = kind
    this.retryable = kind === 'io'
    this.context = options.context ?? {}
  }
}
