import type { PartitionSpec } from '../../iceberg/spec/partition-spec.js'
import type { Schema } from '../../iceberg/spec/type.js'

/** Columns of each sort, for tables that are evolved. */
export const KINDS_SCHEMA: Schema = {
  type: 'struct',
  'schema-id': 0,
  fields: [
    { id: 1, name: 'id', required: true, type: 'long' },
    { id: 2, name: 'seen', required: false, type: 'timestamptz' },
    { id: 3, name: 'kind', required: false, type: 'string' },
    {
      id: 4,
      name: 'at',
      required: false,
      type: { type: 'struct', fields: [{ id: 5, name: 'x', required: false, type: 'int' }] },
    },
    {
      id: 6,
      name: 'tags',
      required: false,
      type: { type: 'list', 'element-id': 7, 'element-required': false, element: 'string' },
    },
  ],
}

export const BY_KIND: PartitionSpec = {
  'spec-id': 0,
  fields: [{ 'source-id': 3, 'field-id': 1000, name: 'kind', transform: 'identity' }],
}
