import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { LoadedTable, TableCommit, TableIdentifier } from '../../iceberg/catalog/catalog.js'
import { MemoryCatalog } from '../../iceberg/catalog/memory.js'
import { IcebergError } from '../../iceberg/error.js'
import {
  evolveTable,
  updateLocation,
  updateProperties,
  updateSchema,
  updateSortOrder,
  updateSpec,
  updateStatistics,
  upgradeFormat,
} from '../../iceberg/evolve/evolve-table.js'
import type { SpecChange } from '../../iceberg/evolve/plan-spec.js'
import type { SchemaChange } from '../../iceberg/evolve/schema-change.js'
import { MemoryFileIO } from '../../iceberg/io/memory.js'
import { planScan } from '../../iceberg/scan/plan-scan.js'
import { eq } from '../../iceberg/expr/expression.js'
import { allFields, currentSchema } from '../../iceberg/spec/schema.js'
import { toSnapshotId } from '../../iceberg/spec/snapshot.js'
import { defaultSpec } from '../../iceberg/spec/specs.js'
import type { PrimitiveType } from '../../iceberg/spec/type.js'
import { commitTransaction } from '../../iceberg/write/transaction.js'
import { BY_KIND, KINDS_SCHEMA } from '../support/kinds-schema.js'

const T: TableIdentifier = { namespace: 'n', name: 't' }
let counter = 0
const newUuid = () => `00000000-0000-4000-8000-${(++counter).toString(16).padStart(12, '0')}`
const now = () => 1_800_000_000_000

/** Loses answers as told: before the commit happens, or after it. */
class LosingCatalog extends MemoryCatalog {
  lose: ('before' | 'after')[] = []
  /** Runs once, between the loading and the commit of somebody else. */
  meanwhile: (() => Promise<unknown>) | undefined
  attempts = 0

  override async commit(commits: readonly TableCommit[]): Promise<readonly LoadedTable[]> {
    const { meanwhile } = this
    this.meanwhile = undefined
    await meanwhile?.()
    this.attempts++
    const lost = this.lose.shift()
    if (lost === 'before') throw new IcebergError('commit-unknown', 'lost')
    const committed = await super.commit(commits)
    if (lost === 'after') throw new IcebergError('commit-unknown', 'lost')
    return committed
  }
}

async function table(properties: Readonly<Record<string, string>> = {}) {
  const catalog = new LosingCatalog({
    name: 'c',
    warehouse: 'memory://w',
    io: new MemoryFileIO(),
    now,
    newUuid,
  })
  await catalog.createNamespace('n')
  await catalog.createTable({ identifier: T, schema: KINDS_SCHEMA, partitionSpec: BY_KIND, properties })
  const options = { catalog, identifier: T, newUuid, retry: { minWaitMs: 0, sleep: () => Promise.resolve() } }
  return { catalog, options }
}

const column = (name: string): SchemaChange => ({ kind: 'add', name, type: 'int' })

describe('an evolution is committed', () => {
  test('each kind of it', async () => {
    const { options } = await table()
    await updateSchema({ ...options, changes: [column('n')] })
    await updateSpec({ ...options, changes: [{ kind: 'add', column: 'n', transform: 'truncate[10]' }] })
    await updateSortOrder({
      ...options,
      fields: [
        { column: 'seen', direction: 'desc' },
        { column: 'id', transform: 'bucket[8]' },
      ],
    })
    await updateProperties({ ...options, set: { a: '1', b: '2' } })
    await updateLocation({ ...options, location: 'memory://elsewhere/' })
    await upgradeFormat({ ...options, version: 2 })
    const { metadata } = await updateProperties({ ...options, set: { a: '3' }, remove: ['b', 'never'] })
    expect(currentSchema(metadata).fields.at(-1)).toMatchObject({ id: 8, name: 'n' })
    expect(defaultSpec(metadata).fields.map((f) => f.name)).toEqual(['kind', 'n_trunc_10'])
    expect(metadata['sort-orders'].at(-1)).toEqual({
      'order-id': 1,
      fields: [
        { 'source-id': 2, transform: 'identity', direction: 'desc', 'null-order': 'nulls-last' },
        { 'source-id': 1, transform: 'bucket[8]', direction: 'asc', 'null-order': 'nulls-first' },
      ],
    })
    expect(metadata['default-sort-order-id']).toBe(1)
    expect(metadata.properties).toEqual({ a: '3' })
    expect(metadata.location).toBe('memory://elsewhere')
    const unsorted = await updateSortOrder({ ...options, fields: [] })
    expect(unsorted.metadata['default-sort-order-id']).toBe(0)
  })

  test('statistics files of snapshots that are there', async () => {
    const { catalog, options } = await table()
    const id = toSnapshotId(2n ** 60n)
    const file = {
      content: 'data',
      filePath: 'memory://w/f',
      fileFormat: 'parquet',
      specId: 0,
      partition: [null],
      recordCount: 1,
      fileSizeInBytes: 1,
    } as const
    const change = { kind: 'append', files: [file] } as const
    await commitTransaction({ catalog, now, newUuid, changes: [{ identifier: T, snapshotId: id, change }] })
    const statistics = {
      'snapshot-id': id,
      'statistics-path': 'memory://w/s.puffin',
      'file-size-in-bytes': 10,
      'file-footer-size-in-bytes': 5,
      'blob-metadata': [],
    }
    expect((await updateStatistics({ ...options, set: [statistics] })).metadata.statistics).toEqual([
      statistics,
    ])
    expect((await updateStatistics({ ...options, remove: [id] })).metadata.statistics ?? []).toEqual([])
    const stray = { ...statistics, 'snapshot-id': toSnapshotId(7n) }
    await expect(updateStatistics({ ...options, set: [stray] })).rejects.toThrow(
      /snapshot 7, which is not there/,
    )
  })

  test('not at all where the table is as wished already', async () => {
    const { catalog, options } = await table({ a: '1' })
    await updateProperties({ ...options, set: { a: '1' }, remove: ['b'] })
    await updateSchema({ ...options, changes: [{ kind: 'make-optional', column: 'kind' }] })
    await updateSpec({ ...options, changes: [] })
    await updateSortOrder({ ...options, fields: [] })
    await upgradeFormat({ ...options, version: 2 })
    expect(catalog.attempts).toBe(0)
  })

  test('on what others made of the table meanwhile', async () => {
    const { catalog, options } = await table()
    catalog.meanwhile = () => updateSchema({ ...options, changes: [column('theirs')] })
    const { metadata } = await updateSchema({ ...options, changes: [column('ours')] })
    expect(
      currentSchema(metadata)
        .fields.slice(-2)
        .map((f) => [f.id, f.name]),
    ).toEqual([
      [8, 'theirs'],
      [9, 'ours'],
    ])
    catalog.meanwhile = () => updateSchema({ ...options, changes: [column('same')] })
    await expect(updateSchema({ ...options, changes: [column('same')] })).rejects.toMatchObject({
      kind: 'invalid-argument',
      message: expect.stringContaining('same exists already'),
    })
  })

  test('never so that a column goes while somebody partitions by it', async () => {
    const { catalog, options } = await table()
    catalog.meanwhile = () =>
      updateSpec({ ...options, changes: [{ kind: 'add', column: 'id', transform: 'bucket[4]' }] })
    await expect(updateSchema({ ...options, changes: [{ kind: 'drop', column: 'id' }] })).rejects.toThrow(
      /partitioned by bucket\[4\]/,
    )
    catalog.meanwhile = () => updateSchema({ ...options, changes: [{ kind: 'drop', column: 'seen' }] })
    await expect(
      updateSpec({ ...options, changes: [{ kind: 'add', column: 'seen', transform: 'day' }] }),
    ).rejects.toThrow(/no column 'seen'/)
  })

  test.each(['before', 'after'] as const)('once, where the answer was lost %s it happened', async (when) => {
    const { catalog, options } = await table({ old: '1' })
    const lose = () => (catalog.lose = [when])
    lose()
    await updateSchema({ ...options, changes: [column('n'), { kind: 'rename', column: 'kind', to: 'sort' }] })
    lose()
    await updateSpec({ ...options, changes: [{ kind: 'remove', name: 'kind' }] })
    lose()
    await updateSortOrder({ ...options, fields: [{ column: 'n' }] })
    lose()
    await updateProperties({ ...options, set: { a: '1' }, remove: ['old'] })
    lose()
    await updateLocation({ ...options, location: 'memory://x' })
    const { metadata } = await catalog.loadTable(T)
    expect(currentSchema(metadata).fields.map((f) => f.name)).toEqual([
      'id',
      'seen',
      'sort',
      'at',
      'tags',
      'n',
    ])
    expect([metadata['last-column-id'], metadata.schemas.length]).toEqual([8, 2])
    expect([defaultSpec(metadata).fields, metadata.properties, metadata.location]).toEqual([
      [],
      { a: '1' },
      'memory://x',
    ])
    expect(catalog.attempts).toBe(when === 'before' ? 10 : 5)
  })

  test('or it is said that nobody knows, where others changed the table after a lost answer', async () => {
    const { catalog, options } = await table()
    catalog.lose = ['after']
    const retry = {
      ...options.retry,
      sleep: () => updateSchema({ ...options, changes: [{ kind: 'rename', column: 'fresh', to: 'named' }] }),
    }
    const adding = updateSchema({
      ...options,
      retry,
      changes: [{ kind: 'rename', column: 'kind', to: 'fresh' }],
    })
    await expect(adding).rejects.toMatchObject({ kind: 'commit-unknown' })
  })

  test('unless it is refused: reserved, contradictory or backward', async () => {
    const { options } = await table()
    await expect(updateProperties({ ...options, set: { 'format-version': '2' } })).rejects.toThrow(
      /use upgradeFormat/,
    )
    await expect(updateProperties({ ...options, set: { a: '1' }, remove: ['a'] })).rejects.toThrow(
      /both set and removed/,
    )
    await expect(updateLocation({ ...options, location: '/' })).rejects.toMatchObject({
      kind: 'invalid-argument',
    })
    await expect(updateSortOrder({ ...options, fields: [{ column: 'tags' }] })).rejects.toThrow(
      /can't be sorted by 'tags'/,
    )
    await expect(
      updateSchema({ ...options, identifier: { namespace: 'n', name: 'x' }, changes: [] }),
    ).rejects.toMatchObject({ kind: 'not-found' })
    await expect(
      evolveTable(options, () => {
        throw new IcebergError('invalid-argument', 'no')
      }),
    ).rejects.toThrow('no')
  })
})

const TYPES: readonly PrimitiveType[] = ['int', 'long', 'float', 'string', 'decimal(9, 2)', 'date']
const name = fc.constantFrom('id', 'seen', 'kind', 'a', 'b', 'c', 'at.x', 'at.y')
const schemaChange: fc.Arbitrary<SchemaChange> = fc.oneof(
  fc.record({
    kind: fc.constant('add' as const),
    name: fc.constantFrom('a', 'b', 'c', 'kind'),
    type: fc.constantFrom(...TYPES),
  }),
  fc.record({
    kind: fc.constant('add' as const),
    parent: fc.constant('at'),
    name: fc.constantFrom('x', 'y'),
    type: fc.constantFrom(...TYPES),
  }),
  fc.record({ kind: fc.constant('drop' as const), column: name }),
  fc.record({ kind: fc.constant('rename' as const), column: name, to: fc.constantFrom('a', 'b', 'c') }),
  fc.record({ kind: fc.constant('move' as const), column: name, before: name }),
  fc.record({
    kind: fc.constant('promote' as const),
    column: name,
    type: fc.constantFrom<PrimitiveType>('long', 'double', 'decimal(18, 2)'),
  }),
)
const specChange: fc.Arbitrary<SpecChange> = fc.oneof(
  fc.record({
    kind: fc.constant('add' as const),
    column: name,
    transform: fc.constantFrom('identity' as const, 'bucket[4]' as const, 'truncate[2]' as const),
  }),
  fc.record({
    kind: fc.constant('remove' as const),
    name: fc.constantFrom('kind', 'a', 'id_bucket_4', 'a_trunc_2', 'b_bucket_4'),
  }),
)

test('however a table evolves, ids mean one thing for ever and every snapshot stays readable', async () => {
  let evolved = 0
  await fc.assert(
    fc.asyncProperty(
      fc.array(
        fc.oneof(
          schemaChange.map((change) => ({ change, of: 'schema' as const })),
          specChange.map((change) => ({ change, of: 'spec' as const })),
        ),
        { maxLength: 14 },
      ),
      async (steps) => {
        const { catalog, options } = await table()
        /** What a column id was when it was first given out: it stays in that family of types. */
        const born = new Map<number, string>()
        const dropped = new Set<number>()
        const transforms = new Map<number, string>()
        let before = new Set<number>()
        let files = 0
        for (const { change, of } of steps) {
          const tried =
            of === 'schema'
              ? updateSchema({ ...options, changes: [change] })
              : updateSpec({ ...options, changes: [change] })
          const loaded = await tried.catch((error: unknown) => {
            expect((error as IcebergError).kind).toBe('invalid-argument')
            return undefined
          })
          if (loaded === undefined) continue
          evolved++
          const { metadata } = loaded
          const fields = allFields(currentSchema(metadata))
          const ids = new Set(fields.map((f) => f.id))
          expect(ids.size).toBe(fields.length)
          expect(Math.max(...ids)).toBeLessThanOrEqual(metadata['last-column-id'])
          for (const id of ids) expect(dropped.has(id)).toBe(false)
          for (const id of before) if (!ids.has(id)) dropped.add(id)
          before = ids
          for (const f of fields) {
            const family =
              typeof f.type === 'string'
                ? ({ int: 'long', float: 'double' }[f.type as string] ?? f.type.replace(/\(.*/, ''))
                : f.type.type
            expect(born.get(f.id) ?? family).toBe(family)
            born.set(f.id, family)
          }
          for (const spec of metadata['partition-specs']) {
            for (const f of spec.fields) {
              const meaning = `${f.transform}(${f['source-id']})`
              expect(transforms.get(f['field-id']) ?? meaning).toBe(meaning)
              transforms.set(f['field-id'], meaning)
            }
          }
          const spec = defaultSpec(metadata)
          await commitTransaction({
            catalog,
            now,
            newUuid,
            changes: [
              {
                identifier: T,
                snapshotId: toSnapshotId(2n ** 60n + BigInt(++counter)),
                change: {
                  kind: 'append',
                  files: [
                    {
                      content: 'data',
                      filePath: `memory://w/f${++files}`,
                      fileFormat: 'parquet',
                      specId: spec['spec-id'],
                      partition: spec.fields.map(() => null),
                      recordCount: 1,
                      fileSizeInBytes: 1,
                    },
                  ],
                },
              },
            ],
          })
        }
        const { metadata } = await catalog.loadTable(T)
        for (const [at, snapshot] of metadata.snapshots.entries()) {
          const target = { kind: 'snapshot', snapshotId: snapshot['snapshot-id'] } as const
          const plan = await planScan({ metadata, io: catalog.io, target })
          expect(plan.tasks).toHaveLength(at + 1)
          const first = plan.schema.fields.find((f) => f.type === 'long')
          if (first !== undefined)
            await planScan({ metadata, io: catalog.io, target, filter: eq(first.name, 1n) })
        }
      },
    ),
    { numRuns: 120 },
  )
  expect(evolved).toBeGreaterThan(100)
})
