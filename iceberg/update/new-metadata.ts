import { IcebergError } from '../error.js'
import type { PartitionSpec, SortOrder } from '../spec/partition-spec.js'
import { assignFreshIds } from '../spec/schema.js'
import type { TableMetadata } from '../spec/table-metadata.js'
import type { Schema, Type } from '../spec/type.js'

export interface NewTable {
  readonly uuid: string
  readonly location: string
  /** Field ids are assigned anew; `partitionSpec` and `sortOrder` name the ids given here. */
  readonly schema: Schema
  readonly partitionSpec?: PartitionSpec
  readonly sortOrder?: SortOrder
  readonly properties?: Readonly<Record<string, string>>
  /** Milliseconds since 1970. */
  readonly now: number
}

const FIRST_PARTITION_FIELD_ID = 1000

/** The first metadata of an empty table, of format version 2 where its properties say no other. */
export function newTableMetadata(table: NewTable): TableMetadata {
  const { schema, lastColumnId } = assignFreshIds(table.schema)
  const newIds = new Map<number, number>()
  pairIds(table.schema, schema, newIds)
  const spec = freshSpec(table.partitionSpec, newIds)
  const sortOrder = freshSortOrder(table.sortOrder, newIds)
  const { properties = {} } = table
  const version = formatVersionOf(properties)
  return {
    'format-version': version,
    'table-uuid': table.uuid.toLowerCase(),
    location: table.location.replace(/\/+$/, ''),
    'last-sequence-number': 0,
    'last-updated-ms': table.now,
    'last-column-id': lastColumnId,
    schemas: [{ ...schema, 'schema-id': 0 }],
    'current-schema-id': 0,
    'partition-specs': [spec],
    'default-spec-id': 0,
    'last-partition-id': FIRST_PARTITION_FIELD_ID + spec.fields.length - 1,
    properties: withoutFormatVersion(properties),
    snapshots: [],
    'snapshot-log': [],
    'metadata-log': [],
    'sort-orders': [sortOrder],
    'default-sort-order-id': sortOrder['order-id'],
    refs: {},
    ...(version === 3 ? { 'next-row-id': 0 } : {}),
  }
}

const FORMAT_VERSION = 'format-version'

/** `format-version` is a wish to the creator, not a property of the table. */
function formatVersionOf(properties: Readonly<Record<string, string>>): 1 | 2 | 3 {
  const wanted = properties[FORMAT_VERSION] ?? '2'
  const version = ([1, 2, 3] as const).find((known) => String(known) === wanted)
  if (version !== undefined) return version
  throw new IcebergError('unsupported', `there is no format version ${wanted} here; it may be 1, 2 or 3`)
}

function withoutFormatVersion(
  properties: Readonly<Record<string, string>>,
): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(properties).filter(([key]) => key !== FORMAT_VERSION))
}

function freshSpec(spec: PartitionSpec | undefined, newIds: ReadonlyMap<number, number>): PartitionSpec {
  const fields = (spec?.fields ?? []).map((field, position) => ({
    ...field,
    'source-id': newId(newIds, field['source-id'], `partition field ${field.name}`),
    'field-id': FIRST_PARTITION_FIELD_ID + position,
  }))
  const names = new Set(fields.map((field) => field.name))
  if (names.size < fields.length) {
    throw new IcebergError('invalid-argument', 'two partition fields have the same name; rename one')
  }
  return { 'spec-id': 0, fields }
}

function freshSortOrder(order: SortOrder | undefined, newIds: ReadonlyMap<number, number>): SortOrder {
  const fields = (order?.fields ?? []).map((field) => ({
    ...field,
    'source-id': newId(newIds, field['source-id'], 'sort field'),
  }))
  return { 'order-id': fields.length === 0 ? 0 : 1, fields }
}

function newId(newIds: ReadonlyMap<number, number>, id: number, what: string): number {
  const found = newIds.get(id)
  if (found !== undefined) return found
  throw new IcebergError('invalid-argument', `${what} names field ${id}, which the schema does not have`)
}

/** Both types have one shape, so walking them together pairs the given ids with the new ones. */
function pairIds(given: Type, fresh: Type, pairs: Map<number, number>): void {
  if (typeof given === 'string' || typeof fresh === 'string') return
  if (given.type === 'struct' && fresh.type === 'struct') {
    given.fields.forEach((field, position) => {
      const twin = fresh.fields[position]
      if (twin === undefined) return
      pairs.set(field.id, twin.id)
      pairIds(field.type, twin.type, pairs)
    })
  } else if (given.type === 'list' && fresh.type === 'list') {
    pairs.set(given['element-id'], fresh['element-id'])
    pairIds(given.element, fresh.element, pairs)
  } else if (given.type === 'map' && fresh.type === 'map') {
    pairs.set(given['key-id'], fresh['key-id'])
    pairs.set(given['value-id'], fresh['value-id'])
    pairIds(given.key, fresh.key, pairs)
    pairIds(given.value, fresh.value, pairs)
  }
}
