import { describe, expect, it } from 'vitest'
import type { Snapshot, SnapshotId } from '../../iceberg/spec/snapshot.js'
import { toSnapshotId } from '../../iceberg/spec/snapshot.js'
import type { TableMetadata } from '../../iceberg/spec/table-metadata.js'
import type { Schema } from '../../iceberg/spec/type.js'
import { applyUpdates } from '../../iceberg/update/apply-updates.js'
import { checkRequirements } from '../../iceberg/update/check-requirements.js'
import { newTableMetadata } from '../../iceberg/update/new-metadata.js'
import type { TableRequirement, TableUpdate } from '../../iceberg/update/table-update.js'

const SCHEMA: Schema = {
  type: 'struct',
  'schema-id': 0,
  fields: [
    { id: 1, name: 'id', required: true, type: 'long' },
    { id: 2, name: 'day', required: false, type: 'date' },
  ],
}

const id = (n: number) => toSnapshotId(2n ** 60n + BigInt(n))
const empty = newTableMetadata({
  uuid: 'ABCDEF00-0000-4000-8000-000000000000',
  location: 'memory://w/t/',
  schema: SCHEMA,
  properties: { 'format-version': '2', owner: 'me' },
  now: 1000,
})

function snapshot(n: number, timestampMs: number, parent?: SnapshotId): Snapshot {
  return {
    'snapshot-id': id(n),
    ...(parent !== undefined && { 'parent-snapshot-id': parent }),
    'sequence-number': n,
    'timestamp-ms': timestampMs,
    'manifest-list': `memory://w/t/metadata/${n}.avro`,
    summary: { operation: 'append' },
  }
}

const add = (n: number, timestampMs: number): TableUpdate => ({
  action: 'add-snapshot',
  snapshot: snapshot(n, timestampMs, n > 1 ? id(n - 1) : undefined),
})
const upgrade: TableUpdate = { action: 'upgrade-format-version', 'format-version': 3 }
const rows = (n: number, first: number, added: number): TableUpdate => ({
  action: 'add-snapshot',
  snapshot: { ...snapshot(n, 5000), 'first-row-id': first, 'added-rows': added },
})
const point = (ref: string, n: number, type: 'tag' | 'branch' = 'branch'): TableUpdate => ({
  action: 'set-snapshot-ref',
  'ref-name': ref,
  type,
  'snapshot-id': id(n),
})
const apply = (metadata: TableMetadata, now: number, ...updates: readonly TableUpdate[]) =>
  applyUpdates(metadata, updates, { now })
const logOf = (metadata: TableMetadata) =>
  metadata['snapshot-log'].map((entry) => [Number(entry['snapshot-id'] - 2n ** 60n), entry['timestamp-ms']])

const three = apply(
  apply(apply(empty, 2000, add(1, 2000), point('main', 1)), 3000, add(2, 3000), point('main', 2)),
  4000,
  add(3, 4000),
  point('main', 3),
  point('v_1', 3, 'tag'),
)

describe('new metadata', () => {
  it('is empty, of version 2, and keeps no format-version property', () => {
    expect(empty).toMatchObject({
      'format-version': 2,
      'table-uuid': 'abcdef00-0000-4000-8000-000000000000',
      location: 'memory://w/t',
      'last-column-id': 2,
      'last-partition-id': 999,
      properties: { owner: 'me' },
      'partition-specs': [{ 'spec-id': 0, fields: [] }],
      'sort-orders': [{ 'order-id': 0, fields: [] }],
    })
  })
})

describe('updates', () => {
  it('move main, its log and the clock', () => {
    expect(three['current-snapshot-id']).toBe(id(3))
    expect(three['last-sequence-number']).toBe(3)
    expect(three['last-updated-ms']).toBe(4000)
    expect(logOf(three)).toEqual([
      [1, 2000],
      [2, 3000],
      [3, 4000],
    ])
  })

  it('roll main back in the log as a later entry, even by a clock that runs behind', () => {
    const rolledBack = apply(three, 100, point('main', 1))
    expect(rolledBack['current-snapshot-id']).toBe(id(1))
    expect(logOf(rolledBack).at(-1)).toEqual([1, 4000])
  })

  it('log only the last of several snapshots that one commit makes current', () => {
    const both = apply(three, 6000, add(4, 5000), point('main', 4), add(5, 6000), point('main', 5))
    expect(logOf(both).slice(3)).toEqual([[5, 6000]])
  })

  it('remove snapshots, and the log up to the gap', () => {
    const two = apply(three, 5000, { action: 'remove-snapshots', 'snapshot-ids': [id(1)] })
    expect(logOf(two)).toEqual([
      [2, 3000],
      [3, 4000],
    ])
    const one = apply(three, 5000, { action: 'remove-snapshots', 'snapshot-ids': [id(2)] })
    expect(logOf(one)).toEqual([[3, 4000]])
    const none = apply(
      three,
      5000,
      { action: 'remove-snapshot-ref', 'ref-name': 'main' },
      { action: 'remove-snapshot-ref', 'ref-name': 'v_1' },
      { action: 'remove-snapshots', 'snapshot-ids': [id(1), id(2), id(3)] },
    )
    expect(none).toMatchObject({ refs: {}, snapshots: [], 'snapshot-log': [] })
    expect('current-snapshot-id' in none).toBe(false)
  })

  it('give back the same object where they change nothing', () => {
    const nothing: readonly TableUpdate[] = [
      point('v_1', 3, 'tag'),
      { action: 'remove-snapshot-ref', 'ref-name': 'absent' },
      { action: 'remove-snapshots', 'snapshot-ids': [id(99)] },
      { action: 'remove-properties', removals: ['absent'] },
      { action: 'upgrade-format-version', 'format-version': 2 },
    ]
    expect(apply(three, 9000, ...nothing)).toBe(three)
  })

  it('add a schema once, and resolve -1 to the one added last', () => {
    const wider: Schema = {
      ...SCHEMA,
      'schema-id': 77,
      fields: [...SCHEMA.fields, { id: 9, name: 'new', required: false, type: 'string' }],
    }
    const added = apply(
      three,
      5000,
      { action: 'add-schema', schema: wider },
      { action: 'set-current-schema', 'schema-id': -1 },
    )
    expect(added['current-schema-id']).toBe(1)
    expect(added['last-column-id']).toBe(9)
    const again = apply(
      added,
      6000,
      { action: 'add-schema', schema: SCHEMA },
      { action: 'set-current-schema', 'schema-id': -1 },
    )
    expect(again['current-schema-id']).toBe(0)
    expect(again.schemas).toHaveLength(2)
  })

  it('keep the metadata log at write.metadata.previous-versions-max', () => {
    let metadata: TableMetadata = {
      ...three,
      properties: { 'write.metadata.previous-versions-max': '3' },
    }
    for (let n = 0; n < 6; n++) {
      metadata = applyUpdates(metadata, [{ action: 'set-properties', updates: { n: String(n) } }], {
        now: 5000 + n,
        metadataLocation: `memory://${n}`,
      })
    }
    expect(metadata['metadata-log'].map((entry) => entry['metadata-file'])).toEqual([
      'memory://3',
      'memory://4',
      'memory://5',
    ])
  })

  it.each<[string, string, readonly TableUpdate[]]>([
    ['a snapshot id twice', 'commit-rejected', [add(3, 5000)]],
    [
      'a sequence number that is taken',
      'commit-conflict',
      [{ action: 'add-snapshot', snapshot: { ...snapshot(9, 5000), 'sequence-number': 3 } }],
    ],
    [
      'the removal of a snapshot that a ref holds',
      'commit-conflict',
      [point('kept', 2, 'tag'), { action: 'remove-snapshots', 'snapshot-ids': [id(1), id(2)] }],
    ],
    ['a ref to nowhere', 'commit-rejected', [point('x', 9)]],
    ['main as a tag', 'commit-rejected', [point('main', 3, 'tag')]],
    ['a tag turned branch', 'commit-rejected', [point('v_1', 3)]],
    ['-1 with nothing added', 'commit-rejected', [{ action: 'set-current-schema', 'schema-id': -1 }]],
    ['an unknown spec', 'commit-rejected', [{ action: 'set-default-spec', 'spec-id': 9 }]],
    ['version 1 again', 'commit-rejected', [{ action: 'upgrade-format-version', 'format-version': 1 }]],
    ['rows of version 3 without ids', 'commit-rejected', [upgrade, add(9, 5000)]],
    ['row ids of version 3 that are taken', 'commit-conflict', [upgrade, rows(9, 0, 5), rows(10, 4, 1)]],
  ])('refuse %s', (_name, kind, updates) => {
    expect(() => apply(three, 5000, ...updates)).toThrow(expect.objectContaining({ kind }))
  })
})

describe('tables that other engines write', () => {
  it('are replaced by a commit that begins main anew, staged on an older table, and keep their log', () => {
    const replaced = apply(
      three,
      6000,
      { action: 'remove-snapshot-ref', 'ref-name': 'main' },
      { action: 'add-snapshot', snapshot: { ...snapshot(9, 6000), 'sequence-number': 2 } },
      point('main', 9),
    )
    expect(replaced).toMatchObject({ 'current-snapshot-id': id(9), 'last-sequence-number': 3 })
    expect(logOf(replaced)).toEqual([...logOf(three), [9, 6000]])
  })

  it('count the row ids of version 3, also past 2^53', () => {
    const v3 = apply(empty, 2000, upgrade, rows(1, 0, 5))
    expect(v3).toMatchObject({ 'format-version': 3, 'next-row-id': 5 })
    const more = apply(v3, 3000, rows(2, 5, Number.MAX_SAFE_INTEGER))
    expect(more['next-row-id']).toBe(5n + BigInt(Number.MAX_SAFE_INTEGER))
  })

  it('take snapshots of version 1, which have no sequence numbers', () => {
    const v1 = newTableMetadata({
      uuid: 'ABCDEF00-0000-4000-8000-000000000000',
      location: 'memory://w/t',
      schema: SCHEMA,
      properties: { 'format-version': '1' },
      now: 1000,
    })
    const old = (n: number): TableUpdate => ({
      action: 'add-snapshot',
      snapshot: { ...snapshot(n, 2000), 'sequence-number': 0 },
    })
    expect(apply(v1, 2000, old(1), old(2), point('main', 2)).snapshots).toHaveLength(2)
  })

  it('are created in version 1, 2 or 3, never in another', () => {
    const create = (version: string) =>
      newTableMetadata({
        uuid: 'a',
        location: 'l',
        schema: SCHEMA,
        properties: { 'format-version': version },
        now: 1,
      })
    expect([create('1'), create('2'), create('3')].map((one) => one['format-version'])).toEqual([1, 2, 3])
    expect(() => create('4')).toThrow(expect.objectContaining({ kind: 'unsupported' }))
  })
})

describe('requirements', () => {
  it.each<[TableRequirement, boolean]>([
    [{ type: 'assert-create' }, false],
    [{ type: 'assert-table-uuid', uuid: 'ABCDEF00-0000-4000-8000-000000000000' }, true],
    [{ type: 'assert-table-uuid', uuid: '00000000-0000-4000-8000-000000000000' }, false],
    [{ type: 'assert-ref-snapshot-id', ref: 'main', 'snapshot-id': id(3) }, true],
    [{ type: 'assert-ref-snapshot-id', ref: 'main', 'snapshot-id': id(2) }, false],
    [{ type: 'assert-ref-snapshot-id', ref: 'v_1', 'snapshot-id': null }, false],
    [{ type: 'assert-ref-snapshot-id', ref: 'absent', 'snapshot-id': null }, true],
    [{ type: 'assert-last-assigned-field-id', 'last-assigned-field-id': 2 }, true],
    [{ type: 'assert-current-schema-id', 'current-schema-id': 1 }, false],
    [{ type: 'assert-last-assigned-partition-id', 'last-assigned-partition-id': 999 }, true],
    [{ type: 'assert-default-spec-id', 'default-spec-id': 0 }, true],
    [{ type: 'assert-default-sort-order-id', 'default-sort-order-id': 1 }, false],
  ])('%o holds: %s', (requirement, holds) => {
    const check = () => checkRequirements(three, [requirement])
    if (holds) expect(check).not.toThrow()
    else expect(check).toThrow(expect.objectContaining({ kind: 'commit-conflict' }))
  })

  it('of creation hold where there is no table, all others do not', () => {
    expect(() => checkRequirements(undefined, [{ type: 'assert-create' }])).not.toThrow()
    const uuid: TableRequirement = { type: 'assert-table-uuid', uuid: 'x' }
    expect(() => checkRequirements(undefined, [uuid])).toThrow(
      expect.objectContaining({ kind: 'commit-conflict' }),
    )
  })
})
