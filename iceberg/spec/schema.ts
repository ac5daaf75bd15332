import { IcebergError } from '../error.js'
import type { TableMetadata } from './table-metadata.js'
import type { NestedField, Schema, StructType, Type } from './type.js'
import { isPrimitive } from './type.js'

/** The schema that new rows are written with. */
export function currentSchema(metadata: TableMetadata): Schema {
  return schemaById(metadata, metadata['current-schema-id'])
}

/** A schema of the table by its id. Throws `data-invalid` where there is none. */
export function schemaById(metadata: TableMetadata, schemaId: number): Schema {
  const schema = metadata.schemas.find((candidate) => candidate['schema-id'] === schemaId)
  if (schema !== undefined) return schema
  const known = metadata.schemas.map((candidate) => candidate['schema-id']).join(', ')
  throw new IcebergError(
    'data-invalid',
    `schema ${schemaId} is not in the table's metadata (it has ${known})`,
  )
}

/**
 * A field by its full name: dots reach into structs, `element` into lists, `key` and `value` into maps. List elements and
 * map keys and values are given as fields of those names.
 */
export function fieldByName(schema: Schema, name: string): NestedField | undefined {
  return indexOf(schema).byName.get(name)?.field
}

export function fieldById(schema: Schema, id: number): NestedField | undefined {
  return indexOf(schema).byId.get(id)?.field
}

/** Names from the root to the field, where only structs lie between; `undefined` inside lists and maps or if unknown. */
export function structPath(schema: Schema, id: number): readonly string[] | undefined {
  return indexOf(schema).byId.get(id)?.structPath
}

export function fullName(schema: Schema, id: number): string | undefined {
  return indexOf(schema).byId.get(id)?.name
}

/** All fields, parents before children. */
export function allFields(schema: Schema): readonly NestedField[] {
  return [...indexOf(schema).byId.values()].map((indexed) => indexed.field)
}

export function highestFieldId(schema: Schema): number {
  return Math.max(0, ...indexOf(schema).byId.keys())
}

/** Ids after `lastId`, a level's fields before what is nested in them (as Java's `TypeUtil.assignFreshIds`). */
export function assignFreshIds(
  schema: Schema,
  lastId = 0,
): { readonly schema: Schema; readonly lastColumnId: number } {
  const renamed = new Map<number, number>()
  let last = lastId
  const next = (oldId: number): number => {
    last++
    renamed.set(oldId, last)
    return last
  }
  const { fields } = freshStruct(schema, next)
  const identifiers = schema['identifier-field-ids']?.map((id) => renamed.get(id) ?? id)
  const fresh = identifiers === undefined ? {} : { 'identifier-field-ids': identifiers }
  return { schema: { ...schema, ...fresh, fields }, lastColumnId: last }
}

function freshStruct(struct: StructType, next: (oldId: number) => number): StructType {
  const ids = struct.fields.map((field) => next(field.id))
  return {
    type: 'struct',
    fields: struct.fields.map((field, index) => ({
      ...field,
      id: ids[index] ?? field.id,
      type: freshType(field.type, next),
    })),
  }
}

function freshType(type: Type, next: (oldId: number) => number): Type {
  if (isPrimitive(type)) return type
  if (type.type === 'struct') return freshStruct(type, next)
  if (type.type === 'list') {
    const elementId = next(type['element-id'])
    return { ...type, 'element-id': elementId, element: freshType(type.element, next) }
  }
  const keyId = next(type['key-id'])
  const valueId = next(type['value-id'])
  return {
    ...type,
    'key-id': keyId,
    key: freshType(type.key, next),
    'value-id': valueId,
    value: freshType(type.value, next),
  }
}

interface IndexedField {
  readonly field: NestedField
  readonly name: string
  readonly structPath: readonly string[] | undefined
}

interface SchemaIndex {
  readonly byId: ReadonlyMap<number, IndexedField>
  readonly byName: ReadonlyMap<string, IndexedField>
}

/** Schemas are immutable, so an index is built once for each. */
const indexes = new WeakMap<Schema, SchemaIndex>()

function indexOf(schema: Schema): SchemaIndex {
  const known = indexes.get(schema)
  if (known !== undefined) return known
  const byId = new Map<number, IndexedField>()
  const byName = new Map<string, IndexedField>()
  const visit = (field: NestedField, parent: string, path: readonly string[] | undefined): void => {
    const name = parent === '' ? field.name : `${parent}.${field.name}`
    const indexed = { field, name, structPath: path && [...path, field.name] }
    byId.set(field.id, indexed)
    if (!byName.has(name)) byName.set(name, indexed)
    if (isPrimitive(field.type)) return
    const inStruct = field.type.type === 'struct'
    for (const child of childFields(field.type)) visit(child, name, inStruct ? indexed.structPath : undefined)
  }
  for (const field of schema.fields) visit(field, '', [])
  const index = { byId, byName }
  indexes.set(schema, index)
  return index
}

function childFields(type: Exclude<Type, string>): readonly NestedField[] {
  if (type.type === 'struct') return type.fields
  if (type.type === 'list') {
    return [
      { id: type['element-id'], name: 'element', required: type['element-required'], type: type.element },
    ]
  }
  return [
    { id: type['key-id'], name: 'key', required: true, type: type.key },
    { id: type['value-id'], name: 'value', required: type['value-required'], type: type.value },
  ]
}
