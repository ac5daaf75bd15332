import { IcebergError } from '../error.js'
import type { SortField, SortOrder, Transform } from '../spec/partition-spec.js'
import { currentSchema, fieldByName, structPath } from '../spec/schema.js'
import type { TableMetadata } from '../spec/table-metadata.js'
import { transformResultType } from '../spec/transform.js'
import { isPrimitive } from '../spec/type.js'
import { evolutionOf, NO_EVOLUTION, type Evolution } from './evolution.js'

/** One column of a sort order, by its name. */
export interface SortBy {
  readonly column: string
  /** Default `identity`. */
  readonly transform?: Transform
  /** Default `asc`. */
  readonly direction?: 'asc' | 'desc'
  /** Default: first in ascending order, last in descending. */
  readonly nullOrder?: 'nulls-first' | 'nulls-last'
}

/** The order that writers keep rows in from now on; none makes the table unsorted. Throws `invalid-argument`. */
export function planSortOrder(metadata: TableMetadata, fields: readonly SortBy[]): Evolution {
  const order: SortOrder = {
    'order-id': fields.length === 0 ? 0 : 1,
    fields: fields.map((field) => sortField(metadata, field)),
  }
  const known = metadata['sort-orders'].find(
    (candidate) => candidate['order-id'] === metadata['default-sort-order-id'],
  )
  if (sameFields(order.fields, known?.fields ?? [])) return NO_EVOLUTION
  return evolutionOf(
    metadata,
    [
      { action: 'add-sort-order', 'sort-order': order },
      { action: 'set-default-sort-order', 'sort-order-id': -1 },
    ],
    [
      { type: 'assert-default-sort-order-id', 'default-sort-order-id': metadata['default-sort-order-id'] },
      { type: 'assert-current-schema-id', 'current-schema-id': metadata['current-schema-id'] },
    ],
  )
}

function sortField(metadata: TableMetadata, field: SortBy): SortField {
  const schema = currentSchema(metadata)
  const { column, transform = 'identity', direction = 'asc' } = field
  const found = fieldByName(schema, column)
  if (found === undefined || !isPrimitive(found.type) || structPath(schema, found.id) === undefined) {
    const known = schema.fields.map((candidate) => candidate.name).join(', ')
    throw new IcebergError(
      'invalid-argument',
      `the table can't be sorted by '${column}': choose a primitive column of ${known}`,
    )
  }
  transformResultType(transform, found.type)
  return {
    'source-id': found.id,
    transform,
    direction,
    'null-order': field.nullOrder ?? (direction === 'asc' ? 'nulls-first' : 'nulls-last'),
  }
}

function sameFields(left: readonly SortField[], right: readonly SortField[]): boolean {
  return (
    left.length === right.length &&
    left.every((field, at) => {
      const other = right[at]
      return (
        field['source-id'] === other?.['source-id'] &&
        field.transform === other.transform &&
        field.direction === other.direction &&
        field['null-order'] === other['null-order']
      )
    })
  )
}
