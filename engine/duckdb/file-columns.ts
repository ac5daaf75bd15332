import type { DataFile } from '../../iceberg/spec/data-file.js'
import type { MappedField, NameMapping } from '../../iceberg/spec/name-mapping.js'
import { mappedFieldOf } from '../../iceberg/spec/name-mapping.js'
import { EngineError } from '../engine.js'

/** A column of a data file. Lists have one child, maps two; the groups that Parquet puts between are left out. */
export interface FileColumn {
  /** As the file spells it. */
  readonly name: string
  /** As SQL over the file calls it: names that differ in case only are told apart there. */
  readonly sqlName: string
  readonly fieldId: number | undefined
  readonly kind: 'primitive' | 'struct' | 'list' | 'map'
  /** DuckDB's type of a primitive column, e.g. `TIMESTAMP WITH TIME ZONE`. */
  readonly sqlType?: string
  /** Set by `withNan`. */
  readonly mayHoldNan?: boolean
  readonly children: readonly FileColumn[]
}

/** The columns with their ids: the file's own, else those that the table's name mapping has for their names. */
export function withFieldIds(
  columns: readonly FileColumn[],
  mapping: NameMapping | undefined,
  path: string,
): readonly FileColumn[] {
  if (columns.length === 0 || hasIds(columns)) return columns
  if (mapping !== undefined) return mapColumns(columns, mapping)
  throw new EngineError(
    'unsupported',
    `${path} has no field ids, so its columns cannot be told apart: rewrite it with field ids, or give the table a name mapping (schema.name-mapping.default)`,
    { context: { path } },
  )
}

/**
 * Marks floats and doubles that metrics do not prove to be free of NaN. Parquet's own bounds leave NaN out and DuckDB
 * believes them, so that `x > 10` would lose rows: such columns are read past the bounds.
 */
export function withNan(columns: readonly FileColumn[], files: readonly DataFile[]): readonly FileColumn[] {
  return columns.map((column) => {
    if (column.kind === 'struct') return { ...column, children: withNan(column.children, files) }
    if (column.sqlType !== 'FLOAT' && column.sqlType !== 'DOUBLE') return column
    const isFree = files.every((file) => file.nanValueCounts?.get(column.fieldId ?? -1) === 0)
    return isFree ? column : { ...column, mayHoldNan: true }
  })
}

function hasIds(columns: readonly FileColumn[]): boolean {
  return columns.some((column) => column.fieldId !== undefined || hasIds(column.children))
}

/** Columns whose name is not mapped stay without an id: nothing reads them. */
function mapColumns(columns: readonly FileColumn[], mapping: NameMapping): readonly FileColumn[] {
  return columns.map((column) => mapColumn(column, mappedFieldOf(mapping, column.name)))
}

function mapColumn(column: FileColumn, field: MappedField | undefined): FileColumn {
  const fields = field?.fields ?? []
  return { ...column, fieldId: field?.fieldId, children: mapChildren(column, fields) }
}

function mapChildren(column: FileColumn, fields: NameMapping): readonly FileColumn[] {
  if (column.kind === 'struct') return mapColumns(column.children, fields)
  // Files differ in what they call these; the mapping does not.
  const names = column.kind === 'map' ? ['key', 'value'] : ['element']
  return column.children.map((child, index) => mapColumn(child, mappedFieldOf(fields, names[index] ?? '')))
}
