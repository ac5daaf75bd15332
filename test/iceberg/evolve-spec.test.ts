import { describe, expect, test } from 'vitest'
import { planSpec, type SpecChange } from '../../iceberg/evolve/plan-spec.js'
import { defaultSpec } from '../../iceberg/spec/specs.js'
import type { TableMetadata } from '../../iceberg/spec/table-metadata.js'
import { applyUpdates } from '../../iceberg/update/apply-updates.js'
import { newTableMetadata } from '../../iceberg/update/new-metadata.js'
import { BY_KIND, KINDS_SCHEMA } from '../support/kinds-schema.js'

const v2 = newTableMetadata({
  uuid: 'u',
  location: '/t',
  schema: KINDS_SCHEMA,
  partitionSpec: BY_KIND,
  now: 1,
})
const v1: TableMetadata = { ...v2, 'format-version': 1 }
const evolve = (metadata: TableMetadata, ...changes: readonly SpecChange[]) =>
  applyUpdates(metadata, planSpec(metadata, changes).updates, { now: 2 })
const shown = (metadata: TableMetadata) =>
  defaultSpec(metadata).fields.map((f) => `${f['field-id']} ${f.name} ${f.transform}(${f['source-id']})`)

describe('a partition spec', () => {
  test('gains fields under the names that Java gives', () => {
    const evolved = evolve(
      v2,
      { kind: 'add', column: 'seen', transform: 'day' },
      { kind: 'add', column: 'id', transform: 'bucket[16]' },
      { kind: 'add', column: 'kind', transform: 'truncate[4]' },
      { kind: 'add', column: 'at.x' },
      { kind: 'add', column: 'seen', transform: 'hour', name: 'h' },
    )
    expect(shown(evolved)).toEqual([
      '1000 kind identity(3)',
      '1001 seen_day day(2)',
      '1002 id_bucket_16 bucket[16](1)',
      '1003 kind_trunc_4 truncate[4](3)',
      '1004 at.x identity(6)',
      '1005 h hour(2)',
    ])
    expect([evolved['default-spec-id'], evolved['last-partition-id']]).toEqual([1, 1005])
  })

  test('loses fields for good in v2, and gives one that comes back its id again', () => {
    const without = evolve(v2, { kind: 'remove', name: 'kind' })
    expect(shown(without)).toEqual([])
    const other = evolve(without, { kind: 'add', column: 'id', transform: 'bucket[4]' })
    expect(shown(other)).toEqual(['1001 id_bucket_4 bucket[4](1)'])
    const back = evolve(
      other,
      { kind: 'add', column: 'kind' },
      { kind: 'remove', column: 'id', transform: 'bucket[4]' },
    )
    expect(shown(back)).toEqual(['1000 kind identity(3)'])
    // Equal to the first spec: taken up again.
    expect(back['default-spec-id']).toBe(0)
    expect(shown(evolve(other, { kind: 'add', column: 'kind', name: 'sort' }))).toEqual([
      '1001 id_bucket_4 bucket[4](1)',
      '1002 sort identity(3)',
    ])
  })

  test('keeps a removed field as void in v1, which gives its name away', () => {
    const without = evolve(v1, { kind: 'remove', name: 'kind' })
    expect(shown(without)).toEqual(['1000 kind void(3)'])
    expect(shown(evolve(without, { kind: 'add', column: 'kind' }))).toEqual([
      '1000 kind_1000 void(3)',
      '1001 kind identity(3)',
    ])
    const undone = evolve(v1, { kind: 'add', column: 'id' }, { kind: 'remove', name: 'id' })
    expect(undone).toBe(v1)
  })

  test('is renamed, and two fields swap their names in steps', () => {
    const two = evolve(
      v2,
      { kind: 'add', column: 'id', transform: 'bucket[4]', name: 'b' },
      { kind: 'rename', name: 'kind', to: 'k' },
    )
    expect(shown(two)).toEqual(['1000 k identity(3)', '1001 b bucket[4](1)'])
  })

  test.each<readonly [SpecChange, RegExp]>([
    [{ kind: 'add', column: 'nope' }, /no column 'nope' to partition by; the table has id, seen/],
    [{ kind: 'add', column: 'kind' }, /partitioned by identity of kind already, as kind/],
    [{ kind: 'add', column: 'at' }, /choose a primitive column/],
    [{ kind: 'add', column: 'tags.element' }, /choose a primitive column/],
    [{ kind: 'add', column: 'kind', transform: 'day' }, /day cannot be applied to string/],
    [{ kind: 'add', column: 'kind', transform: 'zorder' as 'day' }, /transform zorder is not known/],
    [{ kind: 'add', column: 'id', transform: 'bucket[4]', name: 'seen' }, /has the name of a column/],
    [
      { kind: 'add', column: 'id', name: 'seen' },
      /partition field seen \(identity of id\) has the name of a column/,
    ],
    [
      { kind: 'add', column: 'id', transform: 'bucket[4]', name: 'kind' },
      /two partition fields would be named kind/,
    ],
    [{ kind: 'remove', name: 'nope' }, /no partition field nope; there is kind/],
    [
      { kind: 'remove', column: 'id', transform: 'bucket[4]' },
      /not partitioned by bucket\[4\] of id; it has kind/,
    ],
    [{ kind: 'rename', name: 'kind', to: 'id' }, /has the name of a column/],
    [{ kind: 'rename', name: 'nope', to: 'x' }, /no partition field nope/],
  ])('refuses %j', (change, message) => {
    expect(() => planSpec(v2, [change])).toThrow(message)
  })

  test('requires what Java requires, and the schema that it was planned on', () => {
    expect(planSpec(v2, [{ kind: 'add', column: 'id' }]).requirements).toEqual([
      { type: 'assert-table-uuid', uuid: 'u' },
      { type: 'assert-last-assigned-partition-id', 'last-assigned-partition-id': 1000 },
      { type: 'assert-default-spec-id', 'default-spec-id': 0 },
      { type: 'assert-current-schema-id', 'current-schema-id': 0 },
    ])
  })
})
