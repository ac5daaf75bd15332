import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { makeData, RecordBatch, Schema, Struct } from 'apache-arrow'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { RowValue } from '../../engine/engine.js'
import { arrowColumn, arrowField } from '../../engine/parquet/arrow-columns.js'
import type { Type } from '../../iceberg/spec/type.js'
import type { DatasetColumn } from '../../ml/datasets/dataset-columns.js'
import { createDatasetDigest } from '../../ml/datasets/dataset-digest.js'

const list = (element: Type): Type => ({ type: 'list', 'element-id': 0, 'element-required': false, element })
const COLUMNS: readonly DatasetColumn[] = [
  { name: 'flag', type: 'boolean' },
  { name: 'whole', type: 'int' },
  { name: 'large', type: 'long' },
  { name: 'short', type: 'float' },
  { name: 'wide', type: 'double' },
  { name: 'day', type: 'date' },
  { name: 'at', type: 'timestamptz' },
  { name: 'text', type: 'string' },
  { name: 'bytes', type: 'binary' },
  { name: 'exact', type: 'decimal(20, 2)' },
  { name: 'list', type: list('double') },
  { name: 'lists', type: list(list('string')) },
]
type Row = readonly RowValue[]

function batchOf(columns: readonly DatasetColumn[], rows: readonly Row[]): RecordBatch {
  const fields = columns.map(({ name, type }, index) => arrowField(name, index, false, type))
  const children = columns.map(({ type }, index) =>
    arrowColumn(
      type,
      rows.map((row) => row[index]),
    ),
  )
  return new RecordBatch(
    new Schema(fields),
    makeData({ type: new Struct(fields), length: rows.length, nullCount: 0, children }),
  )
}

function digestOf(columns: readonly DatasetColumn[], ...batches: readonly (readonly Row[])[]) {
  const digest = createDatasetDigest(columns)
  for (const rows of batches) digest.add(batchOf(columns, rows))
  return digest.finish()
}

/** As docs/datasets.md defines it, by nothing but BigInt and Buffer. */
function oracle(columns: readonly DatasetColumn[], rows: readonly Row[]) {
  const name = (type: Type): string =>
    typeof type === 'string' ? type : type.type === 'list' ? `list<${name(type.element)}>` : '?'
  const header = JSON.stringify(columns.map((column) => [column.name, name(column.type)]))
  const hashes = rows.map((row) =>
    createHash('sha256')
      .update(Buffer.concat(columns.map(({ type }, index) => valueBytes(type, row[index] ?? null))))
      .digest(),
  )
  let sum = 0n
  for (const hash of hashes) sum += BigInt(`0x${Buffer.from(hash).reverse().toString('hex')}`)
  const total = Buffer.from((sum % (1n << 256n)).toString(16).padStart(64, '0'), 'hex').reverse()
  const sha = (...parts: (string | Buffer)[]) =>
    parts.reduce((hash, part) => hash.update(part), createHash('sha256')).digest('hex')
  return {
    digest: sha(`firn-dataset-1\nmultiset\n${header}\n${rows.length}\n`, total),
    orderedDigest: sha(`firn-dataset-1\nordered\n${header}\n`, ...hashes),
    rows: rows.length,
  }
}

const TAGS: Readonly<Record<string, [tag: number, size: number]>> = {
  boolean: [1, 1],
  int: [2, 4],
  date: [3, 4],
  long: [4, 8],
  timestamptz: [7, 8],
  float: [10, 4],
  double: [11, 8],
  string: [12, 0],
  binary: [13, 0],
  decimal: [16, 16],
  list: [17, 0],
}

function valueBytes(type: Type, value: RowValue): Buffer {
  if (value === null) return Buffer.from([0])
  const name = typeof type === 'string' ? type.replace(/\(.*/, '') : type.type
  const [tag, size] = TAGS[name] ?? [0, 0]
  const length = (count: number) =>
    Buffer.from([tag, count & 255, (count >> 8) & 255, (count >> 16) & 255, count >>> 24])
  if (typeof type !== 'string' && type.type === 'list') {
    const items = value as readonly RowValue[]
    return Buffer.concat([length(items.length), ...items.map((item) => valueBytes(type.element, item))])
  }
  if (name === 'string' || name === 'binary') {
    const bytes = Buffer.from(value as string)
    return Buffer.concat([length(bytes.length), bytes])
  }
  const bytes = Buffer.alloc(1 + size, 0)
  bytes[0] = tag
  if (name === 'float') bytes.writeFloatLE(value as number, 1)
  else if (name === 'double') bytes.writeDoubleLE(value as number, 1)
  else {
    const whole = name === 'decimal' ? BigInt((value as string).replace('.', '')) : BigInt(value as number)
    let rest = BigInt.asUintN(size * 8, whole)
    for (let index = 1; index <= size; index++, rest >>= 8n) bytes[index] = Number(rest & 255n)
  }
  return bytes
}

const nullable = <T>(values: fc.Arbitrary<T>) => fc.option(values, { freq: 4 })
const double = fc.double().map((value) => (Number.isNaN(value) ? NaN : value))
const rowOf = fc.tuple(
  nullable(fc.boolean()),
  nullable(fc.integer()),
  nullable(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })),
  nullable(fc.float()),
  nullable(double),
  nullable(fc.integer({ min: -1e6, max: 1e6 })),
  nullable(fc.bigInt({ min: -(2n ** 50n), max: 2n ** 50n })),
  nullable(fc.string({ unit: 'grapheme' })),
  nullable(fc.uint8Array({ maxLength: 9 })),
  nullable(fc.bigInt({ min: -(10n ** 20n) + 1n, max: 10n ** 20n - 1n }).map(twoPlaces)),
  nullable(fc.array(nullable(double), { maxLength: 4 })),
  nullable(
    fc.array(nullable(fc.array(nullable(fc.string({ maxLength: 3 })), { maxLength: 2 })), { maxLength: 3 }),
  ),
) as fc.Arbitrary<Row>
const manyRows = fc.array(rowOf, { maxLength: 12 })

function twoPlaces(unscaled: bigint): string {
  const digits = (unscaled < 0n ? -unscaled : unscaled).toString().padStart(3, '0')
  return `${unscaled < 0n ? '-' : ''}${digits.slice(0, -2)}.${digits.slice(-2)}`
}

describe('digests', () => {
  test('are those of a plain loop, however rows are cut into batches', () => {
    fc.assert(
      fc.property(manyRows, manyRows, (some, more) => {
        const expected = oracle(COLUMNS, [...some, ...more])
        expect(digestOf(COLUMNS, [...some, ...more])).toEqual(expected)
        expect(digestOf(COLUMNS, some, [], more)).toEqual(expected)
      }),
      { numRuns: 60 },
    )
  })

  test("of the rows as a set don't depend on their order, of the rows in order do (set_doesnt_depend_on_order)", () => {
    const values = fc.uniqueArray(fc.integer(), { minLength: 2, maxLength: 9 })
    fc.assert(
      fc.property(values, (numbers) => {
        const rows = numbers.map((value) => [value])
        const columns: readonly DatasetColumn[] = [{ name: 'n', type: 'int' }]
        const [forth, back] = [digestOf(columns, rows), digestOf(columns, [...rows].reverse())]
        expect(back.digest).toBe(forth.digest)
        expect(back.orderedDigest).not.toBe(forth.orderedDigest)
      }),
      { numRuns: 30 },
    )
  })

  test('change with any bit of any value', () => {
    const columns: readonly DatasetColumn[] = [
      { name: 'x', type: 'double' },
      { name: 't', type: 'string' },
    ]
    const bits = new BigInt64Array(1)
    const number = new Float64Array(bits.buffer)
    fc.assert(
      fc.property(fc.double({ noNaN: true }), fc.string({ minLength: 1 }), fc.nat(63), (value, text, bit) => {
        const before = digestOf(columns, [[value, text]])
        number[0] = value
        bits[0] = (bits[0] ?? 0n) ^ (1n << BigInt(bit))
        if (!Number.isNaN(number[0]))
          expect(digestOf(columns, [[number[0], text]]).digest).not.toBe(before.digest)
        const at = bit % text.length
        const other = text.slice(0, at) + (text[at] === 'x' ? 'y' : 'x') + text.slice(at + 1)
        expect(digestOf(columns, [[value, other]]).digest).not.toBe(before.digest)
      }),
      { numRuns: 60 },
    )
  })

  test('see all rows, also those behind the first 10,000, and all types (mlflow #11560, #22275)', () => {
    const columns: readonly DatasetColumn[] = [
      { name: 'n', type: 'int' },
      { name: 'l', type: list('double') },
    ]
    const rows = Array.from({ length: 10_500 }, (_, i): Row => [i, [i]])
    const before = digestOf(columns, rows)
    const late = digestOf(columns, rows.with(10_400, [10_400, [10_400.5]]))
    expect(late.digest).not.toBe(before.digest)
    expect(late.orderedDigest).not.toBe(before.orderedDigest)
  })

  test('count duplicates', () => {
    const columns: readonly DatasetColumn[] = [{ name: 'n', type: 'int' }]
    const numbers: (readonly Row[])[] = [
      [],
      [[1]],
      [[1], [1]],
      [[1], [1], [1]],
      [[2], [2]],
      [[1], [1], [2], [2]],
    ]
    const digests = numbers.map((rows) => digestOf(columns, rows).digest)
    expect(new Set(digests).size).toBe(numbers.length)
  })

  test.each([
    ['int and long', 'int', 'long', 5],
    ['long and timestamp', 'long', 'timestamp', 5n],
    ['timestamp and timestamptz', 'timestamp', 'timestamptz', 5n],
    ['float and double', 'float', 'double', 0.5],
    ['string and binary', 'string', 'binary', null],
    ['decimals of another scale', 'decimal(9, 2)', 'decimal(9, 3)', null],
  ] as const)('tell %s apart', (_, one, two, value) => {
    const digest = (type: Type) => digestOf([{ name: 'x', type }], [[value]]).digest
    expect(digest(one)).not.toBe(digest(two))
  })

  test('tell apart what looks alike', () => {
    const columns: readonly DatasetColumn[] = [
      { name: 'a', type: 'string' },
      { name: 'b', type: 'string' },
    ]
    const pairs: Row[] = [
      ['', null],
      [null, ''],
      ['', ''],
      [null, null],
      ['1', '11'],
      ['11', '1'],
      ['a\u0000', 'b'],
      ['a', '\u0000b'],
    ]
    expect(new Set(pairs.map((row) => digestOf(columns, [row]).digest)).size).toBe(pairs.length)
    const lists: Row[] = [[[]], [null], [[null]], [[0]], [[-0]], [[0, 0]], [[NaN]]]
    const wide: readonly DatasetColumn[] = [{ name: 'l', type: list('double') }]
    expect(new Set(lists.map((row) => digestOf(wide, [row]).digest)).size).toBe(lists.length)
    expect(digestOf([{ name: 'c', type: 'string' }], [['x']]).digest).not.toBe(
      digestOf([{ name: 'd', type: 'string' }], [['x']]).digest,
    )
  })

  test('know one NaN', () => {
    const nan = new Float64Array(new BigInt64Array([0x7ff8000000000001n]).buffer)[0] as number
    const columns: readonly DatasetColumn[] = [{ name: 'x', type: 'double' }]
    const batch = batchOf(columns, [[1]])
    new BigInt64Array((batch.data.children[0]?.values as Float64Array).buffer)[0] = 0x7ff8000000000001n
    const digest = createDatasetDigest(columns)
    digest.add(batch)
    expect(digest.finish()).toEqual(digestOf(columns, [[nan]]))
  })

  test('are of the columns named, whatever else a batch has, and of the rows kept', () => {
    const rows = Array.from({ length: 20 }, (_, i): Row => [i, `t${i}`, i / 4])
    const columns: readonly DatasetColumn[] = [
      { name: 'n', type: 'int' },
      { name: 't', type: 'string' },
      { name: 'x', type: 'double' },
    ]
    const two = [columns[2], columns[0]] as DatasetColumn[]
    const digest = createDatasetDigest(two)
    digest.add(batchOf(columns, rows), (row) => row % 3 === 0)
    const kept = rows.filter((_, i) => i % 3 === 0).map(([n, , x]): Row => [x ?? null, n ?? null])
    expect(digest.finish()).toEqual(oracle(two, kept))
  })

  test('refuse a batch of other columns or types', () => {
    const digest = createDatasetDigest([{ name: 'x', type: 'double' }])
    const other = (name: string, type: Type) => () => digest.add(batchOf([{ name, type }], [[null]]))
    expect(other('y', 'double')).toThrow('there is no column "x", but y')
    expect(other('x', 'float')).toThrow('column "x" should hold double, but there is Arrow\'s Float32')
  })

  test('of rows that are sliced are those of the rows', () => {
    const rows = Array.from({ length: 30 }, (_, i): Row => [
      i % 3 === 0 ? null : i % 2 === 0,
      i,
      BigInt(i),
      i / 2,
      i / 4,
      i,
      BigInt(i),
      `t${i}`,
      null,
      '1.25',
      [i],
      [['a', null]],
    ])
    const digest = createDatasetDigest(COLUMNS)
    const batch = batchOf(COLUMNS, rows)
    for (const [from, end] of [
      [0, 7],
      [7, 8],
      [8, 30],
    ] as const)
      digest.add(batch.slice(from, end))
    expect(digest.finish()).toEqual(oracle(COLUMNS, rows))
  })
})

test('docs/datasets.md has a vector that holds', () => {
  const page = readFileSync(join(import.meta.dirname, '../../docs/datasets.md'), 'utf8')
  const columns: readonly DatasetColumn[] = [
    { name: 'entity', type: 'string' },
    { name: 'event_timestamp', type: 'timestamptz' },
    { name: 'label', type: 'double' },
    { name: 'f:image', type: list('float') },
  ]
  const rows: Row[] = [
    ['["u1"]', 1_767_225_600_000_000n, 1, [0.5, -0]],
    ['["u2"]', 1_767_225_600_000_000n, null, []],
  ]
  const found = digestOf(columns, rows)
  expect(found).toEqual(oracle(columns, rows))
  for (const [column, type] of columns.entries())
    expect(page).toContain(valueBytes(type.type, rows[0]?.[column] ?? null).toString('hex'))
  expect(page).toContain(found.digest)
  expect(page).toContain(found.orderedDigest)
})
