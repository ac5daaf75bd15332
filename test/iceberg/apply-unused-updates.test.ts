import { describe, expect, it } from 'vitest'
import { toSnapshotId } from '../../iceberg/spec/snapshot.js'
import type { Schema } from '../../iceberg/spec/type.js'
import { applyUpdates } from '../../iceberg/update/apply-updates.js'
import { newTableMetadata } from '../../iceberg/update/new-metadata.js'
import type { TableUpdate } from '../../iceberg/update/table-update.js'
import { parseTableUpdate } from '../../iceberg/update/update-json.js'

const SCHEMA: Schema = {
  type: 'struct',
  'schema-id': 0,
  fields: [{ id: 1, name: 'id', required: true, type: 'long' }],
}
const table = newTableMetadata({ uuid: 'a', location: 'memory://t', schema: SCHEMA, now: 1000 })
const apply = (...updates: readonly TableUpdate[]) => applyUpdates(table, updates, { now: 2000 })
const wider = { ...SCHEMA, fields: [...SCHEMA.fields, { id: 2, name: 'n', required: false, type: 'int' }] }
const evolved: readonly TableUpdate[] = [
  { action: 'add-schema', schema: wider as Schema },
  { action: 'set-current-schema', 'schema-id': -1 },
  {
    action: 'add-spec',
    spec: {
      'spec-id': 0,
      fields: [{ 'source-id': 1, 'field-id': 1000, name: 'id', transform: 'identity' }],
    },
  },
  { action: 'set-default-spec', 'spec-id': -1 },
]

describe('updates of what a table no longer needs', () => {
  it('remove schemas and specs that are not the current ones', () => {
    const after = apply(
      ...evolved,
      { action: 'remove-schemas', 'schema-ids': [0] },
      { action: 'remove-partition-specs', 'spec-ids': [0] },
    )
    expect(after.schemas.map((schema) => schema['schema-id'])).toEqual([1])
    expect(after['partition-specs'].map((spec) => spec['spec-id'])).toEqual([1])
  })

  it.each([
    { action: 'remove-schemas', 'schema-ids': [1] },
    { action: 'remove-partition-specs', 'spec-ids': [1] },
  ] as const)('refuse the current one: %o', (update) => {
    expect(() => apply(...evolved, update)).toThrow(/1 is the (current|default)/)
  })

  it('keep one statistics file of each kind for a snapshot, with all that it says', () => {
    const id = toSnapshotId(2n ** 60n + 1n)
    const set = (path: string) =>
      parseTableUpdate({
        action: 'set-statistics',
        statistics: { 'snapshot-id': id, 'statistics-path': path, 'file-size-in-bytes': 7 },
      })
    const partition = { 'snapshot-id': id, 'statistics-path': 'p' }
    const both = apply(set('old'), set('new'), {
      action: 'set-partition-statistics',
      'partition-statistics': partition,
    })
    expect(both.statistics).toEqual([
      { 'snapshot-id': id, 'statistics-path': 'new', 'file-size-in-bytes': 7 },
    ])
    expect(both['partition-statistics']).toEqual([partition])
    const removals: readonly TableUpdate[] = [
      { action: 'remove-statistics', 'snapshot-id': id },
      { action: 'remove-partition-statistics', 'snapshot-id': id },
    ]
    const none = applyUpdates(both, removals, { now: 3000 })
    expect([none.statistics, none['partition-statistics']]).toEqual([[], []])
    expect(applyUpdates(none, removals, { now: 4000 })).toBe(none)
  })
})
