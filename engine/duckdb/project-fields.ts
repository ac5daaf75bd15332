import type { NestedField, Type } from '../../iceberg/spec/type.js'
import { isPrimitive } from '../../iceberg/spec/type.js'
import { EngineError } from '../engine.js'
import type { FileColumn } from './file-schemas.js'
import { quoteName, quoteText, sqlType } from './sql-text.js'

/**
 * SQL for a field as a file holds it: found by field id, whatever its name there; promoted by a cast; null, or its
 * initial default, where the file lacks it (Iceberg spec, "Column Projection").
 */
export function projectField(field: NestedField, columns: readonly FileColumn[], parent?: string): string {
  const column = columns.find((candidate) => candidate.fieldId === field.id)
  if (column === undefined) return defaultOf(field)
  const source =
    parent === undefined ? quoteName(column.name) : `struct_extract(${parent}, ${quoteText(column.name)})`
  return projectType(field.type, column, source, 0)
}

/** Refuses files without field ids: by name alone a renamed or re-added column would give wrong rows. */
export function requireFieldIds(columns: readonly FileColumn[], path: string): void {
  if (columns.length === 0 || columns.some((column) => column.fieldId !== undefined)) return
  throw new EngineError(
    'unsupported',
    `${path} has no field ids, so its columns cannot be told apart: rewrite it with field ids`,
    { context: { path } },
  )
}

function projectType(type: Type, column: FileColumn, source: string, depth: number): string {
  if (isPrimitive(type) || hasShape(type, column)) return `CAST(${source} AS ${sqlType(type)})`
  if (type.type !== column.kind) {
    throw new EngineError('data-invalid', `column '${column.name}' of a file is no ${type.type}`)
  }
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

/** Whether a column has the type's fields by id under the same names and in its order, so that a cast is enough. */
function hasShape(type: Type, column: FileColumn): boolean {
  if (isPrimitive(type)) return column.kind === 'primitive'
  if (type.type !== column.kind) return false
  switch (type.type) {
    case 'struct':
      return (
        type.fields.length === column.children.length &&
        type.fields.every((field, index) => {
          const child = column.children[index]
          return child?.fieldId === field.id && child.name === field.name && hasShape(field.type, child)
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

function defaultOf(field: NestedField): string {
  const value = field['initial-default']
  if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') {
    return `CAST(${quoteText(String(value))} AS ${sqlType(field.type)})`
  }
  return `CAST(NULL AS ${sqlType(field.type)})`
}
