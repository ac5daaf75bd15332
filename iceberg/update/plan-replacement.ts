import { IcebergError } from '../error.js'
import type { PartitionField, PartitionSpec, SortField, SortOrder } from '../spec/partition-spec.js'
import { currentSchema, fieldByName } from '../spec/schema.js'
import type { TableMetadata } from '../spec/table-metadata.js'
import type { NestedField, Schema, StructType, Type } from '../spec/type.js'
import { isPrimitive } from '../spec/type.js'
import type { TableRequirement, TableUpdate } from './table-update.js'

/** What a table becomes when it is replaced in place. */
export interface Replacement {
  /** Columns of the same full name keep their ids; `partitionSpec` and `sortOrder` name the ids given here. */
  readonly schema: Schema
  readonly partitionSpec?: PartitionSpec
  readonly sortOrder?: SortOrder
  readonly location?: string
  /** Set beside those that the table has. */
  readonly properties?: Readonly<Record<string, string>>
}

/**
 * What makes a table anew in place: another schema, spec and order, an empty main, and the same uuid, snapshots, tags and
 * history (as Java's `TableMetadata.buildReplacement`). A snapshot for main may be added in the same commit. Throws
 * `invalid-argument`.
 */
export function planReplacement(
  metadata: TableMetadata,
  replacement: Replacement,
): { readonly requirements: readonly TableRequirement[]; readonly updates: readonly TableUpdate[] } {
  const { schema, newIds, lastColumnId } = assignIds(metadata, replacement.schema)
  const { location } = replacement
  const properties = Object.entries(replacement.properties ?? {}).filter(([key]) => key !== 'format-version')
  return {
    requirements: [
      { type: 'assert-table-uuid', uuid: metadata['table-uuid'] },
      { type: 'assert-last-assigned-field-id', 'last-assigned-field-id': metadata['last-column-id'] },
      {
        type: 'assert-last-assigned-partition-id',
        'last-assigned-partition-id': metadata['last-partition-id'],
      },
    ],
    updates: [
      { action: 'remove-snapshot-ref', 'ref-name': 'main' },
      { action: 'add-schema', schema, 'last-column-id': lastColumnId },
      { action: 'set-current-schema', 'schema-id': -1 },
      { action: 'add-spec', spec: assignSpecIds(metadata, replacement.partitionSpec, newIds) },
      { action: 'set-default-spec', 'spec-id': -1 },
      { action: 'add-sort-order', 'sort-order': orderOf(replacement.sortOrder, newIds) },
      { action: 'set-default-sort-order', 'sort-order-id': -1 },
      ...(location === undefined || location === metadata.location
        ? []
        : [{ action: 'set-location', location } as const]),
      ...(properties.length === 0
        ? []
        : [{ action: 'set-properties', updates: Object.fromEntries(properties) } as const]),
    ],
  }
}

/** New columns take ids above all that the table ever gave: files of old snapshots keep their meaning. */
function assignIds(metadata: TableMetadata, wanted: Schema) {
  const base = currentSchema(metadata)
  const newIds = new Map<number, number>()
  let lastColumnId = metadata['last-column-id']
  const idOf = (name: string, given: number): number => {
    const id = fieldByName(base, name)?.id ?? ++lastColumnId
    newIds.set(given, id)
    return id
  }
  // A level's fields come before what is nested in them, as where a table is created.
  const struct = (type: StructType, parent: string): StructType => {
    const fields = type.fields.map((field): NestedField => {
      const name = parent === '' ? field.name : `${parent}.${field.name}`
      return { ...field, id: idOf(name, field.id) }
    })
    return {
      ...type,
      fields: fields.map((field) => ({
        ...field,
        type: nested(field.type, parent === '' ? field.name : `${parent}.${field.name}`),
      })),
    }
  }
  const nested = (type: Type, name: string): Type => {
    if (isPrimitive(type)) return type
    if (type.type === 'struct') return struct(type, name)
    if (type.type === 'list') {
      const elementId = idOf(`${name}.element`, type['element-id'])
      return { ...type, 'element-id': elementId, element: nested(type.element, `${name}.element`) }
    }
    const keyId = idOf(`${name}.key`, type['key-id'])
    const valueId = idOf(`${name}.value`, type['value-id'])
    return {
      ...type,
      'key-id': keyId,
      key: nested(type.key, `${name}.key`),
      'value-id': valueId,
      value: nested(type.value, `${name}.value`),
    }
  }
  const { fields } = struct({ type: 'struct', fields: wanted.fields }, '')
  const identifiers = wanted['identifier-field-ids']?.map((id) => newId(newIds, id, 'an identifier field'))
  const schema: Schema = {
    ...wanted,
    fields,
    ...(identifiers && { 'identifier-field-ids': identifiers }),
  }
  return { schema, newIds, lastColumnId }
}

/** A partition field that some spec of the table has already keeps its id. */
function assignSpecIds(
  metadata: TableMetadata,
  spec: PartitionSpec | undefined,
  newIds: ReadonlyMap<number, number>,
): PartitionSpec {
  const known = new Map<string, number>()
  for (const field of metadata['partition-specs'].flatMap((one) => one.fields)) {
    const key = `${field['source-id']}/${field.transform}`
    known.set(key, Math.max(field['field-id'], known.get(key) ?? 0))
  }
  let last = metadata['last-partition-id']
  const fields = (spec?.fields ?? []).map((field): PartitionField => {
    const sourceId = newId(newIds, field['source-id'], `partition field ${field.name}`)
    const fieldId = known.get(`${sourceId}/${field.transform}`) ?? ++last
    return { ...field, 'source-id': sourceId, 'field-id': fieldId }
  })
  return { 'spec-id': 0, fields }
}

function orderOf(order: SortOrder | undefined, newIds: ReadonlyMap<number, number>): SortOrder {
  const fields = (order?.fields ?? []).map((field): SortField => ({
    ...field,
    'source-id': newId(newIds, field['source-id'], 'a sort field'),
  }))
  return { 'order-id': fields.length === 0 ? 0 : 1, fields }
}

function newId(newIds: ReadonlyMap<number, number>, id: number, what: string): number {
  const found = newIds.get(id)
  if (found !== undefined) return found
  throw new IcebergError('invalid-argument', `${what} names field ${id}, which the schema does not have`)
}
