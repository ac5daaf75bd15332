import { randomUUID } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { writeRows } from '../../engine/parquet/write-rows.js'
import type { Row } from '../../engine/engine.js'
import { LocalFileIO } from '../../iceberg/io/local.js'
import { decodeValue } from '../../iceberg/spec/single-value.js'
import { parseTableSchema } from '../../schemas/table-schema.js'
import { scan, target, withSession } from './support.js'

const schema = parseTableSchema({
  id: 'string!',
  n: 'long',
  i: 'int',
  x: 'double',
  f: 'float',
  ok: 'boolean',
  at: 'timestamptz!',
  day: 'date',
  t: 'time',
  u: 'uuid',
  b: 'binary',
  d: 'decimal(20, 4)',
  names: 'list<string>',
  ll: 'list<list<double>>',
  st: 'struct<a: int!, more: list<struct<k: string>>>',
  m: 'map<string, long>',
})

const rows: readonly Row[] = [
  {
    id: 'ä',
    n: 9_007_199_254_740_993n,
    i: -1,
    x: 0.1 + 0.2,
    f: 1.5,
    ok: true,
    at: 1_700_000_000_123_457n,
    day: -3,
    t: 1n,
    u: 'f79c3e09-677c-4bbd-a479-3f349cb785e7',
    b: Uint8Array.of(0, 255),
    d: '-12345.6789',
    names: ['a', null, ''],
    ll: [[1, null], [], null],
    st: { a: 1, more: [{ k: 'x' }, null] },
    m: [{ key: 'k', value: -5n }],
  },
  { id: '', at: -1n, ok: false, names: [], x: NaN },
]

function writeTo(written: readonly Row[], io = new LocalFileIO()) {
  const { spec, dataLocation } = target(schema, [])
  return writeRows({ io, schema, spec, partition: [], dataLocation, rows: written, newUuid: randomUUID })
}

describe('writeRows', () => {
  test('every type comes back as it went in, read by field id', async () => {
    const file = await writeTo(rows)
    const back = await withSession(async (session) => {
      await session.addRelation(scan('t', schema, [file]))
      return (await session.query('SELECT * FROM t')).rows
    })
    const [first, second] = back
    expect({ ...first, b: [...(first!['b'] as Uint8Array)] }).toEqual({ ...rows[0], b: [0, 255] })
    expect(second).toMatchObject({
      id: '',
      at: -1n,
      ok: false,
      names: [],
      n: null,
      ll: null,
      st: null,
      m: null,
      x: NaN,
    })
  })

  test('metrics: counts, exact 64-bit bounds, none where there is NaN', async () => {
    const file = await writeTo(rows)
    expect(file.recordCount).toBe(2)
    expect(decodeValue('long', file.lowerBounds!.get(2)!)).toBe(9_007_199_254_740_993n)
    expect(decodeValue('timestamptz', file.lowerBounds!.get(7)!)).toBe(-1n)
    expect(file.nullValueCounts!.get(2)).toBe(1)
    expect(file.nanValueCounts!.get(4)).toBe(1)
    expect(file.lowerBounds!.has(4)).toBe(false)
  })

  test('values that do not fit are data-invalid and name the column', async () => {
    const at = 0n
    await expect(writeTo([{ id: null, at }])).rejects.toThrow(/column 'id' is required/)
    await expect(writeTo([{ id: 'x', at, st: { more: null } }])).rejects.toThrow(/column 'st.a' is required/)
    await expect(writeTo([{ id: 'x', at, i: 2 ** 31 }])).rejects.toThrow(/column 'i': number 2147483648/)
    await expect(writeTo([{ id: 'x', at, n: 1.5 }])).rejects.toMatchObject({ kind: 'data-invalid' })
    await expect(writeTo([{ id: 'x', at, d: '1.23456' }])).rejects.toThrow(/column 'd'/)
    await expect(writeTo([{ id: 'x', at, names: 'no list' }])).rejects.toThrow(/column 'names'/)
  })
})
