import { expect } from 'vitest'
import type { Row } from '../../engine/engine.js'
import { updateSchema, updateSortOrder, updateSpec } from '../../iceberg/evolve/evolve-table.js'
import { compactTable } from '../../iceberg/maintain/compact.js'
import { expireSnapshots } from '../../iceberg/maintain/expire.js'
import { rewriteDeleteFiles } from '../../iceberg/maintain/rewrite-deletes.js'
import { rewriteManifests } from '../../iceberg/maintain/rewrite-manifests.js'
import type { Schema } from '../../iceberg/spec/type.js'
import { N, numberOf, type Kind } from './golden-kinds.js'
import { fieldOf, rowsOf, type GoldenTable, type Layout } from './golden-table.js'

/** What changes how rows are kept, and is to change none of them. */
export const UPKEEP_KINDS: readonly Kind[] = [
  {
    kind: 'schema evolution',
    layout: { ...schemaLayout(), properties: { 'write.delete.mode': 'merge-on-read' } },
    run: evolveSchema,
  },
  {
    kind: 'partition evolution',
    async run(golden) {
      await golden.table.append(rowsOf(0, 20))
      await updateSpec({
        ...golden.context,
        changes: [
          { kind: 'remove', name: 'at_day' },
          { kind: 'rename', name: 'id_bucket', to: 'odd name/=%' },
          { kind: 'add', column: 'amount', transform: 'truncate[10]' },
          { kind: 'add', column: 'ts', transform: 'hour', name: 'hour' },
        ],
      })
      await golden.table.append(rowsOf(20, 40))
      await golden.table.delete({ sql: `${N} % 4 = 1` }, { mode: 'merge-on-read' })
      await golden.check(rowsOf(0, 40).filter((row) => numberOf(row) % 4 !== 1))
      await updateSpec({ ...golden.context, changes: [{ kind: 'remove', name: 'kind' }] })
      await golden.table.upsert(rowsOf(10, 14, 1), { mode: 'copy-on-write' })
      const kept = golden.rows.filter((row) => numberOf(row) < 10 || numberOf(row) >= 14)
      await golden.check([...kept, ...rowsOf(10, 14, 1)])
      await keepsRows(golden, () => compact(golden, { rewriteAll: true }))
    },
  },
  {
    kind: 'compaction, bin-packed and sorted',
    layout: byKind(),
    async run(golden) {
      await fillUnevenly(golden)
      expect(await keepsRows(golden, () => compact(golden, {}))).toMatchObject({ conflict: false })
      await golden.table.append(rowsOf(100, 110))
      await golden.check([...golden.rows, ...rowsOf(100, 110)])
      await updateSortOrder({
        ...golden.context,
        fields: [{ column: 'n', direction: 'desc', nullOrder: 'nulls-first' }, { column: 'x' }],
      })
      await golden.table.append(rowsOf(110, 120))
      await golden.check([...golden.rows, ...rowsOf(110, 120)])
      const sorted = await keepsRows(golden, () => compact(golden, { sort: 'table', rewriteAll: true }))
      expect(sorted.removedFiles).toBeGreaterThan(5)
    },
  },
  {
    kind: 'position-delete rewrite',
    layout: byKind(),
    async run(golden) {
      await fillUnevenly(golden)
      const partitioned = await keepsRows(golden, () =>
        rewriteDeleteFiles({ ...golden.context, minInputFiles: 2, granularity: 'partition' }),
      )
      expect(partitioned).toMatchObject({ conflict: false })
      expect(partitioned.mergedFiles).toBeGreaterThan(partitioned.addedFiles)
    },
  },
  {
    kind: 'manifest rewrite',
    layout: { ...byKind(), properties: { 'commit.manifest-merge.enabled': 'false' } },
    async run(golden) {
      await fillUnevenly(golden)
      const done = await keepsRows(golden, () => rewriteManifests({ ...golden.context, always: true }))
      expect(done.addedManifests).toBeLessThan(done.rewrittenManifests)
      await golden.table.append(rowsOf(100, 103))
      await golden.check([...golden.rows, ...rowsOf(100, 103)])
    },
  },
  {
    kind: 'expire',
    layout: byKind(),
    async run(golden) {
      await fillUnevenly(golden)
      await golden.table.overwrite(rowsOf(200, 230), { tags: [{ name: 'whole' }] })
      await golden.table.delete({ sql: `${N} % 2 = 0` }, { mode: 'copy-on-write' })
      await golden.check(rowsOf(200, 230).filter((row) => numberOf(row) % 2 !== 0))
      const tagged = await golden.read('early')
      const nowMs = golden.deps.now() + 10 * 86_400_000
      const { catalog, identifier } = golden.context
      const done = await expireSnapshots({ catalog, identifier, nowMs })
      expect(done.removedSnapshots.length).toBeGreaterThan(3)
      expect(done.deletedFiles.length).toBeGreaterThan(5)
      await golden.check()
      expect(await golden.read('early')).toEqual(tagged)
    },
  },
]

/** Many small files, some with deletes of two snapshots upon them; the tag `early` is in the midst of it. */
export async function fillUnevenly(golden: GoldenTable, rowsOfTable = rowsOf): Promise<void> {
  const { table } = golden
  await table.append(rowsOfTable(0, 20))
  await table.append(rowsOfTable(20, 40))
  await table.delete({ sql: `${N} % 7 = 2` }, { mode: 'merge-on-read', tags: [{ name: 'early' }] })
  await table.upsert(rowsOfTable(12, 25, 1), { mode: 'merge-on-read' })
  await table.append(rowsOfTable(40, 50))
  await table.delete({ sql: `${N} % 11 = 1` }, { mode: 'merge-on-read' })
  const early = rowsOfTable(0, 40).filter((row) => numberOf(row) % 7 !== 2)
  const others = [...early.filter((row) => numberOf(row) < 12 || numberOf(row) >= 25), ...rowsOfTable(40, 50)]
  await golden.check([...others, ...rowsOfTable(12, 25, 1)].filter((row) => numberOf(row) % 11 !== 1))
}

/** All three read the same rows before and after. */
async function keepsRows<T>(golden: GoldenTable, act: () => Promise<T>): Promise<T> {
  await golden.checkHeadWithPeers()
  const result = await act()
  await golden.check()
  return result
}

export function compact(golden: GoldenTable, options: Partial<Parameters<typeof compactTable>[0]>) {
  return compactTable({ ...golden.context, minInputFiles: 2, ...options })
}

export function byKind(): Layout {
  return { partitionSpec: { 'spec-id': 0, fields: [fieldOf([2, 'kind', 'identity'], 0)] } }
}

function schemaLayout(): Layout {
  const optional = (id: number, name: string, type: Schema['fields'][number]['type']) => {
    return { id, name, required: false, type }
  }
  const pair = (id: number): Schema['fields'][number]['type'] => ({
    type: 'struct',
    fields: [optional(id, 'a', 'int'), optional(id + 1, 'b', 'string')],
  })
  const fields = [
    { id: 1, name: 'id', required: true, type: 'long' as const },
    optional(2, 'kind', 'string'),
    optional(3, 'n', 'int'),
    optional(4, 'f', 'float'),
    optional(5, 'd', 'decimal(9, 2)'),
    optional(6, 'st', pair(10)),
    optional(7, 'list', { type: 'list', 'element-id': 12, 'element-required': false, element: pair(13) }),
    {
      ...optional(8, 'map', 'int'),
      type: {
        type: 'map' as const,
        ...{ 'key-id': 15, key: 'string' as const, 'value-id': 16, 'value-required': false, value: pair(17) },
      },
    },
  ]
  return {
    schema: { type: 'struct', 'schema-id': 0, 'identifier-field-ids': [1], fields },
    partitionSpec: {
      'spec-id': 0,
      fields: [fieldOf([2, 'kind', 'identity'], 0), fieldOf([3, 'n_bucket', 'bucket[2]'], 1)],
    },
  }
}

const ids = (from: number, end: number): readonly number[] =>
  Array.from({ length: end - from }, (_, at) => from + at)

/** Rows are written before and after every change of columns, and deleted and updated over all of them. */
async function evolveSchema(golden: GoldenTable): Promise<void> {
  const pair = (id: number): Row => ({ a: id, b: `b${id}` })
  const first = ids(0, 10).map((id) => ({
    ...{ id: BigInt(id), kind: ['', null, 'a/b'][id % 3] ?? null, n: id % 4 === 3 ? null : -id, f: id / 4 },
    ...{ d: `${id}.25`, st: id === 2 ? null : pair(id), list: [pair(id), null] },
    map: [{ key: 'k', value: pair(id) }],
  }))
  await golden.table.append(first)
  await golden.check(first)
  await updateSchema({
    ...golden.context,
    changes: [
      ...(['n', 'st.a', 'list.element.a', 'map.value.a'] as const).map(
        (column) => ({ kind: 'promote', column, type: 'long' }) as const,
      ),
      { kind: 'promote', column: 'f', type: 'double' },
      { kind: 'promote', column: 'd', type: 'decimal(18, 2)' },
      { kind: 'rename', column: 'kind', to: 'sort of' },
      { kind: 'rename', column: 'st.b', to: 'z' },
      { kind: 'add', name: 'note', type: 'string' },
      { kind: 'move', column: 'note', to: 'first' },
      { kind: 'add', parent: 'st', name: 'c', type: 'date' },
      { kind: 'move', column: 'st.c', before: 'st.a' },
      { kind: 'add', parent: 'list.element', name: 'c', type: 'double' },
      { kind: 'drop', column: 'map.value.b' },
    ],
  })
  const wider = first.map(({ kind, st, list, map, ...row }) => ({
    ...{ note: null, id: row.id, 'sort of': kind, n: row.n, f: row.f, d: row.d },
    st: st === null ? null : { c: null, a: st['a'], z: st['b'] },
    list: list.map((one) => (one === null ? null : { a: one['a'], b: one['b'], c: null })),
    map: map.map(({ key, value }) => ({ key, value: { a: value['a'] } })),
  })) as readonly Row[]
  await golden.check(wider)
  const second: readonly Row[] = ids(10, 20).map((id) => ({
    ...{
      note: id % 2 === 0 ? '' : 'late',
      id: BigInt(id),
      'sort of': 'a/b',
      n: 2n ** 40n + BigInt(id),
      f: 0.1,
    },
    ...{
      d: '1234567890123456.75',
      st: { c: -id, a: 2n ** 50n, z: null },
      list: [{ a: 1n, b: null, c: 0.5 }],
    },
    map: [{ key: '', value: { a: 2n ** 61n } }],
  }))
  await golden.table.append(second)
  await golden.table.delete({ sql: 'id % 4 = 1' })
  await golden.check([...wider, ...second].filter((row) => Number(row['id']) % 4 !== 1))
  await updateSchema({
    ...golden.context,
    changes: [
      { kind: 'drop', column: 'note' },
      { kind: 'add', name: 'note', type: 'int' },
      { kind: 'move', column: 'sort of', after: 'd' },
    ],
  })
  const set = { note: 'CAST(id AS INTEGER) * 2', n: 'n + 1' }
  await golden.table.update({ where: { sql: 'id % 3 = 0' }, set, mode: 'merge-on-read' })
  await golden.check(
    golden.rows.map((row) => {
      const { id, n, f, d, st, list, map } = row as typeof row & { n: number | bigint | null }
      const is = Number(id) % 3 === 0
      const number = n === null ? null : is ? BigInt(n) + 1n : n
      const columns = { id, n: number, f, d, 'sort of': row['sort of'], st, list, map }
      return { ...columns, note: is ? Number(id) * 2 : null } as Row
    }),
  )
}
