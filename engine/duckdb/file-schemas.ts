import { EngineError } from '../engine.js'
import type { FileColumn } from './file-columns.js'
import { quoteName, quotePath } from './sql-text.js'

export interface FileSchema {
  readonly columns: readonly FileColumn[]
  /** Equal for files that can be read by one projection. */
  readonly signature: string
  readonly rowCount: number
}

export type Select = (sql: string) => Promise<readonly (readonly unknown[])[]>

/** What the footers of local Parquet files say, by path. `known` is added to: files never change. */
export async function readFileSchemas(
  select: Select,
  paths: readonly string[],
  known: Map<string, FileSchema>,
): Promise<ReadonlyMap<string, FileSchema>> {
  const unknown = [...new Set(paths)].filter((path) => !known.has(path))
  if (unknown.length > 0) {
    if (known.size > MOST_KNOWN) known.clear()
    const list = unknown.map(quotePath).join(', ')
    const rows = await select(
      `SELECT file_name, name, num_children, field_id, repetition_type, converted_type, duckdb_type
       FROM parquet_schema([${list}])`,
    )
    const countOf = await readRowCounts(select, list)
    for (const [path, schema] of parseSchemas(rows)) {
      const rowCount = countOf.get(path) ?? missing(path)
      known.set(path, { ...(await withSqlNames(select, path, schema)), rowCount })
    }
  }
  return new Map(paths.map((path) => [path, known.get(path) ?? missing(path)]))
}

/**
 * What a footer says of all rows and what it says of each row group have to agree: DuckDB reads by the latter. No two column
 * chunks lie on the same bytes: a damaged offset would give the rows of another row group.
 */
async function readRowCounts(select: Select, list: string): Promise<ReadonlyMap<string, number>> {
  const files = await select(`SELECT file_name, num_rows FROM parquet_file_metadata([${list}])`)
  const groups = await select(
    `SELECT file_name, CAST(sum(row_group_num_rows) FILTER (column_id = 0) AS BIGINT), bool_or(first < past)
     FROM (SELECT *, lag(first + total_compressed_size) OVER (PARTITION BY file_name ORDER BY first) AS past
       FROM (SELECT file_name, column_id, row_group_num_rows, total_compressed_size,
         least(nullif(dictionary_page_offset, 0), data_page_offset) AS first FROM parquet_metadata([${list}])))
     GROUP BY file_name`,
  )
  const inGroups = new Map(groups.map(([path, count, overlaps]) => [String(path), { count, overlaps }]))
  return new Map(
    files.map(([name, count]) => {
      const [path, all] = [String(name), Number(count)]
      const found = inGroups.get(path)
      const sum = Number(found?.count ?? 0)
      if (all === sum && found?.overlaps !== true) return [path, all]
      const reason =
        all === sum
          ? 'two of its columns lie on the same bytes'
          : `it says ${all} rows, and its row groups ${sum}`
      throw new EngineError('data-invalid', `the footer of ${path} is damaged: ${reason}; restore the file`, {
        context: { path },
      })
    }),
  )
}

type Columns = Omit<FileSchema, 'rowCount'>

const MOST_KNOWN = 100_000

/** DuckDB renames columns of a file whose names differ in case only; it is asked how. */
async function withSqlNames<T extends Columns>(select: Select, path: string, schema: T): Promise<T> {
  refuseNestedTwins(schema.columns, path)
  if (!hasTwins(schema.columns)) return schema
  const described = await select(
    `SELECT column_name FROM (DESCRIBE SELECT * FROM read_parquet([${quotePath(path)}], hive_partitioning = false))`,
  )
  const columns = schema.columns.map((column, index) => {
    const sqlName = described[index]?.[0]
    return typeof sqlName === 'string' ? { ...column, sqlName } : column
  })
  return { ...schema, columns }
}

function hasTwins(columns: readonly FileColumn[]): boolean {
  return new Set(columns.map((column) => column.name.toLowerCase())).size < columns.length
}

function refuseNestedTwins(columns: readonly FileColumn[], path: string): void {
  for (const { name, kind, children } of columns) {
    if (kind === 'struct' && hasTwins(children)) {
      throw new EngineError(
        'unsupported',
        `fields of ${quoteName(name)} in ${path} have names that differ in case only: SQL can't tell them apart`,
        { context: { path, column: name } },
      )
    }
    refuseNestedTwins(children, path)
  }
}

interface SchemaRow {
  readonly name: string
  readonly childCount: number
  readonly fieldId: number | undefined
  readonly repeated: boolean
  readonly convertedType: string
  readonly sqlType: string
}

/** Rows come file by file, each a tree in depth-first order with the root first. */
function parseSchemas(rows: readonly (readonly unknown[])[]): ReadonlyMap<string, Columns> {
  const byPath = new Map<string, SchemaRow[]>()
  for (const [path, name, childCount, fieldId, repetition, converted, sqlType] of rows) {
    const list = byPath.get(String(path)) ?? []
    list.push({
      name: String(name),
      childCount: Number(childCount ?? 0),
      fieldId: fieldId === null || fieldId === undefined ? undefined : Number(fieldId),
      repeated: repetition === 'REPEATED',
      convertedType: typeof converted === 'string' ? converted : '',
      sqlType: typeof sqlType === 'string' ? sqlType : '',
    })
    byPath.set(String(path), list)
  }
  const schemas = new Map<string, Columns>()
  for (const [path, list] of byPath) {
    const signature = list
      .slice(1)
      .map((row) =>
        [row.name, row.childCount, row.fieldId ?? '', row.convertedType, row.sqlType].join('\u0001'),
      )
      .join('\u0002')
    schemas.set(path, { columns: readColumns(list), signature })
  }
  return schemas
}

function readColumns(rows: readonly SchemaRow[]): readonly FileColumn[] {
  let next = 0
  const take = (): { readonly row: SchemaRow; readonly column: FileColumn } => {
    const row = rows[next++]
    if (row === undefined) throw new EngineError('data-invalid', 'a Parquet footer has a broken schema')
    const children = Array.from({ length: row.childCount }, take)
    return { row, column: columnOf(row, children) }
  }
  return take().column.children
}

function columnOf(
  row: SchemaRow,
  children: readonly { readonly row: SchemaRow; readonly column: FileColumn }[],
): FileColumn {
  const base = { name: row.name, sqlName: row.name, fieldId: row.fieldId }
  const columns = children.map((child) => child.column)
  const repeated = children[0]
  if (repeated?.row.repeated === true && row.convertedType.startsWith('MAP')) {
    return { ...base, kind: 'map', children: repeated.column.children }
  }
  if (repeated?.row.repeated === true && row.convertedType === 'LIST') {
    // Old writers repeat the element itself, without a group around it.
    const wrapped = repeated.column.children.length === 1 && /^(list|bag|array)$/.test(repeated.row.name)
    return { ...base, kind: 'list', children: wrapped ? repeated.column.children : [repeated.column] }
  }
  if (children.length > 0) return { ...base, kind: 'struct', children: columns }
  return { ...base, kind: 'primitive', sqlType: row.sqlType, children: [] }
}

function missing(path: string): never {
  throw new EngineError('io', `the footer of ${path} could not be read: is it a Parquet file?`)
}
