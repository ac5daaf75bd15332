import { afterAll, describe, expect, test } from 'vitest'
import type { Row } from '../../engine/engine.js'
import type { JoinInMemory, ViewInMemory } from './support/pit-session.js'
import { joinInMemory, testEngine } from './support/pit-session.js'

const engine = testEngine()
afterAll(() => engine.close())

/** ISO-8601 → µs. */
const at = (text: string): bigint => BigInt(Date.parse(text)) * 1000n
const [NOW, LATER, LATEST] = ['2026-01-01T10:00:00Z', '2026-01-02T10:00:00Z', '2026-01-03T10:00:00Z'].map(at)

/** A view of one number about drivers; rows are [driver, ts, created, value]. */
function drivers(
  rows: readonly (readonly [number | null, bigint, bigint | null, number | null])[],
  more: Partial<ViewInMemory> = {},
): ViewInMemory {
  return {
    joinKeys: ['driver_id'],
    columns: { driver_id: 'long', ts: 'timestamptz', created: 'timestamptz' },
    schema: { rate: 'double' },
    createdTimestampField: 'created',
    rows: rows.map(([driver, ts, created, rate]) => ({ driver_id: driver, ts, created, rate })),
    ...more,
  }
}

function askDrivers(...rows: readonly (readonly [number | null, bigint | null])[]): JoinInMemory['entities'] {
  return {
    columns: { driver_id: 'long', ts: 'timestamptz' },
    rows: rows.map(([driver, ts]) => ({ driver_id: driver, ts })),
  }
}

async function valuesOf(join: JoinInMemory, ...columns: readonly string[]): Promise<readonly unknown[]> {
  const rows = await joinInMemory(engine, join)
  return rows.map((row) => (columns.length === 1 ? row[columns[0]!] : columns.map((column) => row[column])))
}

describe('hard cases that Feast has met', () => {
  test('#6787: two orders of a customer in the same second are two rows, each with all its columns', async () => {
    const join: JoinInMemory = {
      entities: {
        columns: { order_id: 'string', driver_id: 'long', ts: 'timestamptz', label: 'int' },
        rows: [
          { order_id: 'a', driver_id: 1n, ts: NOW!, label: 1 },
          { order_id: 'b', driver_id: 1n, ts: NOW!, label: 0 },
          { order_id: 'c', driver_id: 2n, ts: NOW!, label: 1 },
        ],
      },
      views: { stats: drivers([[1, NOW!, NOW!, 5]]) },
    }
    expect(await valuesOf(join, 'order_id', 'label', 'rate')).toEqual([
      ['a', 1, 5],
      ['b', 0, 5],
      ['c', 1, null],
    ])
  })

  test('#5590: a user with two items keeps both rows, whichever view comes first', async () => {
    const view = (key: string, value: number): ViewInMemory => ({
      joinKeys: [key],
      ...{ columns: { [key]: 'int', ts: 'timestamptz' }, schema: { [`${key}_value`]: 'int' } },
      rows: [
        { [key]: 1, ts: NOW!, [`${key}_value`]: value },
        { [key]: 2, ts: NOW!, [`${key}_value`]: value + 1 },
      ],
    })
    const [users, items] = [view('userid', 10), view('itemid', 20)]
    const rows = [
      { userid: 1, itemid: 1, ts: LATER! },
      { userid: 1, itemid: 2, ts: LATER! },
    ]
    const entities = { columns: { userid: 'int', itemid: 'int', ts: 'timestamptz' }, rows }
    for (const views of [
      { users, items },
      { items, users },
    ]) {
      expect(await valuesOf({ entities, views }, 'userid', 'itemid', 'userid_value', 'itemid_value')).toEqual(
        [
          [1, 1, 10, 20],
          [1, 2, 10, 21],
        ],
      )
    }
  })

  test('#1693: duplicates of an entity row, and of feature rows, are as many rows out as in', async () => {
    const rows = Array.from({ length: 500 }, (): [number, bigint] => [1, LATER!])
    const twice = Array.from({ length: 20 }, (): [number, bigint, bigint, number] => [1, NOW!, NOW!, 7])
    const join = { entities: askDrivers(...rows), views: { one: drivers(twice), two: drivers(twice) } }
    expect(await valuesOf({ ...join, fullFeatureNames: true }, 'one__rate', 'two__rate')).toEqual(
      rows.map(() => [7, 7]),
    )
  })

  test('#6615: a backfill does not change what was known before it', async () => {
    const before: Parameters<typeof drivers>[0] = [[1, NOW!, NOW!, 1]]
    const after: Parameters<typeof drivers>[0] = [...before, [1, NOW!, LATEST!, 2]]
    const entities = askDrivers([1, LATER!])
    expect(await valuesOf({ entities, views: { stats: drivers(before) } }, 'rate')).toEqual([1])
    expect(await valuesOf({ entities, views: { stats: drivers(after) } }, 'rate')).toEqual([1])
    expect(await valuesOf({ entities, views: { stats: drivers(after) }, knownBy: false }, 'rate')).toEqual([
      2,
    ])
  })

  test('#3360: of five copies that differ in when they were created, the one created last wins', async () => {
    const copies = [3, 1, 4, 0, 2].map((i): [number, bigint, bigint, number] => [
      1,
      NOW!,
      NOW! + BigInt(i),
      i,
    ])
    const join = { entities: askDrivers([1, LATER!]), views: { stats: drivers(copies) } }
    expect(await valuesOf(join, 'rate')).toEqual([4])
    expect(await valuesOf({ ...join, knownBy: false }, 'rate')).toEqual([4])
  })

  test('#2960: each hour has its own price and temperature (5, 50 and 6, 67)', async () => {
    const [two, three] = [at('2015-10-21T02:00:00Z'), at('2015-10-21T03:00:00Z')]
    const view = (name: string, first: number, second: number): ViewInMemory => ({
      joinKeys: ['node'],
      ...{ columns: { node: 'string', ts: 'timestamptz' }, schema: { [name]: 'int' } },
      rows: [
        { node: 'foo', ts: three, [name]: second },
        { node: 'foo', ts: two, [name]: first },
      ],
    })
    const entities = {
      columns: { node: 'string', ts: 'timestamptz' },
      rows: [
        { node: 'foo', ts: two },
        { node: 'foo', ts: three },
      ],
    }
    const views = { prices: view('price', 5, 6), temperatures: view('temp_f', 50, 67) }
    expect(await valuesOf({ entities, views }, 'price', 'temp_f')).toEqual([
      [5, 50],
      [6, 67],
    ])
  })

  test.each(['timestamp', 'date', 'timestamptz'])(
    '#1466, #1475: times without a zone are in UTC (%s joins timestamptz), wherever the process runs',
    async (type) => {
      const day = at('2026-03-29T00:00:00Z')
      const time = type === 'date' ? Number(day / 86_400_000_000n) : day
      const rows: Row[] = [{ driver_id: 1n, ts: time, rate: 3 }]
      const columns = { driver_id: 'long', ts: type }
      const view: ViewInMemory = { joinKeys: ['driver_id'], columns, schema: { rate: 'double' }, rows }
      const entities = askDrivers([1, day - 1n], [1, day], [1, day + 3_600_000_000n])
      const zone = process.env['TZ']
      process.env['TZ'] = 'America/New_York'
      try {
        expect(await valuesOf({ entities, views: { stats: view } }, 'rate')).toEqual([null, 3, 3])
        expect(
          await valuesOf(
            { entities: { columns, rows: [{ driver_id: 1n, ts: time }] }, views: { stats: view } },
            'rate',
          ),
        ).toEqual([3])
      } finally {
        if (zone === undefined) delete process.env['TZ']
        else process.env['TZ'] = zone
      }
    },
  )

  test('#1756: a null key keeps the row, with nulls, and matches no null of a view', async () => {
    const views = { stats: drivers([[null, NOW!, NOW!, 9], [1, NOW!, NOW!, 1]]) } // prettier-ignore
    const entities = askDrivers([null, LATER!], [1, LATER!], [1, null])
    expect(await valuesOf({ entities, views }, 'driver_id', 'rate')).toEqual([
      [null, null],
      [1n, 1],
      [1n, null],
    ])
  })

  test('keys (1, 11) and (11, 1) are not one key, nor are texts that run together', async () => {
    const view = (type: string, keys: readonly Row[]): ViewInMemory => ({
      joinKeys: ['a', 'b'],
      ...{ columns: { a: type, b: type, ts: 'timestamptz' }, schema: { value: 'int' } },
      rows: keys.map((key, i) => ({ ...key, ts: NOW!, value: (i + 1) * 100 })),
    })
    const numbers = [
      { a: 1, b: 11 },
      { a: 11, b: 1 },
    ]
    const texts = [
      { a: 'x', b: 'xx' },
      { a: 'xx', b: 'x' },
    ]
    for (const [type, keys] of [
      ['int', numbers],
      ['string', texts],
    ] as const) {
      const entities = {
        columns: { a: type, b: type, ts: 'timestamptz' },
        rows: keys.map((key) => ({ ...key, ts: NOW! })),
      }
      expect(await valuesOf({ entities, views: { pairs: view(type, keys) } }, 'value')).toEqual([100, 200])
    }
  })

  test('filter by created: 0.4 was known, 0.6 came after', async () => {
    const [event, soon, late] = ['2025-01-01T10:00:00Z', '2025-01-01T12:00:00Z', '2025-01-03T00:00:00Z'].map(
      at,
    )
    const entities = askDrivers([1, at('2025-01-02T00:00:00Z')])
    const of = (rows: Parameters<typeof drivers>[0]): JoinInMemory => ({
      entities,
      views: { stats: drivers(rows, { ttl: '7d' }) },
    })
    const both = of([[1, event!, soon!, 0.4], [1, event!, late!, 0.6]]) // prettier-ignore
    expect(await valuesOf({ ...both, knownBy: false }, 'rate')).toEqual([0.6])
    expect(await valuesOf(both, 'rate')).toEqual([0.4])
    const withoutCreated = of([[1, event!, soon!, 0.4], [1, event!, null, 0.6]]) // prettier-ignore
    expect(await valuesOf(withoutCreated, 'rate')).toEqual([0.4])
    expect(await valuesOf({ ...withoutCreated, knownBy: false }, 'rate')).toEqual([0.4])
    const unknownYet = of([[1, event!, late!, 0.4], [1, soon!, late!, 0.6]]) // prettier-ignore
    expect(await valuesOf(unknownYet, 'driver_id', 'rate')).toEqual([[1n, null]])
  })

  test('entities do not borrow from each other', async () => {
    const views = { stats: drivers([[1, NOW!, NOW!, 0.4], [2, NOW!, LATEST!, 0.6]]) } // prettier-ignore
    expect(await valuesOf({ entities: askDrivers([1, LATER!], [2, LATER!]), views }, 'rate')).toEqual([
      0.4,
      null,
    ])
  })

  test('backfills: 20 and 40 by created alone, 10 and 30 as they were known', async () => {
    const rows: Parameters<typeof drivers>[0] = [
      [1001, NOW!, NOW!, 10],
      [1001, NOW!, LATEST!, 20],
      [1002, NOW!, NOW!, 30],
      [1002, LATER!, LATEST!, 40],
    ]
    const join = { entities: askDrivers([1001, LATER!], [1002, LATER!]), views: { stats: drivers(rows) } }
    expect(await valuesOf({ ...join, knownBy: false }, 'rate')).toEqual([20, 40])
    expect(await valuesOf(join, 'rate')).toEqual([10, 30])
    // A row of an earlier time that became known last hides no row of a later time.
    const late: Parameters<typeof drivers>[0] = [[1, LATER!, LATER!, 1], [1, NOW!, LATEST!, 2]] // prettier-ignore
    const asked = { entities: askDrivers([1, LATEST!]), views: { stats: drivers(late) } }
    expect(await valuesOf(asked, 'rate')).toEqual([1])
    expect(await valuesOf({ ...asked, knownBy: false }, 'rate')).toEqual([1])
  })

  test('without a ttl a row is valid for ever; with one, both ends belong to it', async () => {
    const entities = askDrivers([1, NOW!], [1, NOW! + 60_000_000n], [1, NOW! + 60_000_001n], [1, NOW! - 1n])
    const rows: Parameters<typeof drivers>[0] = [[1, NOW!, NOW!, 1]]
    const forEver = { entities: askDrivers([1, at('9999-12-31T00:00:00Z')]), views: { stats: drivers(rows) } }
    expect(await valuesOf(forEver, 'rate')).toEqual([1])
    const views = { stats: drivers(rows, { ttl: '1m' }) }
    expect(await valuesOf({ entities, views }, 'rate')).toEqual([1, 1, null, null])
    expect(await valuesOf({ entities, views, knownBy: false }, 'rate')).toEqual([1, 1, null, null])
  })

  test('a row is kept, with nulls, where every candidate lies in the future', async () => {
    const views = { stats: drivers([[1, LATEST!, NOW!, 1]]) }
    expect(await valuesOf({ entities: askDrivers([1, LATER!]), views }, 'driver_id', 'rate')).toEqual([
      [1n, null],
    ])
  })

  test('a null that won is a null: an older value does not show through', async () => {
    const views = { stats: drivers([[1, NOW!, NOW!, 1], [1, LATER!, LATER!, null]]) } // prettier-ignore
    expect(await valuesOf({ entities: askDrivers([1, LATEST!]), views }, 'rate')).toEqual([null])
  })
})

describe('the join', () => {
  test('orders no text: ties of all types are decided alike in any order of rows, at any number of threads', async () => {
    const schema = {
      ...{ number: 'float', exact: 'decimal(10, 2)', day: 'date', id: 'uuid', bytes: 'binary' },
      ...{ list: 'list<double>', nested: 'struct<a: double, b: string>', pairs: 'map<string, double>' },
    }
    const values: Row[] = [
      { number: 0, list: [0, null], nested: { a: 0, b: 'x' }, pairs: [{ key: 'a', value: 0 }] },
      { number: -0, list: [0, 1], nested: { a: NaN, b: 'x' }, pairs: [] },
      { number: 0, list: [-0, null], nested: { a: 0, b: 'x' }, pairs: [{ key: 'a', value: 0 }] },
      { number: 0, list: [0, null], nested: { a: -0, b: 'x' }, pairs: [{ key: 'a', value: 0 }] },
      { number: 0, list: [0, null], nested: { a: 0, b: 'x' }, pairs: [{ key: 'a', value: -0 }] },
      { number: null, list: null, nested: null, pairs: null },
    ].map((value) => ({
      ...{ id: '00000000-0000-0000-0000-000000000001', day: 3, exact: '1.50', bytes: new Uint8Array([1]) },
      ...{ key: 1, ts: NOW!, ...value },
    }))
    const winners = []
    for (let turn = 0; turn < values.length; turn++) {
      const rows = [...values.slice(turn), ...values.slice(0, turn)]
      const view: ViewInMemory = {
        joinKeys: ['key'],
        columns: { key: 'int', ts: 'timestamptz' },
        schema,
        rows,
      }
      const entities = { columns: { key: 'int', ts: 'timestamptz' }, rows: [{ key: 1, ts: NOW! }] }
      const threads = [1, 2, 8][turn % 3]!
      winners.push(...(await joinInMemory(engine, { entities, views: { view } }, { threads })))
    }
    for (const winner of winners) expect(winner).toEqual(winners[0])
    expect(winners[0]).toMatchObject({ number: 0, list: [0, null], nested: { a: 0 }, pairs: [{ value: 0 }] })
  })

  test('the winner does not depend on which of its features are asked for', async () => {
    const rows = [
      { key: 1, ts: NOW!, a: 1, b: 9 },
      { key: 1, ts: NOW!, a: 2, b: 1 },
    ]
    const view: ViewInMemory = {
      ...{
        joinKeys: ['key'],
        columns: { key: 'int', ts: 'timestamptz' },
        schema: { a: 'int', b: 'int' },
        rows,
      },
    }
    const entities = { columns: { key: 'int', ts: 'timestamptz' }, rows: [{ key: 1, ts: NOW! }] }
    expect(await valuesOf({ entities, views: { v: view } }, 'a', 'b')).toEqual([[2, 1]])
    expect(await valuesOf({ entities, views: { v: view }, features: ['v:b'] }, 'b')).toEqual([1])
  })

  test('columns may be called whatever the join calls its own', async () => {
    const names = ['row_no', 'key_no', 'us', 'rank', 'since', 'rowid', 'c0', 'number']
    const schema = Object.fromEntries(names.map((name) => [name, 'int']))
    const row = Object.fromEntries(names.map((name, i) => [name, i]))
    const view: ViewInMemory = {
      ...{ joinKeys: ['k0', 'key'], columns: { k0: 'int', key: 'int', at: 'timestamptz' }, schema },
      ...{ timestampField: 'at', rows: [{ k0: 1, key: 2, at: NOW!, ...row }] },
    }
    const entities = {
      columns: { key: 'int', k0: 'int', at: 'timestamptz', w: 'int', ...schema },
      rows: [{ key: 2, k0: 1, at: NOW!, w: 5, ...row }],
    }
    const join = { entities, timestampField: 'at', views: { v: view }, fullFeatureNames: true }
    const expected = Object.fromEntries(names.map((name, i) => [`v__${name}`, i]))
    expect(await joinInMemory(engine, join)).toEqual([{ ...entities.rows[0], ...expected }])
  })

  test('rows come out in the order they went in, beyond one row group and with eight threads', async () => {
    const count = 150_000
    const rows = Array.from({ length: count }, (_, i): [number, bigint] => [
      (i * 7919) % 1000,
      NOW! + BigInt(i % 3),
    ])
    const stats = Array.from({ length: 1000 }, (_, i): [number, bigint, bigint, number] => [
      i,
      NOW!,
      NOW! + 1n,
      i,
    ])
    const asked = rows.map(([driver, ts]) => ({ driver_id: driver, ts }))
    const join = { entities: { ...askDrivers(), rows: asked }, views: { stats: drivers(stats) } }
    const joined = await joinInMemory(engine, join, { threads: 8 })
    expect(joined.length).toBe(count)
    const wrong = joined.findIndex(
      (row, i) =>
        row['driver_id'] !== BigInt(rows[i]![0]) ||
        row['ts'] !== rows[i]![1] ||
        row['rate'] !== (rows[i]![1] === NOW! ? null : rows[i]![0]),
    )
    expect(wrong).toBe(-1)
  })

  test('a wrong relation is refused before anything is joined, with what would help', async () => {
    const entities = askDrivers([1, NOW!])
    const views = { stats: drivers([[1, NOW!, NOW!, 1]]) }
    const refused = async (join: JoinInMemory, message: RegExp): Promise<void> => {
      await expect(joinInMemory(engine, join)).rejects.toThrow(message)
      await expect(joinInMemory(engine, join)).rejects.toMatchObject({ kind: 'config' })
    }
    const texts = { columns: { driver_id: 'string', ts: 'timestamptz' }, rows: [] }
    await refused({ entities: texts, views }, /join key driver_id is VARCHAR in the entity rows, but BIGINT/)
    const taken = { columns: { ...entities.columns, Rate: 'int' }, rows: [] }
    await refused({ entities: taken, views }, /stats:rate would be the column rate, which entity rows have/)
    await refused({ entities, timestampField: 'when', views }, /no column when; there are driver_id, ts/)
    await refused({ entities, timestampField: 'driver_id', views }, /driver_id is BIGINT; a time is/)
    const keyless = { columns: { ts: 'timestamptz' }, rows: [] }
    await refused({ entities: keyless, views }, /entity rows: there is no column driver_id; there are ts/)
  })
})
