import { describe, expect, test } from 'vitest'
import { measureOne } from '../../ml/evaluation/metrics.js'
import type { EstimatorDefinition, ModelTask } from '../../schemas/model-definitions.js'
import type { TrainingInputs } from '../../ml/models/estimator.js'
import { fitByPeers, type PeerFit } from '../../bench/ml/peer-models.js'
import { drawTable, fitTable, shuffledRows, TASKS } from '../ml/support/tables-of-numbers.js'
import { readPeers } from '../support/peers.js'

/**
 * Goal: estimators do what their names promise elsewhere. Method: the same tables and parameters go to XGBoost's `hist`
 * and to scikit-learn; where bins are the same, so are the trees, and what remains is XGBoost's 32-bit arithmetic.
 */
const { mlPython, missing } = readPeers()
const why = missing['ml'] === undefined ? '' : ` [${missing['ml']}]`
const GBDT = { kind: 'gbdt', trees: 60, maxDepth: 4, learningRate: 0.1 } as const
type Task = readonly [ModelTask, number]

/** Values as few and as round as 32 bits hold exactly: as many bins as values, for both. */
function binnedTable(seed: number, rows: number, classes: number): TrainingInputs {
  return drawTable(seed, { rows, classes, steps: 32 })
}

async function bothPredictions(
  fits: readonly (Omit<PeerFit, 'seed' | 'task' | 'classes'> & { readonly of: Task })[],
) {
  const peers = await fitByPeers(
    fits.map(({ of: [task, classes], ...fit }) => ({ ...fit, task, classes, seed: 1 })),
    mlPython!,
  )
  return Promise.all(
    fits.map(async ({ of, definition, train, test }, i) => {
      const fitted = await fitTable(definition, of, { train })
      return { ours: [...(await fitted.predict(test))], theirs: peers[i]!.predictions, test }
    }),
  )
}

function furthest(ours: readonly number[], theirs: readonly number[]): number {
  expect(ours).toHaveLength(theirs.length)
  return Math.max(...ours.map((value, i) => Math.abs(value - theirs[i]!)))
}

describe.skipIf(mlPython === null)(`trees beside XGBoost${why}`, () => {
  test.each(TASKS)(
    '%s: equal bins give equal predictions, with missing values and every parameter',
    async (...of) => {
      const [, classes] = of
      const train = binnedTable(1, 2000, classes)
      const test_ = drawTable(2, { rows: 500, classes, missing: 0.3, steps: 64 })
      const weights = Float64Array.from(shuffledRows(train.rows, 3), (n) => 0.5 + (n % 8) / 8)
      const definitions: EstimatorDefinition[] = [
        GBDT,
        { ...GBDT, l1: 0.5, l2: 3, minSplitGain: 0.3 },
        { ...GBDT, maxDepth: 7, minChildWeight: 7.3, learningRate: 0.3 },
      ]
      const fits = definitions.flatMap((definition) =>
        [train, { ...train, weights }].map((data) => ({ of, definition, train: data, test: test_ })),
      )
      for (const { ours, theirs } of await bothPredictions(fits)) {
        expect(furthest(ours, theirs)).toBeLessThan(classes === 1 ? 1e-4 : 1e-5)
      }
    },
  )

  test.each([
    ['where bins differ', { bins: 32 }, 1e6],
    [
      'with rows and columns drawn by each in its own way',
      { subsample: 0.8, columnSample: 0.8, l1: 0.1 },
      32,
    ],
  ])(
    '%s, the area under the curve is within 0.01 and the error within 2 %%',
    async (_, parameters, steps) => {
      const draw = (seed: number, rows: number) => ({ rows, seed, table: drawTable(seed, { rows, steps }) })
      const fits = [1, 2, 3, 4, 5].flatMap((seed) =>
        [1, 2].map((classes) => ({
          of: classes === 1 ? (['regression', 1] as const) : (['binary-classification', 2] as const),
          definition: { ...GBDT, trees: 150, ...parameters },
          train: additiveLabels(draw(seed, 1500), classes),
          test: additiveLabels(draw(seed + 100, 2000), classes),
        })),
      )
      const [gains, losses]: [number[], number[]] = [[], []]
      for (const [i, { ours, theirs, test }] of (await bothPredictions(fits)).entries()) {
        if (fits[i]!.of[1] === 1) losses.push(absoluteError(test.y, ours) / absoluteError(test.y, theirs) - 1)
        else gains.push(areaUnderRoc(test.y, ours) - areaUnderRoc(test.y, theirs))
      }
      expect([gains.length, losses.length]).toEqual([5, 5])
      expect(Math.abs(mean(gains))).toBeLessThan(0.01)
      expect(Math.abs(mean(losses))).toBeLessThan(0.02)
    },
  )
})

describe.skipIf(mlPython === null)(`other kinds beside scikit-learn${why}`, () => {
  test.each(TASKS)('linear models for %s are within 1e-6', async (...of) => {
    const [, classes] = of
    const train = drawTable(1, { rows: 400, classes, missing: 0 })
    const weights = Float64Array.from(shuffledRows(400, 3), (n) => 0.1 + n / 400)
    const fits = [0, 0.01, 1, 100].flatMap((l2) =>
      [train, { ...train, weights }].map((data) => ({
        of,
        definition: { kind: classes === 1 ? ('ridge' as const) : ('logistic' as const), l2 },
        train: data,
        test: drawTable(2, { rows: 100, classes, missing: 0 }),
      })),
    )
    for (const { ours, theirs } of await bothPredictions(fits)) {
      expect(furthest(ours, theirs)).toBeLessThan(1e-6)
    }
  })

  test('random forests err alike, within 5 % over seeds', async () => {
    const definition = { kind: 'random-forest' as const, trees: 50, minSamplesLeaf: 2 }
    const fits = Array.from({ length: 6 }, (_, seed) => ({
      of: ['regression', 1] as const,
      definition,
      train: drawTable(seed, { rows: 600, missing: 0 }),
      test: drawTable(seed + 100, { rows: 1500, missing: 0 }),
    }))
    const errors = (await bothPredictions(fits)).map(
      ({ ours, theirs, test: { y } }) => absoluteError(y, ours) / absoluteError(y, theirs) - 1,
    )
    expect(Math.abs(mean(errors))).toBeLessThan(0.05)
  })
})

function areaUnderRoc(labels: Float64Array, predictions: readonly number[]): number {
  const of = { labels, predictions: Float64Array.from(predictions), classes: 2 }
  return measureOne('binary-classification', 'roc_auc', of)!
}

/** Each column says something by itself, so that one fit is about as good as another: differences show early. */
function additiveLabels(
  { table, rows, seed }: { readonly table: TrainingInputs; readonly rows: number; readonly seed: number },
  classes: number,
): TrainingInputs {
  const noise = shuffledRows(rows, seed + 1)
  const y = noise.map((n, row) => {
    const own = [...table.x.subarray(row * 5, row * 5 + 5)]
    const sum = own.reduce(
      (total, value, i) => total + (value === value ? Math.sin((1 + i / 2) * value) : 0.3),
      0,
    )
    return sum + (2 * n) / rows - 1
  })
  return { ...table, y: Float64Array.from(y, (value) => (classes === 1 ? value : Number(value > 0.3))) }
}

function absoluteError(y: Float64Array, predictions: readonly number[]): number {
  return mean(predictions.map((value, i) => Math.abs(value - y[i]!)))
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length
}
