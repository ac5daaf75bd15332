import { describe, expect, test } from 'vitest'
import { isIcebergError } from '../../iceberg/error.js'
import { applySchemaChanges } from '../../iceberg/evolve/apply-schema-changes.js'
import { planSchema } from '../../iceberg/evolve/plan-schema.js'
import type { SchemaChange, SchemaRules } from '../../iceberg/evolve/schema-change.js'
import { allFields, fieldByName } from '../../iceberg/spec/schema.js'
import type { TableMetadata } from '../../iceberg/spec/table-metadata.js'
import type { PrimitiveType, Schema, Type } from '../../iceberg/spec/type.js'
import { applyUpdates } from '../../iceberg/update/apply-updates.js'
import { field, names, SCHEMA, tableOf } from '../support/java-schema.js'

function apply(changes: readonly SchemaChange[], rules?: SchemaRules, metadata = tableOf()) {
  return applySchemaChanges(metadata, changes, rules)
}

function refuses(
  changes: readonly SchemaChange[],
  message: string | RegExp,
  rules?: SchemaRules,
  metadata?: TableMetadata,
) {
  let error: unknown
  try {
    apply(changes, rules, metadata ?? tableOf())
  } catch (caught) {
    error = caught
  }
  expect(isIcebergError(error, 'invalid-argument')).toBe(true)
  expect((error as Error).message).toMatch(message)
}

describe('columns are added', () => {
  test('at the end, in structs, in lists and in maps of structs, with new ids in the order of the steps', () => {
    const { schema, lastColumnId } = apply([
      { kind: 'add', name: 'toppings', type: 'decimal(9, 2)' },
      { kind: 'add', parent: 'locations', name: 'alt', type: 'float' },
      { kind: 'add', parent: 'points', name: 'z', type: 'long', doc: 'up' },
      { kind: 'add', parent: 'preferences', name: 'feature3', type: 'boolean' },
    ])
    expect(names(schema)).toMatchObject({
      24: 'toppings',
      25: 'locations.value.alt',
      26: 'points.element.z',
      27: 'preferences.feature3',
    })
    expect(fieldByName(schema, 'points.element.z')).toMatchObject({ required: false, doc: 'up' })
    expect(lastColumnId).toBe(27)
    expect(Object.keys(names(schema))).toHaveLength(27)
  })

  test('with ids of their own first, then of what is nested in them, whatever ids they were given', () => {
    const pair: Type = { type: 'struct', fields: [field(1, 'lat', 'int', true), field(2, 'long', 'int')] }
    const map: Type = {
      type: 'map',
      'key-id': 1,
      key: pair,
      'value-id': 2,
      'value-required': false,
      value: pair,
    }
    const { schema } = apply([{ kind: 'add', name: 'places', type: map }])
    expect(names(schema)).toMatchObject({
      24: 'places',
      25: 'places.key',
      26: 'places.value',
      27: 'places.key.lat',
      28: 'places.key.long',
      29: 'places.value.lat',
      30: 'places.value.long',
    })
  })

  test('as required only where older rows can do without', () => {
    const add: SchemaChange = { kind: 'add', name: 'must', type: 'int', required: true }
    refuses([add], /must can't be added as required: older rows have no value/)
    expect(fieldByName(apply([add], { allowIncompatible: true }).schema, 'must')?.required).toBe(true)
    const v3 = tableOf(SCHEMA, { 'format-version': 3 })
    expect(fieldByName(apply([{ ...add, default: 7 }], {}, v3).schema, 'must')).toMatchObject({
      required: true,
      'initial-default': 7,
      'write-default': 7,
    })
    refuses([{ ...add, default: 7 }], /must can't have a default value.*version 2/)
  })

  test.each<readonly [string, SchemaChange, RegExp]>([
    ['a name that exists', { kind: 'add', name: 'data', type: 'int' }, /data exists already/],
    [
      'a nested name that exists',
      { kind: 'add', parent: 'preferences', name: 'feature1', type: 'int' },
      /preferences\.feature1 exists/,
    ],
    [
      'a name in another case',
      { kind: 'add', name: 'DATA', type: 'int' },
      /DATA and data differ in case only/,
    ],
    [
      'a name in another case inside a list',
      { kind: 'add', parent: 'points', name: 'X', type: 'int' },
      /X and x differ/,
    ],
    [
      'a path as a name',
      { kind: 'add', name: 'preferences.f', type: 'int' },
      /to add f inside preferences, name it as the parent/,
    ],
    [
      'an unknown parent',
      { kind: 'add', parent: 'nowhere', name: 'x', type: 'int' },
      /no column 'nowhere'; the table has id, data/,
    ],
    ['a primitive parent', { kind: 'add', parent: 'data', name: 'x', type: 'int' }, /it is not a struct/],
    [
      'a list of primitives as parent',
      { kind: 'add', parent: 'doubles', name: 'x', type: 'int' },
      /nothing can be added to doubles/,
    ],
    [
      'a map key as parent',
      { kind: 'add', parent: 'locations.key', name: 'x', type: 'int' },
      /part of a map's key/,
    ],
    ['a type of v3', { kind: 'add', name: 'x', type: 'timestamp_ns' }, /needs format version 3/],
    ['no name', { kind: 'add', name: '', type: 'int' }, /needs a name/],
  ])('but not with %s', (_, change, message) => refuses([change], message))

  test('in another case, or with dots, where that is what is wanted', () => {
    expect(
      apply([{ kind: 'add', name: 'DATA', type: 'int' }], { caseSensitive: true }).schema.fields,
    ).toHaveLength(8)
    expect(fieldByName(apply([{ kind: 'add', name: 'a.b', type: 'int' }]).schema, 'a.b')?.id).toBe(24)
  })
})

describe('columns are dropped, renamed and moved', () => {
  test('and a name that comes back is a new column', () => {
    const { schema, lastColumnId } = apply([
      { kind: 'drop', column: 'data' },
      { kind: 'drop', column: 'points.element.y' },
      { kind: 'add', name: 'data', type: 'int' },
    ])
    expect(fieldByName(schema, 'data')).toEqual(field(24, 'data', 'int'))
    expect(names(schema)).not.toHaveProperty('16')
    expect(lastColumnId).toBe(24)
  })

  test('with ids, types and order kept by a rename, at any depth', () => {
    const { schema } = apply([
      { kind: 'rename', column: 'data', to: 'json' },
      { kind: 'rename', column: 'preferences', to: 'options' },
      { kind: 'rename', column: 'options.feature2', to: 'newfeature' },
      { kind: 'rename', column: 'locations.value.lat', to: 'latitude' },
      { kind: 'rename', column: 'points.element.x', to: 'X' },
    ])
    expect(names(schema)).toMatchObject({
      2: 'json',
      3: 'options',
      9: 'options.newfeature',
      12: 'locations.value.latitude',
      15: 'points.element.X',
    })
    expect(schema.fields.map((f) => f.id)).toEqual([1, 2, 3, 4, 5, 6, 7])
  })

  test('two names swap through a third', () => {
    const { schema } = apply([
      { kind: 'rename', column: 'id', to: 't' },
      { kind: 'rename', column: 'data', to: 'id' },
      { kind: 'rename', column: 't', to: 'data' },
    ])
    expect(schema.fields.slice(0, 2).map((f) => [f.id, f.name])).toEqual([
      [1, 'data'],
      [2, 'id'],
    ])
  })

  test('moves stay among siblings', () => {
    const order = (...changes: readonly SchemaChange[]) => apply(changes).schema.fields.map((f) => f.id)
    expect(order({ kind: 'move', column: 'doubles', to: 'first' })).toEqual([6, 1, 2, 3, 4, 5, 7])
    expect(order({ kind: 'move', column: 'id', after: 'properties' })).toEqual([2, 3, 4, 5, 6, 7, 1])
    expect(order({ kind: 'move', column: 'properties', before: 'data' })).toEqual([1, 7, 2, 3, 4, 5, 6])
    const { schema } = apply([{ kind: 'move', column: 'points.element.y', before: 'points.element.x' }])
    expect(
      allFields(schema)
        .map((f) => f.id)
        .filter((id) => id === 15 || id === 16),
    ).toEqual([16, 15])
    refuses([{ kind: 'move', column: 'data', before: 'preferences.feature1' }], /not in the same struct/)
    refuses([{ kind: 'move', column: 'data', after: 'data' }], /next to itself/)
    refuses([{ kind: 'move', column: 'data', after: 'nope' }], /no column 'nope'/)
    refuses([{ kind: 'move', column: 'doubles.element', to: 'first' }], /element of a list or map/)
  })

  test.each<readonly [SchemaChange, RegExp]>([
    [{ kind: 'drop', column: 'nope' }, /no column 'nope'/],
    [{ kind: 'drop', column: 'doubles.element' }, /can't be dropped: it is the element/],
    [{ kind: 'drop', column: 'properties.value' }, /can't be dropped: it is the value/],
    [{ kind: 'drop', column: 'locations.key.zip' }, /part of a map's key/],
    [{ kind: 'rename', column: 'nope', to: 'x' }, /no column 'nope'/],
    [{ kind: 'rename', column: 'data', to: 'id' }, /there is such a column already/],
    [{ kind: 'rename', column: 'data', to: 'ID' }, /differ in case only/],
    [{ kind: 'rename', column: 'doubles.element', to: 'x' }, /can't be renamed/],
    [{ kind: 'rename', column: 'locations.key.zip', to: 'x' }, /part of a map's key/],
    [{ kind: 'rename', column: 'data', to: '' }, /needs a name/],
  ])('but %j is refused', (change, message) => refuses([change], message))
})

describe('types and nullability', () => {
  const TYPES: readonly PrimitiveType[] = [
    'boolean',
    'int',
    'long',
    'float',
    'double',
    'date',
    'time',
    'timestamp',
    'timestamptz',
    'string',
    'uuid',
    'binary',
    'fixed[3]',
    'fixed[4]',
    'decimal(9, 2)',
    'decimal(9, 3)',
    'decimal(18, 2)',
  ]
  const ALLOWED = new Set(['int>long', 'float>double', 'decimal(9, 2)>decimal(18, 2)'])

  // Java's TestSchemaUpdate.testUpdateFailure: every pair of primitives.
  test('promote from every type to every other only as the spec allows', () => {
    for (const from of TYPES) {
      const metadata = tableOf({ type: 'struct', 'schema-id': 0, fields: [field(1, 'c', from)] })
      for (const type of TYPES) {
        const change: SchemaChange = { kind: 'promote', column: 'c', type }
        if (from === type || ALLOWED.has(`${from}>${type}`)) {
          expect(apply([change], {}, metadata).schema.fields[0]?.type).toBe(type)
        } else refuses([change], `c can't change from ${from} to ${type}`, {}, metadata)
      }
    }
  })

  test('a date becomes a timestamp in v3 only, and never where rows are partitioned by it', () => {
    const schema: Schema = { type: 'struct', 'schema-id': 0, fields: [field(1, 'd', 'date')] }
    const change: SchemaChange = { kind: 'promote', column: 'd', type: 'timestamp' }
    refuses([change], /from date to timestamp/, {}, tableOf(schema))
    const v3 = tableOf(schema, { 'format-version': 3 })
    expect(apply([change], {}, v3).schema.fields[0]?.type).toBe('timestamp')
    const spec = {
      'spec-id': 0,
      fields: [{ 'source-id': 1, 'field-id': 1000, name: 'd_day', transform: 'day' as const }],
    }
    refuses(
      [change],
      /the values of partition field d_day would change/,
      {},
      { ...v3, 'partition-specs': [spec] },
    )
  })

  test('inside lists and map values, but never in map keys', () => {
    const nested = apply([
      { kind: 'promote', column: 'locations.value.lat', type: 'double' },
      { kind: 'make-optional', column: 'doubles.element' },
      { kind: 'make-optional', column: 'locations' },
    ])
    expect(fieldByName(nested.schema, 'locations.value.lat')?.type).toBe('double')
    expect(fieldByName(nested.schema, 'doubles.element')?.required).toBe(false)
    expect(fieldByName(nested.schema, 'locations')?.required).toBe(false)
    refuses([{ kind: 'promote', column: 'locations.key.zip', type: 'long' }], /part of a map's key/)
    refuses([{ kind: 'promote', column: 'points', type: 'long' }], /a nested type to long/)
  })

  test('become required only where the caller vouches for the rows', () => {
    const require: SchemaChange = { kind: 'require', column: 'data' }
    refuses([require], /data can't become required/)
    expect(fieldByName(apply([require], { allowIncompatible: true }).schema, 'data')?.required).toBe(true)
    expect(apply([{ kind: 'require', column: 'id' }]).schema).toEqual(SCHEMA)
  })

  test('documents and defaults come and go', () => {
    const { schema } = apply([{ kind: 'document', column: 'data', doc: 'raw' }])
    expect(fieldByName(schema, 'data')?.doc).toBe('raw')
    expect(apply([{ kind: 'document', column: 'data' }], {}, tableOf(schema)).schema).toEqual(SCHEMA)
    refuses([{ kind: 'set-default', column: 'data', value: 'x' }], /default value/)
  })
})

describe('identifier columns', () => {
  test('are required primitives outside lists, maps and optional structs', () => {
    expect(apply([{ kind: 'set-identifier', columns: ['id'] }]).schema['identifier-field-ids']).toEqual([1])
    expect(apply([{ kind: 'set-identifier', columns: [] }]).schema).not.toHaveProperty('identifier-field-ids')
    const refused = (column: string, message: RegExp) =>
      refuses([{ kind: 'set-identifier', columns: [column] }], message)
    refused('data', /it is optional/)
    refused('preferences.feature1', /preferences is optional/)
    refused('locations', /not of a primitive type/)
    refused('doubles.element', /a double is never surely equal/)
    refused('points.element.x', /holds many values a row/)
    refused('nope', /no column/)
  })

  test('can be renamed, but neither dropped nor made optional before others are set', () => {
    const metadata = tableOf({ ...SCHEMA, 'identifier-field-ids': [1] })
    expect(
      apply([{ kind: 'rename', column: 'id', to: 'key' }], {}, metadata).schema['identifier-field-ids'],
    ).toEqual([1])
    refuses([{ kind: 'drop', column: 'id' }], /id can't be dropped: it identifies rows/, {}, metadata)
    refuses([{ kind: 'make-optional', column: 'id' }], /id can't identify rows: it is optional/, {}, metadata)
    const freed: SchemaChange[] = [
      { kind: 'set-identifier', columns: [] },
      { kind: 'drop', column: 'id' },
    ]
    expect(apply(freed, {}, metadata).schema.fields).toHaveLength(6)
  })
})

describe('what the table needs', () => {
  const partitioned = tableOf(SCHEMA, {
    'partition-specs': [
      {
        'spec-id': 0,
        fields: [{ 'source-id': 2, 'field-id': 1000, name: 'data_bucket', transform: 'bucket[4]' }],
      },
    ],
  })

  test('partition sources stay, until their field is void', () => {
    refuses(
      [{ kind: 'drop', column: 'data' }],
      /data can't be dropped: the table is partitioned by bucket\[4\] of it; remove partition field data_bucket first/,
      {},
      partitioned,
    )
    const voided = tableOf(SCHEMA, {
      'partition-specs': [
        {
          'spec-id': 0,
          fields: [{ 'source-id': 2, 'field-id': 1000, name: 'data_bucket', transform: 'void' }],
        },
      ],
    })
    expect(apply([{ kind: 'drop', column: 'data' }], {}, voided).schema.fields).toHaveLength(6)
  })

  test('sort columns stay', () => {
    const sorted = tableOf(SCHEMA, {
      'sort-orders': [
        {
          'order-id': 1,
          fields: [{ 'source-id': 1, transform: 'identity', direction: 'asc', 'null-order': 'nulls-first' }],
        },
      ],
      'default-sort-order-id': 1,
    })
    refuses([{ kind: 'drop', column: 'id' }], /the table is sorted by it/, {}, sorted)
  })

  test('no column takes the name of a partition field', () => {
    refuses(
      [{ kind: 'add', name: 'data_bucket', type: 'int' }],
      /the name of a partition field/,
      {},
      partitioned,
    )
    refuses(
      [{ kind: 'rename', column: 'id', to: 'data_bucket' }],
      /the name of a partition field/,
      {},
      partitioned,
    )
  })
})

describe('union by name', () => {
  test('adds what is missing as optional, widens, loosens, documents, and drops nothing', () => {
    const other: Schema = {
      type: 'struct',
      'schema-id': 9,
      fields: [
        field(1, 'ID', 'long'),
        field(2, 'extra', { type: 'struct', fields: [field(3, 'a', 'int', true)] }, true),
        { ...field(4, 'data', 'string'), doc: 'said there' },
        field(5, 'points', {
          type: 'list',
          'element-id': 6,
          'element-required': false,
          element: { type: 'struct', fields: [field(7, 'x', 'int', true), field(8, 'z', 'long', true)] },
        }),
        field(
          9,
          'locations',
          {
            type: 'map',
            'key-id': 30,
            key: 'string',
            'value-id': 31,
            'value-required': true,
            value: { type: 'struct', fields: [field(32, 'lat', 'double', true)] },
          },
          true,
        ),
      ],
    }
    const { schema, lastColumnId } = apply([{ kind: 'union-by-name', schema: other }])
    expect(fieldByName(schema, 'id')).toMatchObject({ id: 1, type: 'long', required: false })
    expect(fieldByName(schema, 'data')).toMatchObject({ id: 2, doc: 'said there' })
    expect(names(schema)).toMatchObject({ 24: 'extra', 25: 'extra.a', 26: 'points.element.z' })
    expect(fieldByName(schema, 'extra')?.required).toBe(false)
    expect(fieldByName(schema, 'points.element.z')?.required).toBe(false)
    // An int fits into the long that is there.
    expect(fieldByName(schema, 'points.element.x')).toMatchObject({ type: 'long', required: true })
    expect(fieldByName(schema, 'locations.value.lat')?.type).toBe('double')
    expect(fieldByName(schema, 'locations.value.long')?.id).toBe(13)
    expect(lastColumnId).toBe(26)
  })

  test('refuses types that never meet', () => {
    const union = (type: Type): readonly SchemaChange[] => [
      { kind: 'union-by-name', schema: { type: 'struct', 'schema-id': 0, fields: [field(1, 'data', type)] } },
    ]
    refuses(union('int'), /data can't change from string to int/)
    refuses(union({ type: 'struct', fields: [] }), /data is a string here and a struct there/)
  })
})

describe('as a commit', () => {
  test('it requires what Java requires, and where columns go also the spec and the order', () => {
    const metadata = tableOf()
    const { requirements, updates } = planSchema(metadata, [{ kind: 'add', name: 'x', type: 'int' }])
    expect(requirements).toEqual([
      { type: 'assert-table-uuid', uuid: 'u' },
      { type: 'assert-last-assigned-field-id', 'last-assigned-field-id': 23 },
      { type: 'assert-current-schema-id', 'current-schema-id': 0 },
    ])
    expect(updates.map((update) => update.action)).toEqual(['add-schema', 'set-current-schema'])
    expect(planSchema(metadata, [{ kind: 'drop', column: 'data' }]).requirements.map((r) => r.type)).toEqual([
      'assert-table-uuid',
      'assert-last-assigned-field-id',
      'assert-current-schema-id',
      'assert-default-spec-id',
      'assert-default-sort-order-id',
    ])
    expect(planSchema(metadata, [{ kind: 'rename', column: 'id', to: 'id' }]).updates).toEqual([])
  })

  test('a schema that the table had before is taken up again, and its ids are not given out twice', () => {
    const evolve = (metadata: TableMetadata, ...changes: readonly SchemaChange[]) =>
      applyUpdates(metadata, planSchema(metadata, changes).updates, { now: 2 })
    const start = tableOf()
    const added = evolve(start, { kind: 'add', name: 'x', type: 'int' })
    const back = evolve(added, { kind: 'drop', column: 'x' })
    expect([back['current-schema-id'], back.schemas.length, back['last-column-id']]).toEqual([0, 2, 24])
    const again = evolve(back, { kind: 'add', name: 'x', type: 'int' })
    expect([again['current-schema-id'], again['last-column-id']]).toEqual([2, 25])
  })

  test('the name mapping follows: names add up, and a reused name leaves the column that had it', () => {
    const mapping = JSON.stringify([
      { 'field-id': 1, names: ['id'] },
      { 'field-id': 2, names: ['data', 'payload'] },
      {
        'field-id': 5,
        names: ['points'],
        fields: [{ 'field-id': 14, names: ['element'], fields: [{ 'field-id': 15, names: ['x'] }] }],
      },
      { names: ['ignored'] },
    ])
    const metadata = tableOf(SCHEMA, { properties: { 'schema.name-mapping.default': mapping } })
    const { updates } = planSchema(metadata, [
      { kind: 'rename', column: 'data', to: 'json' },
      { kind: 'add', name: 'payload', type: 'int' },
      {
        kind: 'add',
        parent: 'points',
        name: 'z',
        type: { type: 'list', 'element-id': 1, 'element-required': false, element: 'int' },
      },
    ])
    const set = updates.find((update) => update.action === 'set-properties')!
    const mapped = JSON.parse(set.updates['schema.name-mapping.default']!) as { 'field-id'?: number }[]
    const entry = (id: number) => mapped.find((one) => one['field-id'] === id)
    expect(entry(2)).toEqual({ 'field-id': 2, names: ['data', 'json'] })
    expect(entry(24)).toEqual({ 'field-id': 24, names: ['payload'] })
    expect(entry(5)).toMatchObject({
      fields: [
        {
          'field-id': 14,
          fields: [
            { 'field-id': 15, names: ['x'] },
            { 'field-id': 16, names: ['y'] },
            { 'field-id': 25, names: ['z'], fields: [{ 'field-id': 26, names: ['element'] }] },
          ],
        },
      ],
    })
    expect(mapped[3]).toEqual({ names: ['ignored'] })
  })
})
