import { describe, expect, test } from 'vitest'
import {
  and,
  eq,
  gtEq,
  isIn,
  isNull,
  lt,
  not,
  startsWith,
  type Expression,
} from '../../iceberg/expr/expression.js'
import { rowEvaluator } from '../../iceberg/expr/evaluate.js'
import type { Row } from '../../engine/engine.js'
import {
  createTable,
  LAYOUTS,
  MODES,
  ODD,
  range,
  read,
  rowOf,
  rowsOf,
  SCHEMA,
  sorted,
  type Layout,
  type TestTable,
} from './table-support.js'

/** Rows 0 to 39, in two appends; an evolved table is repartitioned between them. */
async function filled(layout: Layout): Promise<TestTable> {
  const table = await createTable(layout)
  await table.append(rowsOf(range(0, 20)))
  if (layout === 'evolved') await table.evolve()
  await table.append(rowsOf(range(20, 40)))
  return table
}

const CASES = LAYOUTS.flatMap((layout) => MODES.map((mode) => ({ layout, mode })))

describe.each(CASES)('$layout, $mode', ({ layout, mode }) => {
  test('append and read', async () => {
    const table = await filled(layout)
    expect(await read(table)).toEqual(rowsOf(range(0, 40)))
  })

  const conditions: readonly (readonly [string, Expression])[] = [
    ['of a range', and(gtEq('id', 5n), lt('id', 12n))],
    ['of a partition', eq('kind', 'a/b')],
    ['of NaN and null', isNull('x')],
    ['NaN', { kind: 'is-nan', column: 'x', negated: false }],
    ['greater than, NaN too', gtEq('x', 5)],
    ['not in, null stays', not(isIn('kind', ['', 'ö']))],
    ['prefix', startsWith(ODD, 'o1')],
    ['before 1970', lt('at', 0n)],
    ['none', eq('id', 1000n)],
    ['all', { kind: 'true' }],
  ]
  test.each(conditions)('delete %s', async (_, condition) => {
    const table = await filled(layout)
    const result = await table.delete(condition, { mode })
    const matches = rowEvaluator(SCHEMA, condition)
    const left = rowsOf(range(0, 40)).filter((row) => matches(row) !== true)
    expect(await read(table)).toEqual(left)
    expect(result.deletedRows).toBe(40 - left.length)
    if (mode === 'copy-on-write') expect(result.deleteFiles).toEqual([])
    else expect(result.addedFiles).toEqual([])
  })

  test('delete by SQL, twice over', async () => {
    const table = await filled(layout)
    await table.delete({ sql: 'id % 3 = 0' }, { mode })
    const result = await table.delete({ sql: 'target.id % 2 = 0 OR x > 1e9' }, { mode })
    const left = range(0, 40).filter((id) => id % 3 !== 0 && id % 2 !== 0 && id % 7 !== 0)
    expect(await read(table)).toEqual(rowsOf(left))
    expect(result.deletedRows).toBe(range(0, 40).filter((id) => id % 3 !== 0).length - left.length)
    expect((await table.delete({ sql: 'id % 3 = 0' }, { mode })).snapshotId).toBe(result.snapshotId)
  })

  test('update moves rows between partitions', async () => {
    const table = await filled(layout)
    const result = await table.update({
      where: { sql: 'id < 10' },
      set: { kind: `'moved'`, x: 'x + 1', [ODD]: 'NULL' },
      mode,
    })
    expect(result.updatedRows).toBe(10)
    const moved = rowsOf(range(0, 10)).map((row): Row => ({
      ...row,
      kind: 'moved',
      x: row['x'] === null ? null : Number(row['x']) + 1,
      [ODD]: null,
    }))
    expect(await read(table)).toEqual([...moved, ...rowsOf(range(10, 40))])
    await table.delete(eq('kind', 'moved'), { mode })
    expect(await read(table)).toEqual(rowsOf(range(10, 40)))
  })

  test('upsert replaces, adds, leaves equal rows alone, and is idempotent', async () => {
    const table = await filled(layout)
    const source = [...rowsOf(range(10, 20)), ...rowsOf(range(20, 30), 1), ...rowsOf(range(40, 45))].map(
      (row): Row => (Number(row['id']) === 22 ? { ...row, kind: 'elsewhere' } : row),
    )
    const result = await table.upsert(source, { mode })
    const changed = range(20, 30).filter(
      (id) => JSON.stringify(rowOf(id, 1), text) !== JSON.stringify(rowOf(id), text),
    ).length
    expect([result.addedRows, result.updatedRows]).toEqual([5, changed])
    expect(await read(table)).toEqual(sorted([...rowsOf(range(0, 10)), ...rowsOf(range(30, 40)), ...source]))
    const again = await table.upsert(source, { mode })
    expect(again.snapshotId).toBe(result.snapshotId)
    expect([again.addedRows, again.updatedRows]).toEqual([0, 0])
  })

  test('upsert can leave what is there, or add nothing', async () => {
    const table = await filled(layout)
    await table.upsert(rowsOf(range(38, 42), 1), { mode, whenMatched: 'ignore' })
    expect(await read(table)).toEqual([...rowsOf(range(0, 40)), ...rowsOf(range(40, 42), 1)])
    await table.upsert(rowsOf(range(41, 50), 2), { mode, whenNotMatched: 'ignore' })
    expect(await read(table)).toEqual([...rowsOf(range(0, 40)), rowOf(40, 1), rowOf(41, 2)])
  })

  test('merge updates, deletes, inserts and treats rows without a source', async () => {
    const table = await filled(layout)
    const result = await table.merge({
      source: { sql: `SELECT i AS id, i % 2 = 0 AS gone, 'v' || i AS v FROM range(35, 45) r(i)` },
      on: 'target.id = source.id',
      whenMatched: [
        { when: 'source.gone', delete: true },
        { when: 'target.id < 39', update: { [ODD]: 'source.v' } },
      ],
      whenNotMatched: [{ when: 'NOT source.gone', insert: { id: 'source.id', [ODD]: 'source.v' } }],
      whenNotMatchedBySource: [
        { when: 'target.id < 3', delete: true },
        { when: 'id = 3', update: { kind: `'left'` } },
      ],
      mode,
    })
    expect([result.addedRows, result.updatedRows, result.deletedRows]).toEqual([2, 3, 5])
    const others = range(4, 35).map((id) => rowOf(id))
    const inserted = [41, 43].map((id) => ({
      id: BigInt(id),
      kind: null,
      at: null,
      x: null,
      [ODD]: `v${id}`,
    }))
    expect(await read(table)).toEqual([
      { ...rowOf(3), kind: 'left' },
      ...others,
      ...[35, 37].map((id) => ({ ...rowOf(id), [ODD]: `v${id}` })),
      rowOf(39),
      ...inserted,
    ])
  })

  test('overwrite by filter swaps rows in one snapshot', async () => {
    const table = await filled(layout)
    const result = await table.overwrite(rowsOf(range(100, 105)), { where: gtEq('id', 30n), mode })
    expect([result.addedRows, result.deletedRows]).toEqual([5, 10])
    expect(await read(table)).toEqual([...rowsOf(range(0, 30)), ...rowsOf(range(100, 105))])
    await table.overwrite({
      sql: `SELECT id, kind, "at", x, "Odd ""name"", it's" FROM old WHERE id > 101`,
      relations: [await table.relation('old')],
    })
    expect(await read(table)).toEqual(rowsOf(range(102, 105)))
  })
})

function text(_: string, value: unknown): unknown {
  return typeof value === 'bigint' || typeof value === 'number' ? String(value) : value
}
