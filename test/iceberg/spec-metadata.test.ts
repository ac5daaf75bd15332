import { gzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { parseJson, stringifyJson } from '../../iceberg/spec/json.js'
import { parseTableMetadata, serializeTableMetadata } from '../../iceberg/spec/metadata-json.js'
import { ancestorsOf, headOf, resolveTarget } from '../../iceberg/spec/refs.js'
import {
  assignFreshIds,
  currentSchema,
  fieldById,
  fieldByName,
  highestFieldId,
} from '../../iceberg/spec/schema.js'
import { NEVER_EXPIRES_MS } from '../../iceberg/spec/snapshot.js'
import { defaultSpec, specById } from '../../iceberg/spec/specs.js'
import type { TableMetadata } from '../../iceberg/spec/table-metadata.js'
import type { Schema } from '../../iceberg/spec/type.js'

const encode = (document: unknown) => new TextEncoder().encode(stringifyJson(document))
const invalid = expect.objectContaining({ kind: 'data-invalid' })

const SCHEMA = { type: 'struct', fields: [{ id: 1, name: 'x', required: true, type: 'long' }] }

const V1 = {
  'format-version': 1,
  'table-uuid': 'd20125c8-7284-442c-9aea-15fee620737c',
  location: 's3://bucket/test/location',
  'last-updated-ms': 1602638573874,
  'last-column-id': 3,
  schema: SCHEMA,
  'partition-spec': [{ name: 'x', transform: 'identity', 'source-id': 1 }],
  properties: { owner: 'me' },
  'current-snapshot-id': 3051729675574597004n,
  snapshots: [
    {
      'snapshot-id': 3051729675574597004n,
      'timestamp-ms': 1515100955770,
      'manifest-list': 's3://a/b/1.avro',
    },
  ],
}

const V2 = {
  'format-version': 2,
  'table-uuid': '9c12d441-03fe-4693-9a96-a0705ddf69c1',
  location: 's3://bucket/test/location',
  'last-sequence-number': 34,
  'last-updated-ms': 1602638573590,
  'last-column-id': 1,
  'current-schema-id': 0,
  schemas: [{ ...SCHEMA, 'schema-id': 0, 'identifier-field-ids': [1], 'x-schema': 'kept' }],
  'default-spec-id': 0,
  'partition-specs': [
    { 'spec-id': 0, fields: [{ name: 'x', transform: 'identity', 'source-id': 1, 'field-id': 1000 }] },
  ],
  'last-partition-id': 1000,
  'default-sort-order-id': 0,
  'sort-orders': [{ 'order-id': 0, fields: [] }],
  properties: {},
  'current-snapshot-id': 3055729675574597004n,
  snapshots: [
    {
      'snapshot-id': 3051729675574597004n,
      'timestamp-ms': 1515100955770,
      'sequence-number': 0,
      summary: { operation: 'append' },
      'manifest-list': 's3://a/b/1.avro',
    },
    {
      'snapshot-id': 3055729675574597004n,
      'parent-snapshot-id': 3051729675574597004n,
      'timestamp-ms': 1555100955770,
      'sequence-number': 1,
      summary: { operation: 'append' },
      'manifest-list': 's3://a/b/2.avro',
      'schema-id': 0,
      'first-row-id': 12,
    },
  ],
  'snapshot-log': [
    { 'snapshot-id': 3051729675574597004n, 'timestamp-ms': 1515100955770 },
    { 'snapshot-id': 3055729675574597004n, 'timestamp-ms': 1555100955770 },
  ],
  'metadata-log': [{ 'metadata-file': 's3://bucket/.../v1.json', 'timestamp-ms': 1515100 }],
  refs: {
    main: { 'snapshot-id': 3055729675574597004n, type: 'branch' },
    old: { 'snapshot-id': 3051729675574597004n, type: 'tag', 'max-ref-age-ms': 9223372036854775807n },
  },
  statistics: [{ 'snapshot-id': 3051729675574597004n, 'statistics-path': 's3://a/b/s.puffin', more: [1] }],
  'x-unknown': { deep: [9007199254740993n, null, 'text'] },
}

describe('table metadata', () => {
  test('of v2 survives a round trip with everything it does not know', () => {
    const metadata = parseTableMetadata(encode(V2))
    expect(parseJson(new TextDecoder().decode(serializeTableMetadata(metadata)))).toEqual(V2)
    expect(metadata.snapshots[1]?.['parent-snapshot-id']).toBe(3051729675574597004n)
  })

  test('reads the same from gzip and from zstd', () => {
    expect(parseTableMetadata(gzipSync(encode(V2)))).toEqual(parseTableMetadata(encode(V2)))
    const plain = encode(V2)
    // A frame of one segment with one block, stored as it is (RFC 8878).
    const frame = Buffer.alloc(12)
    frame.set([0x28, 0xb5, 0x2f, 0xfd, 0xa0])
    frame.writeUInt32LE(plain.length, 5)
    frame.writeUIntLE((plain.length << 3) | 1, 9, 3)
    const packed = Buffer.concat([frame, plain])
    expect(parseTableMetadata(packed)).toEqual(parseTableMetadata(plain))
    expect(() => parseTableMetadata(packed.subarray(0, 100))).toThrow(
      expect.objectContaining({ kind: 'data-invalid' }),
    )
  })

  test('of v1 is normalised, and written so that v1 readers find their members', () => {
    const metadata = parseTableMetadata(encode(V1))
    expect(currentSchema(metadata).fields).toEqual(SCHEMA.fields)
    expect(defaultSpec(metadata).fields[0]?.['field-id']).toBe(1000)
    expect(metadata['last-partition-id']).toBe(1000)
    expect(headOf(metadata)?.['sequence-number']).toBe(0)
    expect(metadata.refs['main']).toEqual({ 'snapshot-id': 3051729675574597004n, type: 'branch' })
    const again = parseJson(new TextDecoder().decode(serializeTableMetadata(metadata)))
    expect(again).toMatchObject({
      schema: SCHEMA,
      'partition-spec': [{ ...V1['partition-spec'][0], 'field-id': 1000 }],
      'current-snapshot-id': 3051729675574597004n,
    })
    expect(metadata).not.toHaveProperty('schema')
  })

  test.each([-1, null, undefined])('with current snapshot %s is an empty table', (id) => {
    const metadata = parseTableMetadata(
      encode({ ...V2, 'current-snapshot-id': id, snapshots: [], 'snapshot-log': [], refs: undefined }),
    )
    expect('current-snapshot-id' in metadata).toBe(false)
    expect(metadata.refs).toEqual({})
    expect(headOf(metadata)).toBeUndefined()
    expect(new TextDecoder().decode(serializeTableMetadata(metadata))).toContain('"current-snapshot-id":-1')
  })

  test('keeps a ref age of "never", the largest Long, digit for digit', () => {
    const metadata = parseTableMetadata(encode(V2))
    expect(metadata.refs['old']?.['max-ref-age-ms']).toBe(NEVER_EXPIRES_MS)
    expect(new TextDecoder().decode(serializeTableMetadata(metadata))).toContain(
      '"max-ref-age-ms":9223372036854775807',
    )
  })

  test('that is damaged says so', () => {
    const text = stringifyJson(V2)
    const damaged = [
      '',
      'null',
      '[]',
      text.slice(0, 400),
      stringifyJson({ ...V2, schemas: 1 }),
      stringifyJson({ ...V2, 'current-schema-id': 7 }),
      stringifyJson({ ...V2, snapshots: [{}] }),
      stringifyJson({ ...V2, location: undefined }),
    ]
    for (const document of damaged) {
      expect(() => parseTableMetadata(new TextEncoder().encode(document))).toThrow(invalid)
    }
    expect(() => parseTableMetadata(gzipSync(encode(V2)).subarray(0, 100))).toThrow(invalid)
    expect(() => parseTableMetadata(encode({ ...V2, 'format-version': 4 }))).toThrow(
      expect.objectContaining({ kind: 'unsupported' }),
    )
    expect(() => specById(parseTableMetadata(encode(V2)), 9)).toThrow(invalid)
  })
})

describe('scan targets', () => {
  const metadata: TableMetadata = parseTableMetadata(encode(V2))
  const [first, second] = metadata.snapshots

  test('name the snapshot of the head, a ref, an id or a time', () => {
    expect(resolveTarget(metadata)).toBe(second)
    expect(resolveTarget(metadata, { kind: 'ref', ref: 'old' })).toBe(first)
    expect(resolveTarget(metadata, { kind: 'snapshot', snapshotId: 3051729675574597004n })).toBe(first)
    expect(resolveTarget(metadata, { kind: 'timestamp', timestampMs: 1555100955769 })).toBe(first)
    expect(resolveTarget(metadata, { kind: 'timestamp', timestampMs: 1555100955770 })).toBe(second)
  })

  test('that do not exist are not found, and the error says what exists', () => {
    const notFound = (part: string): unknown =>
      expect.objectContaining({ kind: 'not-found', message: expect.stringContaining(part) as string })
    expect(() => resolveTarget(metadata, { kind: 'ref', ref: 'x' })).toThrow(notFound('main, old'))
    expect(() => resolveTarget(metadata, { kind: 'snapshot', snapshotId: 5n })).toThrow(
      notFound('3051729675574597004'),
    )
    expect(() => resolveTarget(metadata, { kind: 'timestamp', timestampMs: 1 })).toThrow(
      notFound('2018-01-04'),
    )
  })

  test('ancestors are the snapshot itself and its parents', () => {
    expect([...ancestorsOf(metadata, 3055729675574597004n)]).toEqual([second, first])
  })
})

test('fresh ids go level by level and identifier fields follow', () => {
  const schema: Schema = {
    type: 'struct',
    'schema-id': 0,
    'identifier-field-ids': [9],
    fields: [
      {
        id: 5,
        name: 'a',
        required: false,
        type: {
          type: 'struct',
          fields: [
            {
              id: 6,
              name: 'b',
              required: false,
              type: { type: 'list', 'element-id': 7, 'element-required': true, element: 'int' },
            },
          ],
        },
      },
      {
        id: 8,
        name: 'm',
        required: false,
        type: {
          type: 'map',
          'key-id': 1,
          key: 'string',
          'value-id': 2,
          'value-required': false,
          value: { type: 'struct', fields: [{ id: 3, name: 'c', required: false, type: 'date' }] },
        },
      },
      { id: 9, name: 'id', required: true, type: 'string' },
    ],
  }
  const { schema: fresh, lastColumnId } = assignFreshIds(schema)
  const ids = ['a', 'm', 'id', 'a.b', 'a.b.element', 'm.key', 'm.value', 'm.value.c']
  expect(ids.map((name) => fieldByName(fresh, name)?.id)).toEqual([1, 2, 3, 4, 5, 6, 7, 8])
  expect(fresh['identifier-field-ids']).toEqual([3])
  expect(lastColumnId).toBe(8)
  expect(highestFieldId(fresh)).toBe(8)
  expect(fieldById(fresh, 8)?.name).toBe('c')
})
