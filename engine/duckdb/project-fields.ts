import type { NestedField, PrimitiveType, Type } from '../../iceberg/spec/type.js'
import { isPrimitive } from '../../iceberg/spec/type.js'
import { EngineError } from '../engine.js'
import type { FileColumn } from './file-columns.js'
import { quoteName, quoteText, sqlType } from './sql-text.js'
import { defaultSql } from './value-sql.js'

/**
 * SQL for a field as a file holds it: found by field id, whatever its name there; promoted by a cast; null, or its
 * initial default, where the file lacks it (Iceberg spec, "Column Projection").
 */
export function projectField(field: NestedField, columns: readonly FileColumn[], parent?: string): string {
  const column = columns.find((candidate) => candidate.fieldId === field.id)
  if (column === undefined) return defaultSql(field)
  return projectType(field.type, column, memberSql(column, parent), 0)
}

/** The same for a field that may lie within structs of the file, wherever it lies in the table. */
export function projectNested(field: NestedField, columns: readonly FileColumn[], parent?: string): string {
  return nestedSql(field, columns, parent) ?? defaultSql(field)
}

function nestedSql(
  field: NestedField,
  columns: readonly FileColumn[],
  parent: string | undefined,
): string | undefined {
  for (const column of columns) {
    if (column.fieldId === field.id) return projectField(field, columns, parent)
    if (column.kind !== 'struct') continue
    const found = nestedSql(field, column.children, memberSql(column, parent))
    if (found !== undefined) return found
  }
  return undefined
}

function memberSql(column: FileColumn, parent: string | undefined): string {
  return parent === undefined
    ? quoteName(column.sqlName)
    : `struct_extract(${parent}, ${quoteText(column.sqlName)})`
}

function projectType(type: Type, column: FileColumn, source: string, depth: number): string {
  if (isPrimitive(type)) return projectPrimitive(type, column, source)
  if (hasShape(type, column)) return `CAST(${source} AS ${sqlType(type)})`
  if (type.type !== column.kind) throw wrongKind(column, type.type)
  switch (type.type) {
    case 'struct': {
      const members = type.fields.map(
        (field) => `${quoteName(field.name)} := ${projectField(field, column.children, source)}`,
      )
      return `CASE WHEN ${source} IS NULL THEN NULL ELSE struct_pack(${members.join(', ')}) END`
    }
    case 'list': {
      const element = childOf(column, 0)
      const item = `e${depth}`
      return `list_transform(${source}, lambda ${item}: ${projectType(type.element, element, item, depth + 1)})`
    }
    case 'map': {
      const entry = `e${depth}`
      const key = projectType(type.key, childOf(column, 0), `${entry}.key`, depth + 1)
      const value = projectType(type.value, childOf(column, 1), `${entry}.value`, depth + 1)
      return `map_from_entries(list_transform(map_entries(${source}), lambda ${entry}: struct_pack(key := ${key}, value := ${value})))`
    }
  }
}

function projectPrimitive(type: PrimitiveType, column: FileColumn, source: string): string {
  if (column.kind !== 'primitive') throw wrongKind(column, type)
  if (type === 'timestamptz_ns' && column.sqlType === 'TIMESTAMP WITH TIME ZONE') {
    throw new EngineError(
      'unsupported',
      `column '${column.name}' has nanoseconds with a time zone, of which DuckDB reads microseconds only: leave it out, or keep it as timestamp_ns`,
      { context: { fieldId: column.fieldId } },
    )
  }
  // One times a number is the number, but DuckDB looks at no bounds for it.
  const plain = column.mayHoldNan === true ? `${source} * CAST(1 AS ${column.sqlType ?? ''})` : source
  return `CAST(${bytesSql(type, column, plain)} AS ${sqlType(type)})`
}

/** Some writers leave out that bytes are a text or a UUID; a cast would take or make escapes such as `\\xC3`. */
function bytesSql(type: PrimitiveType, column: FileColumn, source: string): string {
  const isText = type === 'string' || type === 'uuid'
  if (column.sqlType === 'BLOB' && isText) return type === 'uuid' ? `hex(${source})` : `decode(${source})`
  if (column.sqlType === 'VARCHAR' && sqlType(type) === 'BLOB') return `encode(${source})`
  return source
}

/** Whether a column has the type's fields by id under the same names and in its order, so that a cast is enough. */
function hasShape(type: Type, column: FileColumn): boolean {
  if (isPrimitive(type))
    return (
      column.kind === 'primitive' && projectPrimitive(type, column, 'x') === `CAST(x AS ${sqlType(type)})`
    )
  if (type.type !== column.kind) return false
  switch (type.type) {
    case 'struct':
      return (
        type.fields.length === column.children.length &&
        type.fields.every((field, index) => {
          const child = column.children[index]
          return child?.fieldId === field.id && child.sqlName === field.name && hasShape(field.type, child)
        })
      )
    case 'list':
      return hasShape(type.element, childOf(column, 0))
    case 'map':
      return hasShape(type.key, childOf(column, 0)) && hasShape(type.value, childOf(column, 1))
  }
}

function childOf(column: FileColumn, index: number): FileColumn {
  const child = column.children[index]
  if (child !== undefined) return child
  throw new EngineError('data-invalid', `column '${column.name}' of a file has a broken ${column.kind}`)
}

function wrongKind(column: FileColumn, type: string): EngineError {
  return new EngineError(
    'data-invalid',
    `column '${column.name}' of a file is a ${column.kind}, no ${type}`,
    {
      context: { fieldId: column.fieldId },
    },
  )
}
