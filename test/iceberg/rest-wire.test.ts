import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { parseErrorBody } from '../../iceberg/rest/error-body.js'
import {
  parseCreateTable,
  parseTransaction,
  transactionDocument,
} from '../../iceberg/rest/table-documents.js'
import { timeOrderedUuid } from '../../iceberg/rest/time-ordered-uuid.js'
import { parseViewCommit } from '../../iceberg/rest/view-documents.js'
import {
  decodeNamespace,
  encodeName,
  encodeNamespace,
  parseNamespace,
} from '../../iceberg/rest/wire-names.js'
import { parseJson, stringifyJson } from '../../iceberg/spec/json.js'
import { parseSchema } from '../../iceberg/spec/schema-json.js'
import { applyUpdates } from '../../iceberg/update/apply-updates.js'
import { newTableMetadata } from '../../iceberg/update/new-metadata.js'
import { toSnapshotId } from '../../iceberg/spec/snapshot.js'
import { parseTableRequirement, parseTableUpdate } from '../../iceberg/update/update-json.js'
import type { TableRequirement, TableUpdate } from '../../iceberg/update/table-update.js'
import { RestPaths } from '../../iceberg/catalog/rest-paths.js'

const ID = toSnapshotId(8_234_567_890_123_456_789n)
const SCHEMA = {
  type: 'struct',
  'schema-id': 3,
  'identifier-field-ids': [1],
  fields: [{ id: 1, name: 'id', required: true, type: 'long', 'initial-default': 5 }],
} as const
const STATISTICS = {
  'snapshot-id': ID,
  'statistics-path': 's3://b/x.puffin',
  'file-size-in-bytes': 10,
  'file-footer-size-in-bytes': 4,
  'blob-metadata': [],
}

const UPDATES: readonly TableUpdate[] = [
  { action: 'assign-uuid', uuid: 'a' },
  { action: 'upgrade-format-version', 'format-version': 2 },
  { action: 'add-schema', schema: SCHEMA, 'last-column-id': 1 },
  { action: 'set-current-schema', 'schema-id': -1 },
  {
    action: 'add-spec',
    spec: { 'spec-id': 1, fields: [{ 'source-id': 1, 'field-id': 1000, name: 'b', transform: 'bucket[4]' }] },
  },
  { action: 'set-default-spec', 'spec-id': -1 },
  {
    action: 'add-sort-order',
    'sort-order': {
      'order-id': 1,
      fields: [{ 'source-id': 1, transform: 'identity', direction: 'asc', 'null-order': 'nulls-first' }],
    },
  },
  { action: 'set-default-sort-order', 'sort-order-id': -1 },
  {
    action: 'add-snapshot',
    snapshot: {
      'snapshot-id': ID,
      'parent-snapshot-id': toSnapshotId(ID - 1n),
      'sequence-number': 4,
      'timestamp-ms': 1_700_000_000_000,
      'manifest-list': 's3://b/snap.avro',
      summary: { operation: 'append', 'added-records': '3' },
      'schema-id': 3,
    },
  },
  {
    action: 'set-snapshot-ref',
    'ref-name': 'v 1',
    'snapshot-id': ID,
    type: 'tag',
    'max-ref-age-ms': 9223372036854775807n,
  },
  { action: 'remove-snapshots', 'snapshot-ids': [ID, toSnapshotId(3)] },
  { action: 'remove-snapshot-ref', 'ref-name': 'v 1' },
  { action: 'set-location', location: 's3://b/t' },
  { action: 'set-properties', updates: { a: '1' } },
  { action: 'remove-properties', removals: ['a'] },
  { action: 'set-statistics', statistics: STATISTICS },
  { action: 'remove-statistics', 'snapshot-id': ID },
  { action: 'set-partition-statistics', 'partition-statistics': STATISTICS },
  { action: 'remove-partition-statistics', 'snapshot-id': ID },
  { action: 'remove-partition-specs', 'spec-ids': [1, 2] },
  { action: 'remove-schemas', 'schema-ids': [0] },
]

const REQUIREMENTS: readonly TableRequirement[] = [
  { type: 'assert-create' },
  { type: 'assert-table-uuid', uuid: 'a' },
  { type: 'assert-ref-snapshot-id', ref: 'main', 'snapshot-id': ID },
  { type: 'assert-ref-snapshot-id', ref: 'new', 'snapshot-id': null },
  { type: 'assert-last-assigned-field-id', 'last-assigned-field-id': 1 },
  { type: 'assert-current-schema-id', 'current-schema-id': 0 },
  { type: 'assert-last-assigned-partition-id', 'last-assigned-partition-id': 999 },
  { type: 'assert-default-spec-id', 'default-spec-id': 0 },
  { type: 'assert-default-sort-order-id', 'default-sort-order-id': 0 },
]

describe('updates and requirements on the wire', () => {
  it.each(UPDATES.map((update) => [update.action, update] as const))(
    '%s survives a round trip',
    (_, update) => {
      expect(parseTableUpdate(parseJson(stringifyJson(update)))).toEqual(update)
    },
  )

  it.each(REQUIREMENTS.map((one) => [one.type, one] as const))(
    '%s survives a round trip',
    (_, requirement) => {
      expect(parseTableRequirement(parseJson(stringifyJson(requirement)))).toEqual(requirement)
    },
  )

  it('a transaction keeps ids above 2^53 and the order of its tables', () => {
    const commits = ['a', 'b'].map((name) => ({
      identifier: { namespace: 'x.y', name },
      requirements: REQUIREMENTS,
      updates: UPDATES,
    }))
    expect(parseTransaction(parseJson(stringifyJson(transactionDocument(commits))))).toEqual(commits)
  })

  it('any 64-bit id is the same after a round trip', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: 2n ** 63n - 1n }), (id) => {
        const update: TableUpdate = { action: 'remove-snapshots', 'snapshot-ids': [toSnapshotId(id)] }
        expect(parseTableUpdate(parseJson(stringifyJson(update)))).toEqual(update)
      }),
    )
  })

  it.each(['add-encryption-key', 'toString', '__proto__', 'add-view-version'])(
    'refuses the unknown action %s',
    (action) => {
      expect(() => parseTableUpdate({ action })).toThrow(expect.objectContaining({ kind: 'unsupported' }))
      expect(() => parseTableRequirement({ type: action })).toThrow(
        expect.objectContaining({ kind: 'unsupported' }),
      )
    },
  )

  it('any damaged update is a clear error', () => {
    const damaged = fc
      .tuple(fc.constantFrom(...UPDATES), fc.jsonValue(), fc.nat())
      .map(([update, value, at]) => {
        const keys = Object.keys(update).filter((key) => key !== 'action')
        return { ...update, [keys[at % Math.max(keys.length, 1)] ?? 'action']: value }
      })
    fc.assert(
      fc.property(damaged, (update) => {
        try {
          parseTableUpdate(update)
        } catch (error) {
          expect(['data-invalid', 'unsupported']).toContain((error as { kind?: string }).kind)
        }
      }),
      { numRuns: 500 },
    )
  })

  it('reads the names that older Java clients use', () => {
    expect(parseTableUpdate({ action: 'set-properties', updated: { a: '1' } })).toEqual({
      action: 'set-properties',
      updates: { a: '1' },
    })
    expect(
      parseViewCommit({ updates: [{ action: 'remove-properties', removed: ['a'] }] }).updates,
    ).toHaveLength(1)
  })
})

describe('schemas on the wire', () => {
  const field = (type: unknown) => ({ type: 'struct', fields: [{ id: 1, name: 'a', required: false, type }] })

  it.each([
    ['no struct', { type: 'list', fields: [] }],
    ['an unknown type', field('int7')],
    ['a field without required', { type: 'struct', fields: [{ id: 1, name: 'a', type: 'int' }] }],
    [
      'an id twice',
      { type: 'struct', fields: [...field('int').fields, { id: 1, name: 'b', required: true, type: 'int' }] },
    ],
    [
      'a name twice',
      { type: 'struct', fields: [...field('int').fields, { id: 2, name: 'a', required: true, type: 'int' }] },
    ],
    ['a list without element', field({ type: 'list', 'element-id': 2, 'element-required': true })],
  ])('refuses %s', (_, schema) => {
    expect(() => parseSchema(schema)).toThrow(expect.objectContaining({ kind: 'data-invalid' }))
  })

  it('refuses nesting that would exhaust the stack', () => {
    let type: unknown = 'int'
    for (let depth = 0; depth < 5000; depth++) {
      type = { type: 'list', 'element-id': depth + 2, 'element-required': false, element: type }
    }
    expect(() => parseSchema(field(type))).toThrow(/nested/)
  })

  it('takes every type of v1 to v3 and keeps members it does not know', () => {
    for (const type of [
      'decimal(9, 2)',
      'fixed[16]',
      'timestamptz_ns',
      'variant',
      'unknown',
      'geometry(srid:4326)',
    ]) {
      expect(parseSchema(field(type)).fields[0]?.type).toBe(type)
    }
    expect(parseSchema({ ...field('int'), 'x-new': 1 })).toMatchObject({ 'x-new': 1, 'schema-id': 0 })
  })

  it('a table is created with the fields that clients may leave out', () => {
    const body = {
      name: 't',
      schema: field('int'),
      'partition-spec': { fields: [{ 'source-id': 1, name: 'p', transform: 'identity' }] },
    }
    const { table, stageCreate } = parseCreateTable(body, 'a.b')
    expect(table.partitionSpec?.fields[0]?.['field-id']).toBe(-1)
    expect({ stageCreate, identifier: table.identifier }).toEqual({
      stageCreate: false,
      identifier: { namespace: 'a.b', name: 't' },
    })
  })
})

describe('a partition field without an id', () => {
  it('gets the id of the same field in another spec, else the next free one', () => {
    const first = newTableMetadata({
      uuid: 'u',
      location: 'x',
      schema: {
        ...SCHEMA,
        fields: [...SCHEMA.fields, { id: 2, name: 'day', required: false, type: 'date' }],
      },
      partitionSpec: {
        'spec-id': 0,
        fields: [{ 'source-id': 1, 'field-id': 1000, name: 'b', transform: 'bucket[4]' }],
      },
      now: 1,
    })
    const fields = [
      { 'source-id': 2, name: 'day', transform: 'identity' },
      { 'source-id': 1, name: 'b', transform: 'bucket[4]' },
    ]
    const update = parseTableUpdate({ action: 'add-spec', spec: { fields } })
    const next = applyUpdates(first, [update], { now: 2 })
    expect(next['partition-specs'][1]?.fields.map((field) => field['field-id'])).toEqual([1001, 1000])
    expect(next['last-partition-id']).toBe(1001)
  })
})

describe('names in paths', () => {
  it('levels are parted by the unit separator, each encoded', () => {
    expect(encodeNamespace('a b.ü')).toBe('a%20b%1F%C3%BC')
    expect(decodeNamespace('a b\u001fü')).toBe('a b.ü')
    expect(encodeNamespace('a.b', '%2E')).toBe('a%2Eb')
  })

  it.each(['', '.', '..', 'a\u0000', 'a\ud800'])(
    'refuses %j, which a URL would change or can not say',
    (name) => {
      expect(() => encodeName(name)).toThrow(expect.objectContaining({ kind: 'invalid-argument' }))
    },
  )

  it('a level with a dot can not be said here', () => {
    expect(() => parseNamespace(['a.b'])).toThrow(expect.objectContaining({ kind: 'unsupported' }))
  })

  it.each([
    ['Nessie', 'main|warehouse', 'v1/main%7Cwarehouse/namespaces'],
    ['Nessie, encoded by itself', 'main%7Cwarehouse', 'v1/main%7Cwarehouse/namespaces'],
    ['Polaris', 'my catalog', 'v1/my%20catalog/namespaces'],
    ['Unity', 'catalogs/unity', 'v1/catalogs/unity/namespaces'],
    ['Lakekeeper', '0198-uuid', 'v1/0198-uuid/namespaces'],
    ['none', undefined, 'v1/namespaces'],
  ])('the prefix of %s', (_, prefix, path) => {
    expect(new RestPaths(prefix === undefined ? {} : { prefix }).namespaces()).toBe(path)
  })
})

describe('errors and keys', () => {
  it.each([
    [
      'Iceberg',
      '{"error":{"message":"no","type":"NoSuchTableException","code":404}}',
      'NoSuchTableException',
      'no',
    ],
    [
      'OAuth',
      '{"error":"invalid_client","error_description":"wrong secret"}',
      'invalid_client',
      'wrong secret',
    ],
    ['RFC 9457', '{"title":"Forbidden","detail":"not you"}', 'Forbidden', 'not you'],
    ['a proxy', '<html><h1>502 Bad Gateway</h1></html>', '', '502 Bad Gateway'],
    ['nothing', '', '', 'no reason given'],
  ])('reads the body of %s', (_, body, type, message) => {
    expect(parseErrorBody(404, body)).toEqual({ code: 404, type, message })
  })

  it('idempotency keys are version 7 uuids', () => {
    expect(timeOrderedUuid(0x017f22e279b0, '919108f7-52d1-4320-9bac-f847db4148a8')).toBe(
      '017f22e2-79b0-7320-9bac-f847db4148a8',
    )
  })
})
