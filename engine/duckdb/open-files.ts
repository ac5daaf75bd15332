import { parseNameMapping, NAME_MAPPING_PROPERTY } from '../../iceberg/spec/name-mapping.js'
import type { DataFile } from '../../iceberg/spec/data-file.js'
import type { TableMetadata } from '../../iceberg/spec/table-metadata.js'
import type { AvroContext } from '../avro/load-avro.js'
import { loadAvro } from '../avro/load-avro.js'
import { EngineError } from '../engine.js'
import type { FileToOpen, LocalFiles } from '../local-files.js'
import { requireColumns, requireRowCount, requireSizes } from './check-file.js'
import type { FileColumn } from './file-columns.js'
import { withFieldIds } from './file-columns.js'
import type { FileSchema, Select } from './file-schemas.js'
import { readFileSchemas } from './file-schemas.js'
import { quotePath } from './sql-text.js'

export interface ScanContext extends AvroContext {
  readonly select: Select
  readonly run: (sql: string) => Promise<void>
  /** A name for a work table that nothing else in the session has. */
  readonly newName: () => string
  readonly fileSchemas: Map<string, FileSchema>
  readonly files: LocalFiles
}

/** A file of rows, opened: where it lies and what its columns are. */
export interface OpenFile {
  readonly file: DataFile
  /** What `_firn_file` says of its rows. */
  readonly path: string
  /** With field ids, from the table's name mapping where the file has none. */
  readonly columns: readonly FileColumn[]
  /** Work table that the rows are in already. Absent: a Parquet file. */
  readonly table?: string
  /** Equal for files that one SELECT can read. */
  readonly signature: string
}

/** Opened files by location. Deletion vectors have no rows and are opened where they are read. */
export type OpenFiles = ReadonlyMap<string, OpenFile>

export async function openFiles(
  context: ScanContext,
  files: readonly DataFile[],
  metadata: TableMetadata | undefined,
): Promise<OpenFiles> {
  const rowFiles = new Map<string, DataFile>()
  for (const file of files) {
    if (file.fileFormat === 'orc') throw orcFile(file)
    if (file.fileFormat !== 'puffin') rowFiles.set(file.filePath, file)
  }
  const paths = await context.files.open([...rowFiles.values()].map(fileToOpen))
  const pathOf = (file: DataFile): string => paths.get(file.filePath) ?? file.filePath
  const pathsOf = (format: string): readonly string[] =>
    [...rowFiles.values()].filter((file) => file.fileFormat === format).map(pathOf)
  const isNew = (file: DataFile): boolean => !context.fileSchemas.has(pathOf(file))
  await requireSizes([...rowFiles.values()].filter(isNew), pathOf)
  const parquet = await readFileSchemas(context.select, pathsOf('parquet'), context.fileSchemas)
  const avro = await loadAvro(context, pathsOf('avro'))
  const mappingText = metadata?.properties[NAME_MAPPING_PROPERTY]
  const mapping = mappingText === undefined ? undefined : parseNameMapping(mappingText)
  const opened = new Map<string, OpenFile>()
  for (const [location, file] of rowFiles) {
    const path = pathOf(file)
    const loaded = avro.get(path)
    const schema = parquet.get(path)
    requireRowCount(file, loaded?.rowCount ?? schema?.rowCount ?? 0)
    requireColumns(file, schema?.columns ?? [])
    const columns = withFieldIds(loaded?.columns ?? schema?.columns ?? [], mapping, path)
    const table = loaded === undefined ? {} : { table: loaded.table }
    opened.set(location, {
      file,
      path,
      columns,
      ...table,
      signature: loaded?.table ?? schema?.signature ?? '',
    })
  }
  return opened
}

export function fileToOpen(file: DataFile): FileToOpen {
  return { location: file.filePath, sizeBytes: file.fileSizeInBytes }
}

/**
 * FROM clause of files with one signature: their columns, and where `withRows` asks `_firn_file` (path), `_firn_row` and,
 * for Parquet, `_firn_index` (of the file among them).
 */
export function rowsOf(files: readonly [OpenFile, ...OpenFile[]], withRows: boolean): string {
  const [first] = files
  // All files with the table's schema are in it: who reads it picks its own by `_firn_file`.
  if (first.table !== undefined) return first.table
  const paths = files.map((file) => quotePath(file.path)).join(', ')
  if (!withRows) return `read_parquet([${paths}], hive_partitioning = false)`
  if (hidesPositions(first)) {
    // DuckDB's own numbers can't be had beside a column of their name. Without a window they come in the file's order.
    return `(SELECT *, row_number() OVER () - 1 AS "_firn_row", 0 AS "_firn_index"
      FROM read_parquet([${paths}], hive_partitioning = false, filename = '_firn_file'))`
  }
  return `(SELECT *, file_row_number AS "_firn_row", CAST(file_index AS BIGINT) AS "_firn_index"
      FROM read_parquet([${paths}], hive_partitioning = false, filename = '_firn_file'))`
}

/** Whether a column hides DuckDB's own, so that the file must be read alone where its rows' positions are needed. */
export function hidesPositions(file: OpenFile): boolean {
  return file.columns.some((column) => /^file_(row_number|index)$/i.test(column.sqlName))
}

function orcFile(file: DataFile): EngineError {
  return new EngineError(
    'unsupported',
    `${file.filePath} is an ORC file; this engine reads Parquet and Avro: rewrite the table's files as Parquet with the engine that wrote them`,
    { context: { location: file.filePath } },
  )
}
