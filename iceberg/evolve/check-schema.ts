import { IcebergError } from '../error.js'
import { allFields, currentSchema, fieldById, fullName } from '../spec/schema.js'
import { defaultSpec } from '../spec/specs.js'
import { parseTransform } from '../spec/transform.js'
import type { TableMetadata } from '../spec/table-metadata.js'
import type { NestedField, Schema } from '../spec/type.js'
import { isPrimitive } from '../spec/type.js'
import { placeOf } from './edit-schema.js'
import type { SchemaRules } from './schema-change.js'

/** Whether a new schema fits the table: what its partitions, sort order and rows' identity need is there. */
export function checkSchema(metadata: TableMetadata, schema: Schema, rules: SchemaRules): void {
  checkNames(schema, rules)
  checkTypes(metadata, schema)
  checkIdentifier(metadata, schema)
  checkPartitions(metadata, schema)
  checkSortOrder(metadata, schema)
}

const V3_TYPES = /^(timestamp_ns|timestamptz_ns|unknown|variant|geometry.*|geography.*)$/

function checkNames(schema: Schema, { caseSensitive }: SchemaRules): void {
  const check = (fields: readonly NestedField[]): void => {
    const seen = new Map<string, string>()
    for (const { name, type } of fields) {
      const key = caseSensitive === true ? name : name.toLowerCase()
      const other = seen.get(key)
      if (other === name) throw invalid(`there would be two columns ${name}`)
      if (other !== undefined) {
        throw invalid(`${name} and ${other} differ in case only, which SQL can't tell apart; rename one`)
      }
      seen.set(key, name)
      if (!isPrimitive(type) && type.type === 'struct') check(type.fields)
    }
  }
  check(schema.fields)
  for (const { type } of allFields(schema)) {
    if (isPrimitive(type) || type.type === 'struct') continue
    for (const inner of type.type === 'list' ? [type.element] : [type.key, type.value]) {
      if (!isPrimitive(inner) && inner.type === 'struct') check(inner.fields)
    }
  }
}

function checkTypes(metadata: TableMetadata, schema: Schema): void {
  const version = metadata['format-version']
  if (version >= 3) return
  const known = currentSchema(metadata)
  for (const { id, name, type } of allFields(schema)) {
    if (!isPrimitive(type) || !V3_TYPES.test(type) || fieldById(known, id) !== undefined) continue
    const column = fullName(schema, id) ?? name
    throw invalid(`${column} can't be a ${type}: that type needs format version 3, the table has ${version}`)
  }
}

function checkIdentifier(metadata: TableMetadata, schema: Schema): void {
  for (const id of schema['identifier-field-ids'] ?? []) {
    const place = placeOf(schema, id)
    if (place === undefined) {
      const name = fullName(currentSchema(metadata), id) ?? `field ${id}`
      throw invalid(`${name} can't be dropped: it identifies rows; set other identifier columns first`)
    }
    const name = fullName(schema, id) ?? place.field.name
    const refuse = (reason: string): IcebergError => invalid(`${name} can't identify rows: ${reason}`)
    const { type, required } = place.field
    if (!isPrimitive(type)) throw refuse('it is not of a primitive type')
    if (type === 'float' || type === 'double') throw refuse(`a ${type} is never surely equal`)
    if (!required) throw refuse('it is optional; make it required')
    for (const parent of place.parents) {
      if (isPrimitive(parent.type) || parent.type.type !== 'struct') {
        throw refuse(`${parent.name} holds many values a row`)
      }
      if (!parent.required) throw refuse(`${parent.name} is optional; make it required`)
    }
  }
}

function checkPartitions(metadata: TableMetadata, schema: Schema): void {
  const before = currentSchema(metadata)
  for (const field of defaultSpec(metadata).fields) {
    const kind = parseTransform(field.transform).kind
    const source = field['source-id']
    const clash = schema.fields.find(
      ({ id, name }) => name === field.name && id !== source && fieldById(before, id)?.name !== name,
    )
    if (clash !== undefined) {
      throw invalid(`${field.name} is the name of a partition field already; choose another, or rename that`)
    }
    if (kind === 'void' || kind === 'unknown') continue
    const name = fullName(before, source) ?? `field ${source}`
    const now = fieldById(schema, source)
    if (now === undefined) {
      throw invalid(
        `${name} can't be dropped: the table is partitioned by ${field.transform} of it; remove partition field ${field.name} first`,
      )
    }
    const was = fieldById(before, source)?.type
    if (was === 'date' && now.type !== 'date') {
      throw invalid(`${name} can't change its type: the values of partition field ${field.name} would change`)
    }
  }
}

function checkSortOrder(metadata: TableMetadata, schema: Schema): void {
  const order = metadata['sort-orders'].find(
    (candidate) => candidate['order-id'] === metadata['default-sort-order-id'],
  )
  for (const field of order?.fields ?? []) {
    const id = field['source-id']
    if (fieldById(schema, id) !== undefined) continue
    const name = fullName(currentSchema(metadata), id) ?? `field ${id}`
    throw invalid(`${name} can't be dropped: the table is sorted by it; change the sort order first`)
  }
}

function invalid(message: string): IcebergError {
  return new IcebergError('invalid-argument', message)
}
