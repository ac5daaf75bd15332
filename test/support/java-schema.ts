import { allFields, fullName } from '../../iceberg/spec/schema.js'
import type { TableMetadata } from '../../iceberg/spec/table-metadata.js'
import type { NestedField, Schema, Type } from '../../iceberg/spec/type.js'
import { newTableMetadata } from '../../iceberg/update/new-metadata.js'

export const field = (id: number, name: string, type: Type, required = false): NestedField => ({
  id,
  name,
  required,
  type,
})

/** The schema of Java's TestSchemaUpdate: 23 ids. */
export const SCHEMA: Schema = {
  type: 'struct',
  'schema-id': 0,
  fields: [
    field(1, 'id', 'int', true),
    field(2, 'data', 'string'),
    field(3, 'preferences', {
      type: 'struct',
      fields: [field(8, 'feature1', 'boolean', true), field(9, 'feature2', 'boolean')],
    }),
    field(
      4,
      'locations',
      {
        type: 'map',
        'key-id': 10,
        key: {
          type: 'struct',
          fields: ['address', 'city', 'state', 'zip'].map((name, at) =>
            field(20 + at, name, name === 'zip' ? 'int' : 'string', true),
          ),
        },
        'value-id': 11,
        'value-required': true,
        value: {
          type: 'struct',
          fields: [field(12, 'lat', 'float', true), field(13, 'long', 'float', true)],
        },
      },
      true,
    ),
    field(
      5,
      'points',
      {
        type: 'list',
        'element-id': 14,
        'element-required': false,
        element: { type: 'struct', fields: [field(15, 'x', 'long', true), field(16, 'y', 'long', true)] },
      },
      false,
    ),
    field(
      6,
      'doubles',
      { type: 'list', 'element-id': 17, 'element-required': true, element: 'double' },
      true,
    ),
    field(7, 'properties', {
      type: 'map',
      'key-id': 18,
      key: 'string',
      'value-id': 19,
      'value-required': false,
      value: 'string',
    }),
  ],
}

/** An empty table with this schema, its ids as they are. */
export function tableOf(schema: Schema = SCHEMA, more: Partial<TableMetadata> = {}): TableMetadata {
  const made = newTableMetadata({ uuid: 'u', location: '/t', schema, now: 1 })
  return {
    ...made,
    schemas: [schema],
    'last-column-id': Math.max(...allFields(schema).map((f) => f.id)),
    ...more,
  }
}

/** Full names by field id. */
export const names = (schema: Schema) =>
  Object.fromEntries(allFields(schema).map(({ id }) => [id, fullName(schema, id)]))
