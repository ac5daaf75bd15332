import { IcebergError } from '../error.js'
import { parseJson, stringifyJson } from './json.js'
import { asList, asNumber, asObjects, asStrings } from './json-value.js'
import type { NestedField, Schema, Type } from './type.js'
import { isPrimitive } from './type.js'

/** Table property that holds a name mapping. */
export const NAME_MAPPING_PROPERTY = 'schema.name-mapping.default'

/**
 * The ids of columns by name, for files without field ids (Iceberg spec, "Column Projection", "Name Mapping
 * Serialization"). Lists have the field `element`, maps `key` and `value`.
 */
export type NameMapping = readonly MappedField[]

/** Names that a field without an id may have in a file. */
export interface MappedField {
  /** Absent where only what is nested in the field has an id. */
  readonly fieldId?: number
  readonly names: readonly string[]
  readonly fields: NameMapping
}

/** The mapping of a schema's own names, as `add files` needs it. */
export function createNameMapping(schema: Schema): NameMapping {
  return schema.fields.map(mappedField)
}

/** Throws `data-invalid`. */
export function parseNameMapping(text: string): NameMapping {
  try {
    return fieldsOf(parseJson(text), 0)
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new IcebergError('data-invalid', `${NAME_MAPPING_PROPERTY} cannot be read: ${reason}`, { cause })
  }
}

/** The JSON text of the table property `schema.name-mapping.default`. */
export function serializeNameMapping(mapping: NameMapping): string {
  return stringifyJson(mapping.map(fieldToJson))
}

/** The field that a column of this name is; names are compared letter for letter. */
export function mappedFieldOf(mapping: NameMapping, name: string): MappedField | undefined {
  return mapping.find((field) => field.names.includes(name))
}

function mappedField(field: NestedField): MappedField {
  return { fieldId: field.id, names: [field.name], fields: nestedFields(field.type) }
}

function nestedFields(type: Type): NameMapping {
  if (isPrimitive(type)) return []
  switch (type.type) {
    case 'struct':
      return type.fields.map(mappedField)
    case 'list':
      return [{ fieldId: type['element-id'], names: ['element'], fields: nestedFields(type.element) }]
    case 'map':
      return [
        { fieldId: type['key-id'], names: ['key'], fields: nestedFields(type.key) },
        { fieldId: type['value-id'], names: ['value'], fields: nestedFields(type.value) },
      ]
  }
}

/** Deeper nesting is an attack on the stack, not a mapping. */
const MAX_DEPTH = 100

function fieldsOf(json: unknown, depth: number): NameMapping {
  if (depth > MAX_DEPTH) throw new IcebergError('data-invalid', `it is nested deeper than ${MAX_DEPTH}`)
  const fields = asObjects(asList(json, 'a name mapping'), 'a name mapping').map((field): MappedField => {
    const id = field['field-id']
    return {
      ...(id === undefined || id === null ? {} : { fieldId: asNumber(id, 'field-id') }),
      names: asStrings(field['names'] ?? [], 'names'),
      fields: fieldsOf(field['fields'] ?? [], depth + 1),
    }
  })
  const names = fields.flatMap((field) => field.names)
  const twice = names.find((name, index) => names.indexOf(name) !== index)
  if (twice === undefined) return fields
  throw new IcebergError('data-invalid', `the name '${twice}' is there twice`)
}

function fieldToJson(field: MappedField): unknown {
  return {
    ...(field.fieldId === undefined ? {} : { 'field-id': field.fieldId }),
    names: field.names,
    ...(field.fields.length === 0 ? {} : { fields: field.fields.map(fieldToJson) }),
  }
}
