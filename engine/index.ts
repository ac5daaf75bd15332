/** `firnlake/engine`: rows of Iceberg tables by SQL in this process (DuckDB). */
export { createDuckDBEngine, type DuckDBEngineOptions } from './duckdb/duckdb-engine.js'
export { createRewriter } from './duckdb/rewriter.js'
export {
  EngineError,
  type Engine,
  type EngineErrorKind,
  type EngineSession,
  type EngineSessionOptions,
  type QueryResult,
  type RawObject,
  type Relation,
  type Row,
  type RowValue,
  type ScanRelation,
  type StreamOptions,
  type WriteTarget,
  type WrittenFiles,
} from './engine.js'
export { openTable, type OpenTable } from './table/open-table.js'
export type {
  AddFilesOptions,
  Assignments,
  Condition,
  MatchedClause,
  Merge,
  ReadOptions,
  RowChangeOptions,
  Source,
  Table,
  Update,
  UpsertOptions,
  WriteMode,
  WriteOptions,
  WriteResult,
} from './table/table.js'
