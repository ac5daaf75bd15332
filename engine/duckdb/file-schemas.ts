import { EngineError } from '../engine.js'
import { quotePath } from './sql-text.js'

/** A column of a Parquet file. Lists have one child, maps two; the groups that Parquet puts between are left out. */
export interface FileColumn {
  readonly name: string
  readonly fieldId: number | undefined
  readonly kind: 'primitive' | 'struct' | 'list' | 'map'
  readonly children: readonly FileColumn[]
}

export interface FileSchema {
  readonly columns: readonly FileColumn[]
  /** Equal for files that can be read by one projection. */
  readonly signature: string
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
    const rows = await select(
      `SELECT file_name, name, num_children, field_id, repetition_type, converted_type, type
       FROM parquet_schema([${unknown.map(quotePath).join(', ')}])`,
    )
    for (const [path, schema] of parseSchemas(rows)) known.set(path, schema)
  }
  return new Map(paths.map((path) => [path, known.get(path) ?? missing(path)]))
}

const MOST_KNOWN = 100_000

interface SchemaRow {
  readonly name: string
  readonly childCount: number
  readonly fieldId: number | undefined
  readonly repeated: boolean
  readonly convertedType: string
  readonly type: string
}

/** Rows come file by file, each a tree in depth-first order with the root first. */
function parseSchemas(rows: readonly (readonly unknown[])[]): ReadonlyMap<string, FileSchema> {
  const byPath = new Map<string, SchemaRow[]>()
  for (const [path, name, childCount, fieldId, repetition, converted, type] of rows) {
    const list = byPath.get(String(path)) ?? []
    list.push({
      name: String(name),
      childCount: Number(childCount ?? 0),
      fieldId: fieldId === null || fieldId === undefined ? undefined : Number(fieldId),
      repeated: repetition === 'REPEATED',
      convertedType: typeof converted === 'string' ? converted : '',
      type: typeof type === 'string' ? type : '',
    })
    byPath.set(String(path), list)
  }
  const schemas = new Map<string, FileSchema>()
  for (const [path, list] of byPath) {
    const signature = list
      .slice(1)
      .map((row) => [row.name, row.childCount, row.fieldId ?? '', row.convertedType, row.type].join('\u0001'))
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
  const base = { name: row.name, fieldId: row.fieldId }
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
  return { ...base, kind: children.length > 0 ? 'struct' : 'primitive', children: columns }
}

function missing(path: string): never {
  throw new EngineError('io', `the footer of ${path} could not be read: is it a Parquet file?`)
}
