import type { Schema } from '../../iceberg/spec/type.js'

const SCHEMA: Schema = {
  type: 'struct',
  'schema-id': 0,
  'identifier-field-ids': [1],
  fields: [
    { id: 1, name: 'id', required: true, type: 'long' },
    { id: 2, name: 'amount', required: false, type: 'decimal(10, 2)', doc: 'money' },
    {
      ...{ id: 3, name: 'tags', required: false },
      type: { type: 'map', 'key-id': 4, key: 'string', 'value-id': 5, value: 'int', 'value-required': false },
    },
  ],
}

export const TABLE = {
  schema: SCHEMA,
  partitionSpec: {
    'spec-id': 0,
    fields: [{ 'source-id': 1, 'field-id': 1000, name: 'id_bucket', transform: 'bucket[4]' as const }],
  },
  properties: { a: 'b', 'write.metadata.previous-versions-max': '3' },
}

export const CREATE_TABLE = {
  ...{ name: 't', location: 'file:///w/t', schema: SCHEMA, 'stage-create': false, properties: { a: 'b' } },
  'partition-spec': TABLE.partitionSpec,
  'write-order': {
    'order-id': 1,
    fields: [{ 'source-id': 1, transform: 'identity', direction: 'asc', 'null-order': 'nulls-first' }],
  },
}

/** Every update of a table that a commit may hold. */
export const COMMIT: readonly object[] = [
  { action: 'add-schema', schema: { ...SCHEMA, 'schema-id': 1 }, 'last-column-id': 5 },
  { action: 'set-current-schema', 'schema-id': -1 },
  { action: 'add-spec', spec: { 'spec-id': 1, fields: [] } },
  { action: 'set-default-spec', 'spec-id': -1 },
  { action: 'add-sort-order', 'sort-order': CREATE_TABLE['write-order'] },
  { action: 'set-default-sort-order', 'sort-order-id': -1 },
  {
    action: 'add-snapshot',
    snapshot: {
      ...{ 'snapshot-id': 5, 'sequence-number': 1, 'timestamp-ms': 2, 'manifest-list': 'file:///w/l' },
      ...{ summary: { operation: 'append' }, 'schema-id': 0 },
    },
  },
  { action: 'set-snapshot-ref', 'ref-name': 'main', 'snapshot-id': 5, type: 'branch' },
  { action: 'set-snapshot-ref', 'ref-name': 'x', 'snapshot-id': 5, type: 'tag', 'max-ref-age-ms': 9 },
  { action: 'remove-snapshot-ref', 'ref-name': 'x' },
  { action: 'set-properties', updates: { k: 'v' } },
  { action: 'remove-properties', removals: ['a'] },
  {
    action: 'set-statistics',
    statistics: {
      ...{ 'snapshot-id': 5, 'statistics-path': 'file:///w/s', 'file-size-in-bytes': 9 },
      ...{ 'file-footer-size-in-bytes': 3, 'blob-metadata': [] },
    },
  },
  { action: 'remove-statistics', 'snapshot-id': 5 },
  { action: 'set-location', location: 'file:///w/u' },
]

const VERSION = {
  ...{ 'version-id': 1, 'schema-id': 0, 'timestamp-ms': 1, summary: {}, 'default-namespace': ['a'] },
  representations: [{ type: 'sql', sql: 'SELECT 1', dialect: 'spark' }],
}

export const VIEW = {
  ...{ 'format-version': 1, 'view-uuid': 'u', location: 'file:///w/v', 'current-version-id': 1 },
  ...{ schemas: [SCHEMA], versions: [VERSION], properties: {} },
  'version-log': [{ 'version-id': 1, 'timestamp-ms': 1 }],
}

export const VIEW_COMMIT = {
  requirements: [{ type: 'assert-view-uuid', uuid: 'u' }],
  updates: [
    { action: 'add-schema', schema: SCHEMA },
    { action: 'add-view-version', 'view-version': VERSION },
    { action: 'set-current-view-version', 'view-version-id': -1 },
    { action: 'set-properties', updates: { k: 'v' } },
  ],
}

export const NAME_MAPPING = [
  { 'field-id': 1, names: ['id', 'record_id'] },
  { 'field-id': 2, names: ['tags'], fields: [{ 'field-id': 4, names: ['key'] }] },
]

/** As statistics files have it: blobs of two kinds. */
export const PUFFIN_FOOTER = puffinFooter()

/** Positions 1, 2, 9 in an array container and 65,536 and 65,537 in a run. */
export const ROARING = Buffer.concat([
  Buffer.from([0xd1, 0xd3, 0x39, 0x64]),
  Buffer.from(Uint32Array.of(1, 0, 0, 12_347 + (1 << 16)).buffer),
  Buffer.of(0b10),
  Buffer.from(Uint16Array.of(0, 2, 1, 1).buffer),
  Buffer.from(Uint16Array.of(1, 2, 9).buffer),
  Buffer.from(Uint16Array.of(1, 0, 1).buffer),
])

function puffinFooter(): Buffer {
  const blob = { fields: [1], 'snapshot-id': 5, 'sequence-number': 1, offset: 4, length: 10, properties: {} }
  const blobs = [
    { ...blob, type: 'apache-datasketches-theta-v1', 'compression-codec': 'zstd', properties: { ndv: '7' } },
    { ...blob, type: 'deletion-vector-v1', 'snapshot-id': -1 },
  ]
  const json = Buffer.from(JSON.stringify({ blobs, properties: { 'created-by': 'soak' } }))
  const tail = Buffer.alloc(8)
  tail.writeUInt32LE(json.length, 0)
  const magic = Buffer.from('PFA1')
  return Buffer.concat([magic, Buffer.alloc(10, 7), magic, json, tail, magic])
}
