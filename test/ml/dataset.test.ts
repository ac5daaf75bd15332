import { createHash } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { decodeDataset, encodeDataset, type Dataset } from '../../ml/datasets/dataset.js'
import { fitPreprocessing, toInputs } from '../../ml/training/preprocess.js'
import { baselinesOf } from '../../ml/training/baselines.js'
import { seededRandom, shuffled } from '../../ml/training/seeded-random.js'

const rows: Dataset['rows'] = [
  { entity: 'b', group: 'g1', label: 1, numeric: [2, null], categorical: ['x'] },
  { entity: 'a', group: 'g2', label: 0, numeric: [4, 0.1], categorical: [null] },
  { entity: 'c', group: 'g1', label: 0, numeric: [null, 5], categorical: ['y'] },
]
const dataset: Dataset = { numeric: ['n1', 'n2'], categorical: ['c1'], rows }

describe('a data set', () => {
  test('has one digest, whatever the order in which its rows came', () => {
    const { digest } = encodeDataset(dataset)
    expect(encodeDataset({ ...dataset, rows: [...rows].reverse() }).digest).toBe(digest)
    const text =
      '{"format":1,"numeric":["n1","n2"],"categorical":["c1"],"rows":[["a","g2",0,[4,0.1],[null]],' +
      '["b","g1",1,[2,null],["x"]],["c","g1",0,[null,5],["y"]]]}'
    expect(digest).toBe(createHash('sha256').update(text).digest('hex'))
  })

  test('has another digest when any value, type or column name differs', () => {
    const variants: Dataset[] = [
      { ...dataset, numeric: ['n1', 'n3'] },
      { ...dataset, rows: rows.slice(1) },
      { ...dataset, rows: rows.map((row) => ({ ...row, group: 'g' })) },
      { ...dataset, rows: rows.map((row) => ({ ...row, numeric: [0, row.numeric[1] ?? null] })) },
      { ...dataset, rows: rows.map((row) => ({ ...row, categorical: [row.categorical[0] ?? 'null'] })) },
    ]
    const digests = [dataset, ...variants].map((variant) => encodeDataset(variant).digest)
    expect(new Set(digests).size).toBe(digests.length)
  })

  test('comes back as it was, ordered by entity, and is refused when the file was changed', () => {
    const { bytes, digest } = encodeDataset(dataset)
    expect(decodeDataset(bytes, digest)).toEqual({ ...dataset, rows: [rows[1], rows[0], rows[2]] })
    const other = encodeDataset({ ...dataset, rows: rows.slice(1) })
    expect(() => decodeDataset(other.bytes, digest)).toThrow(/the file was changed/)
  })
})

describe('preprocessing', () => {
  test('fills nulls with the training median, scales, bounds, and knows only the categories of training', () => {
    const fitted = fitPreprocessing(dataset, rows)
    // n1: 2, 4 and the median 3 → mean 3, deviation √(2/3); n2: 0.1, 5, median 2.55.
    expect(fitted.numeric[0]).toEqual({ name: 'n1', median: 3, mean: 3, deviation: Math.sqrt(2 / 3) })
    expect(fitted.categorical).toEqual([{ name: 'c1', categories: ['x', 'y'] }])
    const unseen = { entity: 'z', group: 'g9', numeric: [1e9, null], categorical: ['w'] }
    const inputs = toInputs(fitted, [rows[0]!, unseen])
    expect([...inputs.slice(0, 4)]).toEqual([
      expect.closeTo(-Math.sqrt(3 / 2), 5),
      expect.closeTo(0, 5),
      1,
      0,
    ])
    expect([...inputs.slice(4)]).toEqual([5, expect.closeTo(0, 5), 0, 0])
  })

  test('a column that never varies becomes zero, not not-a-number', () => {
    const flat = rows.map((row) => ({ ...row, numeric: [7, null] }))
    expect([...toInputs(fitPreprocessing(dataset, flat), flat)].every(Number.isFinite)).toBe(true)
  })
})

describe('baselines', () => {
  test('know the training rows only: overall share, and rate by category drawn towards it', () => {
    const [share, byCategory] = baselinesOf(dataset).map(({ fit }) => fit(rows))
    expect(share!(rows[0]!)).toBeCloseTo(1 / 3)
    expect(byCategory!(rows[0]!)).toBeCloseTo((1 + 1 / 3) / 2)
    expect(byCategory!({ ...rows[0]!, categorical: ['unseen'] })).toBeCloseTo(1 / 3)
  })
})

describe('seeded shuffling', () => {
  test('gives a permutation that follows from the seed', () => {
    const order = shuffled(100, seededRandom(7))
    expect(order).toEqual(shuffled(100, seededRandom(7)))
    expect(order).not.toEqual(shuffled(100, seededRandom(8)))
    expect(order.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 100 }, (_, i) => i))
  })
})
