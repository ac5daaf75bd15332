import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { fitModel, type Fitter, type Settings } from '../../ml/evaluation/fit-model.js'
import { allRows, assembleModel, BLOCK_ROWS, type FittedModel } from '../../ml/evaluation/fitted-model.js'
import { restoreModel, storeModel, type StoredModel } from '../../ml/evaluation/stored-model.js'
import type { TrainingTable } from '../../ml/datasets/training-table.js'
import type { FittedEstimator } from '../../ml/models/estimator.js'
import { shuffled, seededRandom } from '../../ml/training/seeded-random.js'
import { TOY, toyEstimator } from './support/toy-estimator.js'
import { changed, randomTable, rowsOf } from './support/toy-table.js'

const REGRESSION: Settings = { task: 'regression', offset: 'size', baselineOnly: ['noise'] }
const toyOf = () => Promise.resolve(toyEstimator)

describe("a score is the row's own", () => {
  test('whatever rows are asked for, in whatever order and number, each has the same bits', async () => {
    const table = randomTable(700, 4)
    const model = await fitted(table, { task: 'binary-classification' })
    const whole = await model.predict(table)
    await fc.assert(
      fc.asyncProperty(fc.nat({ max: 700 }), fc.nat(), async (count, seed) => {
        const rows = Int32Array.from(shuffled(700, seededRandom(seed)).slice(0, count))
        expect(await model.predict(table, rows)).toEqual(Float64Array.from(rows, (row) => whole[row]!))
      }),
      { numRuns: 30 },
    )
  })

  test('the estimator is always asked for whole blocks, the last one filled up with its last row', async () => {
    const table = randomTable(600, 4)
    const { parts } = await fitted(table, { task: 'binary-classification' })
    const asked: { readonly rows: number; readonly last: readonly number[] }[] = []
    const estimator: FittedEstimator = {
      ...parts.estimator,
      predict: (inputs) => {
        asked.push({ rows: inputs.rows, last: [...inputs.x.subarray(-inputs.columns.length)] })
        expect(inputs.x).toHaveLength(inputs.rows * inputs.columns.length)
        return parts.estimator.predict(inputs)
      },
    }
    const model = assembleModel({ ...parts, estimator })
    expect(await model.predict(table)).toHaveLength(600)
    expect(asked.map(({ rows }) => rows)).toEqual([BLOCK_ROWS, BLOCK_ROWS, BLOCK_ROWS])
    expect(await model.predict(table, rowsOf(599))).toHaveLength(1)
    expect(asked[3]).toEqual(asked[2])
    expect(await model.predict(table, rowsOf())).toHaveLength(0)
    expect(asked).toHaveLength(4)
  })

  test('many classes: a row of probabilities each', async () => {
    const table = randomTable(300, 4, { task: 'multiclass' })
    const model = await fitted(table, { task: 'multiclass-classification' })
    const said = await model.predict(table, rowsOf(299, 0))
    const whole = await model.predict(table)
    expect([...said]).toEqual([...whole.subarray(897), ...whole.subarray(0, 3)])
    expect(said.subarray(0, 3).reduce((a, b) => a + b)).toBeCloseTo(1, 12)
  })
})

describe('offset', () => {
  const table = changed(randomTable(200, 5, { task: 'regression' }), 'size', (value) => value || 1)

  test('the model learns the rest, does not see the offset, and adds it', async () => {
    const model = await fitted(table, REGRESSION)
    expect(model.parts.preprocessing.inputs.map(({ name }) => name)).toEqual(['colour'])
    const higher = changed(table, 'size', (value) => (value as number) + 100)
    const [before, after] = [await model.predict(table), await model.predict(higher)]
    after.forEach((value, row) => expect(value).toBeCloseTo(before[row]! + 100, 9))
    const shifted = changed(higher, 'labels', (value) => (value as number) + 100)
    expect((await fitted(shifted, REGRESSION)).parts.preprocessing).toEqual(model.parts.preprocessing)
    expect((await (await fitted(shifted, REGRESSION)).predict(table))[0]).toBeCloseTo(before[0]!, 9)
  })

  test('a row without an offset is named', async () => {
    const model = await fitted(table, REGRESSION)
    const missing = changed(table, 'size', (value, row) => (row === 7 ? null : value))
    await expect(model.predict(missing)).rejects.toThrow(/offset size is missing in 1 of 200 rows.*is row 7/)
    expect(await model.predict(missing, rowsOf(6, 8))).toHaveLength(2)
  })
})

describe('a table with other columns is refused, and the message names them', () => {
  const table = randomTable(100, 6)

  test('order does not matter: columns are found by name', async () => {
    const model = await fitted(table, { task: 'binary-classification' })
    const turned: TrainingTable = { ...table, columns: table.columns.toReversed() }
    expect(await model.predict(turned)).toEqual(await model.predict(table))
  })

  test('missing, of another kind, and unknown', async () => {
    const model = await fitted(table, { task: 'binary-classification' })
    const [size, noise, colour] = table.columns as [never, never, never]
    const other = { kind: 'category', name: 'noise', values: Array.from({ length: 100 }, () => 'a') } as const
    const extra = { ...(size as object), name: 'weight' } as never
    await expect(model.predict({ ...table, columns: [size, other, extra] })).rejects.toMatchObject({
      kind: 'contract-broken',
      context: {
        differences: [
          'noise is a category column, was a number column in training',
          'colour (a category column) is missing',
          'weight was not there in training',
        ],
      },
    })
    await expect(model.predict({ ...table, columns: [size, noise, colour, size] })).rejects.toThrow(
      /occurs twice/,
    )
  })

  test('columns for baselines alone may be there or not', async () => {
    const model = await fitted(table, { task: 'binary-classification', baselineOnly: ['noise'] })
    const without = { ...table, columns: table.columns.filter(({ name }) => name !== 'noise') }
    expect(await model.predict(without)).toEqual(await model.predict(table))
  })
})

describe('stored and restored', () => {
  test('through JSON and bytes it says the same to the last bit, calibration and offset with it', async () => {
    const table = randomTable(300, 7)
    const plain = await fitted(table, { task: 'binary-classification' })
    const calibrated = assembleModel({
      ...plain.parts,
      calibration: { method: 'isotonic', scores: [0.2, 0.7], probabilities: [0.1, 1 / 3] },
    })
    const energies = changed(randomTable(300, 7, { task: 'regression' }), 'size', (value) => value || 1)
    for (const [model, on] of [
      [plain, table],
      [calibrated, table],
      [await fitted(energies, REGRESSION), energies],
    ] as const) {
      const stored = await storeModel(model)
      const read: StoredModel = { ...stored, header: JSON.parse(JSON.stringify(stored.header)) as never }
      const restored = await restoreModel(read, toyOf)
      expect(await restored.predict(on)).toEqual(await model.predict(on))
      expect(await storeModel(restored)).toEqual(stored)
    }
  })

  test('equal trainings are equal digests; the order of members in the JSON does not matter', async () => {
    const table = randomTable(100, 8)
    const once = await storeModel(await fitted(table, { task: 'binary-classification' }))
    const again = await storeModel(await fitted(table, { task: 'binary-classification' }))
    expect(again).toEqual(once)
    const turned = Object.fromEntries(
      Object.entries(once.header).reverse(),
    ) as unknown as StoredModel['header']
    await expect(restoreModel({ ...once, header: turned }, toyOf)).resolves.toBeDefined()
    const other = await storeModel(await fitted(table, { task: 'binary-classification' }, 2))
    expect(other.weightsDigest).not.toBe(once.weightsDigest)
  })

  test.each<[string, (stored: StoredModel) => StoredModel]>([
    [
      'a byte of the weights',
      (stored) => ({ ...stored, weights: stored.weights.with(3, 1 ^ stored.weights[3]!) }),
    ],
    ["the weights' length", (stored) => ({ ...stored, weights: stored.weights.subarray(8) })],
    ['the header', (stored) => ({ ...stored, header: { ...stored.header, task: 'regression' } })],
  ])('a change of %s is found', async (_what, change) => {
    const stored = await storeModel(await fitted(randomTable(100, 8), { task: 'binary-classification' }))
    await expect(restoreModel(change(stored), toyOf)).rejects.toMatchObject({
      kind: 'contract-broken',
      message: expect.stringContaining(stored.weightsDigest) as string,
    })
  })
})

async function fitted(table: TrainingTable, settings: Settings, seed = 1): Promise<FittedModel> {
  const fitter: Fitter = {
    ...{ table, settings, seed, definition: TOY },
    fit: toyEstimator.fit,
    onProgress: () => undefined,
  }
  return fitModel(fitter, { phase: 'model', training: allRows(table.rows) })
}
