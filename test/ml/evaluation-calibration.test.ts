import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { calibrate, fitCalibration } from '../../ml/evaluation/calibration.js'

const of = (...values: number[]): Float64Array => Float64Array.from(values)
const near = (value: number): number => expect.closeTo(value, 14) as number

const LABELS = of(1, 0, 1, 1, 0, 0, 1, 0, 1, 0)
const SCORES = of(0.9, 0.8, 0.7, 0.7, 0.7, 0.4, 0.35, 0.35, 0.2, 0.1)

const rows = fc
  .array(fc.tuple(fc.boolean(), fc.integer({ min: 0, max: 12 })), { minLength: 2, maxLength: 30 })
  .filter((pairs) => pairs.some(([label]) => label) && pairs.some(([label]) => !label))

describe('isotonic', () => {
  test('IsotonicRegression(out_of_bounds="clip") of scikit-learn 1.9 gives the same points and values', () => {
    const fitted = fitCalibration('isotonic', LABELS, SCORES)
    expect(fitted).toEqual({
      method: 'isotonic',
      scores: [0.1, 0.2, 0.8, 0.9],
      probabilities: [0, 0.5, 0.5, 1],
    })
    const said = [...calibrate(fitted, of(0, 0.15, 0.3, 0.5, 0.75, 0.85, 1))]
    expect(said).toEqual([0, 0.25, 0.5, 0.5, 0.5, 0.75, 1].map(near))
  })

  test('no rising function is nearer to the labels in least squares, and none of equal scores differ', () => {
    fc.assert(
      fc.property(rows, (pairs) => {
        const labels = of(...pairs.map(([label]) => Number(label)))
        const scores = of(...pairs.map(([, score]) => score / 12))
        const said = calibrate(fitCalibration('isotonic', labels, scores), scores)
        const best = minMaxOracle(labels, scores)
        said.forEach((value, row) => expect(value).toBeCloseTo(best[row]!, 12))
      }),
    )
  })
})

describe('Platt', () => {
  test('the slope and intercept of scikit-learn 1.9 _SigmoidCalibration on ln(s / (1 − s)), solved by BFGS to 1e-12', () => {
    const fitted = fitCalibration('platt', LABELS, SCORES)
    // Minimised in Python over the same smoothed targets: scipy.optimize.minimize(…, method='BFGS', gtol=1e-12).
    expect(fitted).toEqual({
      method: 'platt',
      slope: expect.closeTo(0.25332822807713057, 7),
      intercept: expect.closeTo(-0.023178097718602284, 7),
    })
  })

  test('scores that separate the classes have a finite answer, by the smoothed targets', () => {
    const fitted = fitCalibration('platt', of(0, 0, 1, 1), of(0, 0, 1, 1))
    const said = calibrate(fitted, of(0, 1))
    expect(said[0]).toBeCloseTo(0.25, 9)
    expect(said[1]).toBeCloseTo(0.75, 9)
  })

  test('scores the wrong way round become one constant rather than the reverse', () => {
    const fitted = fitCalibration('platt', of(0, 0, 0, 1), of(0.9, 0.8, 0.7, 0.1))
    expect(fitted).toMatchObject({ slope: 0 })
    const [low, high] = calibrate(fitted, of(0.1, 0.9))
    expect(low).toBe(high)
  })
})

test.each(['platt', 'isotonic'] as const)(
  '%s never puts a lower score above a higher one, nor leaves [0, 1]',
  (method) => {
    fc.assert(
      fc.property(
        rows,
        fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: 2 }),
        (pairs, asked) => {
          const labels = of(...pairs.map(([label]) => Number(label)))
          const scores = of(...pairs.map(([, score]) => score / 12))
          const fitted = fitCalibration(method, labels, scores)
          const said = calibrate(JSON.parse(JSON.stringify(fitted)) as typeof fitted, of(...asked).sort())
          expect(said).toEqual(said.toSorted())
          expect(said[0]).toBeGreaterThanOrEqual(0)
          expect(said.at(-1)).toBeLessThanOrEqual(1)
        },
      ),
    )
  },
)

test('rows of one class alone cannot calibrate, and the message counts them', () => {
  expect(() => fitCalibration('platt', of(0, 0, 0), of(0.1, 0.2, 0.3))).toThrow(/of 3 rows 0 are positive/)
})

/** The least-squares rising fit in closed form: at x the largest over a ≤ x of the least mean from a to b ≥ x. */
function minMaxOracle(labels: Float64Array, scores: Float64Array): number[] {
  const mean = (from: number, to: number): number => {
    const own = labels.filter((_, row) => scores[row]! >= from && scores[row]! <= to)
    return own.reduce((a, b) => a + b, 0) / own.length
  }
  const found = [...new Set(scores)]
  return [...scores].map((at) => {
    const above = found.filter((score) => score >= at)
    const below = found.filter((score) => score <= at)
    return Math.max(...below.map((from) => Math.min(...above.map((to) => mean(from, to)))))
  })
}
