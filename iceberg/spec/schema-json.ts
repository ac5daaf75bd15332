import { IcebergError } from '../error.js'
import { asNumber, asNumbers, asObject, asObjects, asString, type Json } from './json-value.js'
import type { NestedField, Schema, StructType, Type } from './type.js'
import { isPrimitive } from './type.js'

/** A schema as it came over a wire; `data-invalid` where it is not one. Unknown members survive. */
export function parseSchema(document: unknown): Schema {
  const schema = asObject(document, 'schema')
  const identifiers = schema['identifier-field-ids']
  if (identifiers !== undefined) asNumbers(identifiers, 'identifier-field-ids')
  const parsed: Schema = {
    ...structOf(schema, 0),
    'schema-id': asNumber(schema['schema-id'] ?? 0, 'schema-id'),
  }
  checkUniqueIds(parsed)
  return parsed
}

const PRIMITIVE =
  /^(boolean|int|long|float|double|date|time|timestamp|timestamptz|timestamp_ns|timestamptz_ns|string|uuid|binary|variant|unknown|(geometry|geography)(\(.*\))?|fixed\[\s*\d+\s*\]|decimal\(\s*\d+\s*,\s*\d+\s*\))$/
/** Deeper nesting is an attack on the stack, not a schema. */
const MAX_DEPTH = 100

function structOf(document: Json, depth: number): StructType {
  if (document['type'] !== 'struct') throw invalid('a schema is not a struct')
  const fields = asObjects(document['fields'], 'fields').map((field) => fieldOf(field, depth))
  const names = new Set(fields.map((field) => field.name))
  if (names.size < fields.length) throw invalid('two fields of a struct have one name')
  return { ...document, type: 'struct', fields }
}

function fieldOf(document: Json, depth: number): NestedField {
  const { required } = document
  const name = asString(document['name'], 'the name of a field')
  if (typeof required !== 'boolean') throw invalid(`field ${name} does not say whether it is required`)
  return {
    ...document,
    id: asNumber(document['id'], `the id of field ${name}`),
    name,
    required,
    type: typeOf(document['type'], depth + 1),
  }
}

function typeOf(value: unknown, depth: number): Type {
  if (depth > MAX_DEPTH) throw invalid(`types are nested more than ${MAX_DEPTH} deep`)
  if (typeof value === 'string') {
    if (PRIMITIVE.test(value)) return value as Type
    throw invalid(`there is no type ${JSON.stringify(value)}`)
  }
  const type = asObject(value, 'a type')
  if (type['type'] === 'list') {
    const required = type['element-required']
    if (typeof required !== 'boolean') throw invalid('a list does not say whether its elements are required')
    return {
      ...type,
      type: 'list',
      'element-id': asNumber(type['element-id'], 'element-id'),
      'element-required': required,
      element: typeOf(type['element'], depth + 1),
    }
  }
  if (type['type'] !== 'map') return structOf(type, depth)
  const required = type['value-required']
  if (typeof required !== 'boolean') throw invalid('a map does not say whether its values are required')
  return {
    ...type,
    type: 'map',
    'key-id': asNumber(type['key-id'], 'key-id'),
    key: typeOf(type['key'], depth + 1),
    'value-id': asNumber(type['value-id'], 'value-id'),
    'value-required': required,
    value: typeOf(type['value'], depth + 1),
  }
}

function checkUniqueIds(schema: Schema): void {
  const seen = new Set<number>()
  const add = (id: number): void => {
    if (seen.has(id)) throw invalid(`two fields of the schema have id ${id}`)
    seen.add(id)
  }
  const visit = (type: Type): void => {
    if (isPrimitive(type)) return
    if (type.type === 'struct') {
      for (const field of type.fields) {
        add(field.id)
        visit(field.type)
      }
    } else if (type.type === 'list') {
      add(type['element-id'])
      visit(type.element)
    } else {
      add(type['key-id'])
      add(type['value-id'])
      visit(type.key)
      visit(type.value)
    }
  }
  visit(schema)
}

function invalid(message: string): IcebergError {
  return new IcebergError('data-invalid', message)
}
