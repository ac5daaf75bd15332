import { describe, expect, test } from 'vitest'
import { areaUnderRoc, f1Score, logLoss, meanMetrics, measure } from '../../ml/training/metrics.js'

describe('metrics, by hand', () => {
  test('the area under the ROC curve counts a tie as half a win', () => {
    // Pairs (positive, negative): 0.9 beats 0.4 and 0.1; 0.4 ties with 0.4 and beats 0.1; 3.5 of 4.
    expect(areaUnderRoc([1, 1, 0, 0], [0.9, 0.4, 0.4, 0.1])).toBe(3.5 / 4)
    expect(areaUnderRoc([0, 1], [0.5, 0.5])).toBe(0.5)
    expect(areaUnderRoc([0, 0, 1], [0.2, 0.3, 0.1])).toBe(0)
  })

  test('the area is undefined where one class is missing', () => {
    expect(areaUnderRoc([1, 1], [0.2, 0.8])).toBeUndefined()
    expect(measure([0, 0], [0.1, 0.2])).toEqual({
      logLoss: expect.closeTo(-(Math.log(0.9) + Math.log(0.8)) / 2),
    })
  })

  test('F1 weighs hits against mistakes at a threshold of one half', () => {
    // 2 hits, 1 false alarm, 1 miss: 4 / (4 + 2).
    expect(f1Score([1, 1, 1, 0, 0], [0.9, 0.5, 0.4, 0.6, 0.1])).toBeCloseTo(4 / 6)
    expect(f1Score([0, 0], [0.1, 0.2])).toBeUndefined()
    expect(f1Score([1, 0], [0.1, 0.2])).toBe(0)
  })

  test('log loss is the mean surprise, and finite for a sure mistake', () => {
    expect(logLoss([1, 0], [0.8, 0.4])).toBeCloseTo(-(Math.log(0.8) + Math.log(0.6)) / 2, 12)
    expect(logLoss([1], [0])).toBeCloseTo(-Math.log(1e-7), 9)
  })

  test('a mean leaves out the folds where a measure is undefined, and falls back to all held-out rows', () => {
    const folds = [{ auc: 0.6, f1: 0.5, logLoss: 1 }, { logLoss: 2 }]
    expect(meanMetrics(folds, {})).toEqual({ auc: 0.6, f1: 0.5, logLoss: 1.5 })
    expect(meanMetrics([{ logLoss: 2 }], { auc: 0.7, f1: 0.4, logLoss: 9 })).toEqual({
      auc: 0.7,
      f1: 0.4,
      logLoss: 2,
    })
  })
})
