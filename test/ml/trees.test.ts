import { describe, expect, test } from 'vitest'
import type { BoostedTreesDefinition } from '../../schemas/model-definitions.js'
import type { TrainingInputs } from '../../ml/models/estimator.js'
import { restoreTrees } from '../../ml/models/trees/store-trees.js'
import { estimatorOf } from '../../ml/models/find-estimator.js'
import { fitTable, tableOf, TASKS } from './support/tables-of-numbers.js'

const STUMP: BoostedTreesDefinition = {
  kind: 'gbdt',
  trees: 1,
  maxDepth: 1,
  learningRate: 1,
  minChildWeight: 0,
}
const STEPS = tableOf([[1], [2], [3], [4]], [0, 0, 1, 1])
const [REGRESSION, BINARY, MULTICLASS] = TASKS as [(typeof TASKS)[0], (typeof TASKS)[0], (typeof TASKS)[0]]

/** The one tree of a stump. */
async function treeOf(definition: BoostedTreesDefinition, task: (typeof TASKS)[0], train: TrainingInputs) {
  const fitted = await fitTable(definition, task, { train })
  const [tree] = restoreTrees(await fitted.store()).model.trees
  return { tree: tree!, predict: fitted.predict, importance: fitted.importance }
}

describe('a stump by the formulas of XGBoost', () => {
  test('squared error: leaf = Σ residual ÷ (rows + λ), gain = Σ over children − parent, cut at a value', async () => {
    const { tree, predict, importance } = await treeOf(STUMP, REGRESSION, STEPS)
    expect([...tree.feature]).toEqual([0, -1, -1])
    expect(tree.threshold[0]).toBe(3)
    expect([...tree.value]).toEqual([0, -1 / 3, 1 / 3])
    expect(tree.gain[0]).toBeCloseTo(1 / 3 + 1 / 3 - 0, 14)
    expect([...(await predict(tableOf([[2.999], [3]], [0, 0])))]).toEqual([0.5 - 1 / 3, 0.5 + 1 / 3])
    expect(importance).toEqual({ c0: 1 })
  })

  test('log loss: second derivatives p (1 − p) at the log-odds of the labels', async () => {
    const { tree, predict } = await treeOf(STUMP, BINARY, STEPS)
    expect(tree.value[1]).toBeCloseTo(-1 / (0.5 + 1), 14)
    expect((await predict(STEPS))[3]).toBeCloseTo(1 / (1 + Math.exp(-1 / 1.5)), 14)
    const skewed = await treeOf(
      { ...STUMP, minSplitGain: 100 },
      BINARY,
      tableOf([[1], [2], [3], [4]], [0, 0, 0, 1]),
    )
    expect((await skewed.predict(STEPS))[0]).toBeCloseTo(0.25, 14)
  })

  test('softmax: a tree a class, second derivatives 2 p (1 − p)', async () => {
    const train = tableOf([[1], [2], [3]], [0, 1, 2])
    const fitted = await fitTable({ ...STUMP, l2: 0 }, MULTICLASS, { train })
    const { model } = restoreTrees(await fitted.store())
    expect(model.trees).toHaveLength(3)
    // Class 0 alone against two others: (1 − 1/3) ÷ (2 · 1/3 · 2/3), and (−1/3 − 1/3) ÷ (2 · 2 · 1/3 · 2/3).
    expect(model.trees[0]!.value[1]).toBeCloseTo(1.5, 12)
    expect(model.trees[0]!.value[2]).toBeCloseTo(-0.75, 12)
    const shares = await fitted.predict(train)
    expect(shares[0]! + shares[1]! + shares[2]!).toBeCloseTo(1, 12)
  })

  test('l1 shrinks sums, l2 divides, learning rate scales', async () => {
    const { tree } = await treeOf({ ...STUMP, l1: 0.5, l2: 3, learningRate: 0.1 }, REGRESSION, STEPS)
    expect(tree.value[2]).toBeCloseTo((0.1 * (1 - 0.5)) / (2 + 3), 15)
  })

  test.each([
    ['minSplitGain above the gain', { minSplitGain: 0.7 }],
    ['minChildWeight above what a half holds', { minChildWeight: 2.5 }],
    ['l1 above every sum', { l1: 1 }],
  ])('%s: no split', async (_, parameters) => {
    const { tree, predict } = await treeOf({ ...STUMP, ...parameters }, REGRESSION, STEPS)
    expect(tree.feature).toHaveLength(1)
    expect([...(await predict(STEPS))]).toEqual([0.5, 0.5, 0.5, 0.5])
  })

  test('with instance weights sums are weighted', async () => {
    const train = { ...STEPS, weights: Float64Array.of(1, 1, 1, 3) }
    const { tree } = await treeOf(STUMP, REGRESSION, train)
    // Mean 4/6: left Σ = −2 · 4/6 over weight 2, right Σ = 4 · 2/6 over weight 4.
    expect(tree.value[1]).toBeCloseTo(-8 / 6 / 3, 12)
    expect(tree.value[2]).toBeCloseTo(8 / 6 / 5, 12)
  })
})

describe('missing values', () => {
  test('go where they gain most', async () => {
    const left = tableOf([[1], [2], [3], [4], [null]], [0, 0, 1, 1, 0])
    const { tree, predict } = await treeOf(STUMP, REGRESSION, left)
    expect([...tree.defaultLeft]).toEqual([1, 0, 0])
    const answers = await predict(left)
    expect(answers[4]).toBe(answers[0])
    const right = tableOf([[1], [2], [3], [4], [null]], [0, 0, 1, 1, 1])
    expect([...(await treeOf(STUMP, REGRESSION, right)).tree.defaultLeft]).toEqual([0, 0, 0])
  })

  test('can be told from all that is there', async () => {
    const train = tableOf([[1], [2], [null], [null]], [0, 0, 1, 1])
    const { tree, predict } = await treeOf(STUMP, REGRESSION, train)
    expect(tree.threshold[0]).toBe(Infinity)
    const answers = await predict(tableOf([[1e300], [null]], [0, 0]))
    expect([...answers]).toEqual([0.5 - 1 / 3, 0.5 + 1 / 3])
  })

  test('never seen in training: to the right, as XGBoost sends them', async () => {
    const { predict } = await treeOf(STUMP, REGRESSION, STEPS)
    expect((await predict(tableOf([[null]], [0])))[0]).toBe(0.5 + 1 / 3)
  })
})

describe('poor data', () => {
  test('a constant or empty column is never split on', async () => {
    const train = tableOf(
      [
        [7, null, 1],
        [7, null, 2],
        [7, null, 3],
        [7, null, 4],
      ],
      [0, 0, 1, 1],
    )
    const { importance } = await treeOf({ ...STUMP, maxDepth: 3 }, REGRESSION, train)
    expect(importance).toEqual({ c0: 0, c1: 0, c2: 1 })
  })

  test.each(TASKS.slice(1))('%s of one class only: near certain, finite', async (task, classes) => {
    const train = tableOf([[1], [2], [3]], [1, 1, 1])
    const definition = { ...STUMP, trees: 5, minChildWeight: 1 }
    const fitted = await fitTable(definition, [task, classes], { train })
    const answers = await fitted.predict(train)
    expect(answers.every((share) => Number.isFinite(share))).toBe(true)
    expect(answers[classes === 2 ? 0 : 1]).toBeGreaterThan(0.999)
  })

  test('one row, and equal labels', async () => {
    const one = await fitTable({ ...STUMP, trees: 3 }, REGRESSION, { train: tableOf([[1]], [42]) })
    expect((await one.predict(tableOf([[5]], [0])))[0]).toBe(42)
    const same = await treeOf(STUMP, REGRESSION, tableOf([[1], [2], [3]], [0.1, 0.1, 0.1]))
    expect(same.tree.feature).toHaveLength(1)
  })

  test.each([
    ['no rows', { train: tableOf([], []) }, {}, /no training rows/],
    ['a label that is missing', { train: tableOf([[1]], [NaN]) }, {}, /label of row 0 is NaN/],
    ['weights of 0', { train: { ...STEPS, weights: new Float64Array(4) } }, {}, /all weights are 0/],
    [
      'a share above 1',
      { train: STEPS },
      { subsample: 1.5 },
      /`subsample` is 1.5, but must be a number, above 0, of 1 or less/,
    ],
    [
      'a text from a search',
      { train: STEPS },
      { trees: 'many' },
      /`trees` is "many", but must be a whole number, of 1 or more/,
    ],
  ])('%s is refused with the reason', async (_, data, parameters, message) => {
    const definition = { ...STUMP, ...parameters } as BoostedTreesDefinition
    await expect(fitTable(definition, REGRESSION, data)).rejects.toThrow(message)
  })
})

describe('stored trees', () => {
  test('are refused where they would hang or mislead a scoring', async () => {
    const gbdt = await estimatorOf('gbdt')
    const stored = await (await fitTable(STUMP, REGRESSION, { train: STEPS })).store()
    await expect(gbdt.restore({ ...stored, weights: stored.weights.subarray(1) })).rejects.toThrow(
      /1 trees, 111 bytes, and there are 110 bytes/,
    )
    await expect(gbdt.restore({ ...stored, header: { ...stored.header, format: 'x' } })).rejects.toThrow(
      /header is not that of firn-trees-1/,
    )
    const circle = stored.weights.slice()
    // The first node's left child: behind 3 numbers of 8 bytes a node and 1 of 4.
    new DataView(circle.buffer).setInt32(3 * (8 * 3 + 4), 0, true)
    await expect(gbdt.restore({ ...stored, weights: circle })).rejects.toThrow(
      /node 0 of tree 0 splits column 0 of 1 into nodes 0 and 2 of 3/,
    )
  })
})
