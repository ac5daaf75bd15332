import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { estimatorOf } from '../../ml/models/find-estimator.js'
import type { TrainingInputs } from '../../ml/models/estimator.js'
import type { EstimatorDefinition } from '../../schemas/model-definitions.js'
import {
  bytesOf,
  drawTable,
  fitTable,
  predictOneByOne,
  shuffledRows,
  tableOf,
  takeRows,
  TASKS,
} from './support/tables-of-numbers.js'

const LOGISTIC: EstimatorDefinition = { kind: 'logistic' }
const RIDGE: EstimatorDefinition = { kind: 'ridge' }
const BINARY = ['binary-classification', 2] as const
const seeds = fc.integer({ min: 0, max: 2 ** 31 })

describe('ridge', () => {
  test('one column by hand: slope = Σ dx·dy ÷ (Σ dx² + λ), through the means', async () => {
    const train = tableOf([[1], [2], [3], [6]], [2, 1, 4, 9])
    const fitted = await fitTable({ kind: 'ridge', l2: 2 }, ['regression', 1], { train })
    const slope = 22 / (14 + 2)
    const answers = await fitted.predict(tableOf([[0], [3], [10]], [0, 0, 0]))
    expect(answers[0]).toBeCloseTo(4 - 3 * slope, 13)
    expect(answers[1]).toBeCloseTo(4, 13)
    expect(answers[2]).toBeCloseTo(4 + 7 * slope, 13)
    expect(fitted.curve).toHaveLength(1)
  })

  test('columns that depend on each other need a penalty, and the error says so', async () => {
    const train = tableOf(
      [
        [1, 2],
        [2, 4],
        [3, 6],
      ],
      [1, 2, 4],
    )
    await expect(fitTable({ kind: 'ridge', l2: 0 }, ['regression', 1], { train })).rejects.toThrow(
      /depend on each other linearly and `l2` is 0.*Set `l2` above 0/,
    )
    const fitted = await fitTable({ kind: 'ridge', l2: 1 }, ['regression', 1], { train })
    expect((await fitted.predict(train)).every(Number.isFinite)).toBe(true)
  })

  test('classes are refused', async () => {
    await expect(fitTable(RIDGE, BINARY, { train: tableOf([[1]], [1]) })).rejects.toThrow(/kind `logistic`/)
  })
})

describe('logistic regression', () => {
  test('ends where the derivatives are 0: residuals against every column equal the penalty, against 1 nothing', () =>
    fc.assert(
      fc.asyncProperty(seeds, fc.constantFrom(0.01, 1, 30), async (seed, l2) => {
        const train = {
          ...drawTable(seed, { rows: 60, classes: 2, missing: 0 }),
          weights: weightsOf(60, seed),
        }
        const fitted = await fitTable({ ...LOGISTIC, l2 }, BINARY, { train })
        const { weights } = await fitted.store()
        const coefficients = new Float64Array(weights.buffer.slice(weights.byteOffset))
        const shares = await fitted.predict(train)
        for (let i = 0; i <= 5; i += 1) {
          let sum = 0
          for (let row = 0; row < 60; row += 1) {
            const value = i < 5 ? train.x[row * 5 + i]! : 1
            sum += train.weights[row]! * (shares[row]! - train.y[row]!) * value
          }
          expect(sum + (i < 5 ? l2 * coefficients[i]! : 0)).toBeCloseTo(0, 8)
        }
      }),
      // This one ended early where only the loss was asked, whose rounding hides the last steps.
      { numRuns: 20, examples: [[406069769, 30]] },
    ))

  test('each step lowers the penalised loss; few are needed', async () => {
    const train = drawTable(1, { rows: 200, classes: 3, missing: 0 })
    const fitted = await fitTable({ ...LOGISTIC, l2: 1e-6 }, ['multiclass-classification', 3], { train })
    const losses = fitted.curve.map(({ loss }) => loss)
    expect(losses.length).toBeLessThan(25)
    losses.forEach((loss, i) => {
      expect(loss).toBeLessThan(i === 0 ? Math.log(3) : losses[i - 1]! + 1e-9)
    })
  })

  test.each([0, 1])(
    'one class only or classes that a line parts (l2 %d): finite and on the right side',
    async (l2) => {
      const one = await fitTable({ ...LOGISTIC, l2 }, BINARY, { train: tableOf([[1], [2]], [1, 1]) })
      expect((await one.predict(tableOf([[1.5]], [0])))[0]).toBeGreaterThan(0.9)
      const parted = tableOf([[1], [2], [3], [4]], [0, 0, 1, 1])
      const fitted = await fitTable({ ...LOGISTIC, l2 }, BINARY, { train: parted })
      const answers = await fitted.predict(parted)
      expect([...answers].map((share) => Number(share > 0.5))).toEqual([0, 0, 1, 1])
    },
  )

  test('a missing value is refused by row and column', async () => {
    const train = tableOf(
      [
        [1, 2],
        [3, null],
      ],
      [0, 1],
    )
    await expect(fitTable(LOGISTIC, BINARY, { train })).rejects.toThrow(
      /row 1 has no value in "c1"; add the step `impute`/,
    )
  })
})

describe.each([...TASKS])('linear model for %s', (task, classes) => {
  const definition = classes === 1 ? RIDGE : LOGISTIC

  test('a row is predicted by itself: alone, among others, after storing; equal inputs give equal bytes', () =>
    fc.assert(
      fc.asyncProperty(seeds, async (seed) => {
        const train = drawTable(seed, { rows: 40, classes, missing: 0 })
        const fitted = await fitTable(definition, [task, classes], { train })
        const together = [...(await fitted.predict(train))]
        expect(await predictOneByOne(fitted.predict, train)).toEqual(together)
        const restored = await (await estimatorOf(definition.kind)).restore(await fitted.store())
        expect([...(await restored.predict(train))]).toEqual(together)
        const again = await fitTable(definition, [task, classes], { train, seed: 99 })
        expect(bytesOf(await again.store())).toBe(bytesOf(await restored.store()))
      }),
      { numRuns: 5 },
    ))

  test('a weight of n counts as n rows', () =>
    fc.assert(
      fc.asyncProperty(seeds, async (seed) => {
        const table = drawTable(seed, { rows: 40, classes, missing: 0 })
        const weights = Float64Array.from(shuffledRows(40, seed), (n) => n % 4)
        const repeated = [...weights].flatMap((weight, row) => Array<number>(weight).fill(row))
        const weighted = await fitTable(definition, [task, classes], { train: { ...table, weights } })
        const rows = await fitTable(definition, [task, classes], { train: takeRows(table, repeated) })
        const [a, b] = [await weighted.predict(table), await rows.predict(table)]
        a.forEach((value, i) => {
          expect(value).toBeCloseTo(b[i]!, 6)
        })
      }),
      { numRuns: 5 },
    ))

  test('bytes of another length are refused', async () => {
    const train: TrainingInputs = drawTable(1, { rows: 20, classes, missing: 0 })
    const stored = await (await fitTable(definition, [task, classes], { train })).store()
    const estimator = await estimatorOf(definition.kind)
    await expect(estimator.restore({ ...stored, weights: stored.weights.subarray(8) })).rejects.toThrow(
      /stored linear model cannot be read: the header tells of \d+ numbers of 8 bytes/,
    )
  })
})

function weightsOf(rows: number, seed: number): Float64Array {
  return Float64Array.from(shuffledRows(rows, seed), (n) => 0.5 + n / rows)
}
