import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { isBetter, measure, measureOne } from '../../ml/evaluation/metrics.js'
import { pairedBootstrap } from '../../ml/evaluation/paired-bootstrap.js'
import { plotsOf } from '../../ml/evaluation/plots.js'

const of = (...values: number[]): Float64Array => Float64Array.from(values)
const binary = (labels: Float64Array, scores: Float64Array) =>
  measure('binary-classification', labels, scores, 2)

/** Scores tie, also across classes. */
const LABELS = of(1, 0, 1, 1, 0, 0, 1, 0, 1, 0)
const SCORES = of(0.9, 0.8, 0.7, 0.7, 0.7, 0.4, 0.35, 0.35, 0.2, 0.1)
const PREDICTED = {
  labels: LABELS,
  predictions: SCORES,
  groups: 'bbbbbaaaaa'.split(''),
  classes: ['0', '1'],
}

describe('metrics, beside those of scikit-learn 1.9', () => {
  test('binary: accuracy_score … at 0.5, roc_auc_score, average_precision_score, log_loss, brier_score_loss', () => {
    expect(binary(LABELS, SCORES)).toEqual({
      accuracy: 0.6,
      precision: 0.6,
      recall: 0.6,
      f1: 0.6,
      roc_auc: expect.closeTo(0.58, 14),
      pr_auc: expect.closeTo(0.6511111111111112, 14),
      log_loss: expect.closeTo(0.7338350212744377, 14),
      brier: expect.closeTo(0.26749999999999996, 14),
    })
  })

  test('a sure mistake costs what log_loss([1, 0], [0, 0]) says, not infinity', () => {
    expect(binary(of(1, 0), of(0, 0))['log_loss']).toBeCloseTo(18.021826694558577, 12)
  })

  test('regression: mean_absolute_error, root_mean_squared_error, r2_score', () => {
    expect(measure('regression', of(3, -0.5, 2, 7, 4.25), of(2.5, 0, 2, 8, 4), 1)).toEqual({
      mae: expect.closeTo(0.45, 14),
      rmse: expect.closeTo(0.5590169943749475, 14),
      r2: expect.closeTo(0.9491042345276873, 14),
    })
  })

  test('many classes: accuracy_score, f1_score(average="macro"), log_loss', () => {
    const rows = [
      [0.6, 0.3, 0.1],
      [0.2, 0.2, 0.6],
      [0.5, 0.3, 0.2],
      [0.1, 0.7, 0.2],
      [0.4, 0.4, 0.2],
      [0.25, 0.5, 0.25],
      [0.3, 0.3, 0.4],
    ]
    expect(measure('multiclass-classification', of(0, 2, 1, 2, 0, 1, 1), of(...rows.flat()), 3)).toEqual({
      accuracy: expect.closeTo(0.5714285714285714, 14),
      f1_macro: expect.closeTo(0.5666666666666668, 14),
      log_loss: expect.closeTo(0.949781811578865, 14),
    })
  })

  test('a class that neither labels nor predictions have is no part of the macro mean', () => {
    const predictions = of(0.6, 0.3, 0.1, 0.2, 0.7, 0.1, 0.1, 0.8, 0.1)
    expect(measure('multiclass-classification', of(0, 0, 1), predictions, 3)['f1_macro']).toBeCloseTo(
      2 / 3,
      14,
    )
  })
})

describe('what is undefined is left out', () => {
  test('no rows: no metrics', () => {
    expect(binary(of(), of())).toEqual({})
    expect(measure('regression', of(), of(), 1)).toEqual({})
  })

  test('one class: no ROC AUC; no positives: no recall and no PR AUC; nothing said positive: no precision', () => {
    expect(Object.keys(binary(of(0, 0), of(0.1, 0.2)))).toEqual(['accuracy', 'log_loss', 'brier'])
    expect(Object.keys(binary(of(1, 1), of(0.9, 0.8)))).not.toContain('roc_auc')
    expect(binary(of(1, 1), of(0.9, 0.8))['pr_auc']).toBe(1)
  })

  test('labels without spread have no R²', () => {
    expect(Object.keys(measure('regression', of(0.1, 0.1, 0.1), of(0, 1, 2), 1))).toEqual(['mae', 'rmse'])
  })

  test('a prediction that is no number fails, and says how many', () => {
    expect(() => binary(of(0, 1, 1), of(0.5, NaN, NaN))).toThrow(
      /2 of 3 predictions are no finite numbers, the first one at position 1 is NaN/,
    )
  })

  test('an unknown metric is named beside those there are', () => {
    const rows = { labels: of(1), predictions: of(1), classes: 2 }
    expect(() => measureOne('regression', 'roc_auc', rows)).toThrow(/it has mae, rmse, r2/)
    expect(() => measureOne('regression', 'toString', rows)).toThrow(/no metric toString/)
  })

  test('a defined value is better than an undefined one, and less is better of losses', () => {
    expect(isBetter('roc_auc', 0.6, 0.5)).toBe(true)
    expect(isBetter('mae', 0.6, 0.5)).toBe(false)
    expect(isBetter('mae', 0.6, undefined)).toBe(true)
    expect(isBetter('mae', undefined, undefined)).toBe(false)
  })
})

describe('properties', () => {
  const rows = fc.array(fc.tuple(fc.boolean(), fc.integer({ min: 0, max: 6 })), {
    minLength: 2,
    maxLength: 40,
  })

  test('ROC AUC is the share of pairs in order, ties half, and average precision the sum over thresholds', () => {
    fc.assert(
      fc.property(rows, (pairs) => {
        const labels = of(...pairs.map(([label]) => Number(label)))
        const scores = of(...pairs.map(([, score]) => score / 6))
        const { roc_auc, pr_auc } = binary(labels, scores)
        const positives = pairs.filter(([label]) => label)
        const negatives = pairs.filter(([label]) => !label)
        const wins = positives.flatMap(([, a]) => negatives.map(([, b]) => (a > b ? 1 : a === b ? 0.5 : 0)))
        if (wins.length === 0) expect(roc_auc).toBeUndefined()
        else expect(roc_auc).toBeCloseTo(wins.reduce<number>((a, b) => a + b, 0) / wins.length, 12)
        let [area, recallBefore] = [0, 0]
        for (const threshold of [6, 5, 4, 3, 2, 1, 0]) {
          const said = pairs.filter(([, score]) => score >= threshold)
          const hits = said.filter(([label]) => label).length
          if (said.length === 0 || positives.length === 0) continue
          area += (hits / positives.length - recallBefore) * (hits / said.length)
          recallBefore = hits / positives.length
        }
        if (positives.length === 0) expect(pr_auc).toBeUndefined()
        else expect(pr_auc).toBeCloseTo(area, 12)
      }),
    )
  })

  test('the area under the ROC curve that is drawn is ROC AUC', () => {
    fc.assert(
      fc.property(rows, (pairs) => {
        const labels = of(...pairs.map(([label]) => Number(label)))
        const predictions = of(...pairs.map(([, score]) => score / 6))
        const curve = plotsOf('binary-classification', {
          ...PREDICTED,
          labels,
          predictions,
          groups: [],
        }).rocCurve
        const { roc_auc } = binary(labels, predictions)
        expect(curve === undefined).toBe(roc_auc === undefined)
        if (roc_auc === undefined) return
        const area = curve!.slice(1).reduce((sum: number, point, at) => {
          const before = curve![at]!
          const height = (point.truePositiveRate + before.truePositiveRate) / 2
          return sum + height * (point.falsePositiveRate - before.falsePositiveRate)
        }, 0)
        expect(area).toBeCloseTo(roc_auc, 12)
      }),
    )
  })
})

describe('plots as data', () => {
  const plots = plotsOf('binary-classification', PREDICTED)

  test('the ROC curve has the points of roc_curve(drop_intermediate=False)', () => {
    const { rocCurve = [] } = plots
    expect(rocCurve.map((point) => point.falsePositiveRate)).toEqual([0, 0, 0.2, 0.4, 0.6, 0.8, 0.8, 1])
    expect(rocCurve.map((point) => point.truePositiveRate)).toEqual([0, 0.2, 0.2, 0.6, 0.6, 0.8, 1, 1])
    expect(rocCurve.map((point) => point.threshold)).toEqual([null, 0.9, 0.8, 0.7, 0.4, 0.35, 0.2, 0.1])
  })

  test('the calibration curve has the bins of calibration_curve(n_bins=10) that hold rows', () => {
    const { calibrationCurve = [] } = plots
    expect(calibrationCurve.map((bin) => bin.rows)).toEqual([1, 1, 2, 1, 3, 1, 1])
    expect(calibrationCurve.map((bin) => bin.from)).toEqual([0.1, 0.2, 0.3, 0.4, 0.7, 0.8, 0.9])
    expect(calibrationCurve[4]).toEqual({
      from: 0.7,
      to: 0.8,
      rows: 3,
      meanPrediction: expect.closeTo(0.7, 14),
      shareOfPositives: expect.closeTo(2 / 3, 14),
    })
  })

  test('the confusion matrix has the true classes as rows', () => {
    expect(plots.confusionMatrix).toEqual({
      classes: ['0', '1'],
      counts: [
        [3, 2],
        [2, 3],
      ],
    })
    const many = plotsOf('multiclass-classification', {
      labels: of(0, 2, 2),
      predictions: of(1, 0, 0, 0, 1, 0, 0, 0, 1),
      groups: ['', '', ''],
      classes: ['a', 'b', 'c'],
    })
    expect(many).toEqual({
      confusionMatrix: {
        classes: ['a', 'b', 'c'],
        counts: [
          [1, 0, 0],
          [0, 0, 0],
          [0, 1, 1],
        ],
      },
    })
  })

  test('each group is measured by itself, in the order of names', () => {
    expect(plots.groups?.map(({ group, rows }) => [group, rows])).toEqual([
      ['a', 5],
      ['b', 5],
    ])
    expect(plots.groups?.[1]?.metrics['accuracy']).toBe(0.6)
    expect(plotsOf('regression', { ...PREDICTED, classes: [] }).groups?.[0]?.metrics).toHaveProperty('mae')
  })

  test('a long ROC curve is thinned, its ends stay', () => {
    const labels = Float64Array.from({ length: 1000 }, (_, row) => row % 2)
    const predictions = Float64Array.from({ length: 1000 }, (_, row) => row / 1000)
    const { rocCurve = [] } = plotsOf('binary-classification', {
      ...PREDICTED,
      labels,
      predictions,
      groups: [],
    })
    expect(rocCurve).toHaveLength(201)
    expect(rocCurve[0]?.truePositiveRate).toBe(0)
    expect(rocCurve.at(-1)).toMatchObject({ truePositiveRate: 1, falsePositiveRate: 1 })
  })
})

describe('paired bootstrap', () => {
  const labels = Float64Array.from({ length: 60 }, (_, row) => row % 2)
  const good = labels.map((label, row) => 0.3 + 0.4 * label + ((row * 7) % 10) / 40)
  const poor = labels.map((label, row) => 0.45 + 0.05 * label + ((row * 3) % 10) / 20)
  const compared = { task: 'binary-classification', metric: 'roc_auc', labels, seed: 7, rounds: 400 } as const

  test('a clear difference leaves zero outside its bounds; the reverse is its mirror image', () => {
    const found = pairedBootstrap({ ...compared, a: good, b: poor })
    expect(found.difference).toBeCloseTo(
      measureOne(compared.task, 'roc_auc', { labels, predictions: good, classes: 2 })! -
        measureOne(compared.task, 'roc_auc', { labels, predictions: poor, classes: 2 })!,
      14,
    )
    expect(found.low).toBeGreaterThan(0)
    expect(found.high).toBeGreaterThan(found.difference)
    expect(found.p).toBeLessThan(0.05)
    const mirrored = pairedBootstrap({ ...compared, a: poor, b: good })
    expect(mirrored.low).toBeCloseTo(-found.high, 12)
    expect(mirrored.p).toBe(found.p)
  })

  test('a model does not differ from itself, and one seed gives one answer', () => {
    expect(pairedBootstrap({ ...compared, a: good, b: good })).toMatchObject({
      difference: 0,
      low: 0,
      high: 0,
      p: 1,
    })
    const once = pairedBootstrap({ ...compared, a: good, b: poor })
    expect(pairedBootstrap({ ...compared, a: good, b: poor })).toEqual(once)
    expect(pairedBootstrap({ ...compared, a: good, b: poor, seed: 8 })).not.toEqual(once)
  })

  test('several predictions count by the mean of their metrics, folds by the mean over them', () => {
    const folds = [0, 1].map((fold) =>
      Int32Array.from({ length: 30 }, (_, at) => 2 * (at - (at % 2)) + 2 * fold + (at % 2)),
    )
    const auc = (predictions: Float64Array, rows: Int32Array): number =>
      measureOne(compared.task, 'roc_auc', {
        labels: rows.reduce((all, row, at) => all.fill(labels[row]!, at), new Float64Array(rows.length)),
        predictions: rows.reduce(
          (all, row, at) => all.fill(predictions[row]!, at),
          new Float64Array(rows.length),
        ),
        classes: 2,
      })!
    const byFold = (predictions: Float64Array) =>
      (auc(predictions, folds[0]!) + auc(predictions, folds[1]!)) / 2
    const found = pairedBootstrap({ ...compared, a: [good, poor], b: poor, folds })
    expect(found.difference).toBeCloseTo((byFold(good) - byFold(poor)) / 2, 12)
    expect(found.low).toBeGreaterThan(0)
    // A shift of one fold's predictions changes the order between folds, never within.
    const shifted = good.map((value, row) => value + (folds[0]!.includes(row) ? 9 : 0))
    expect(pairedBootstrap({ ...compared, a: shifted, b: good, folds })).toMatchObject({ low: 0, high: 0 })
    expect(pairedBootstrap({ ...compared, a: shifted, b: good }).low).toBeLessThan(0)
    expect(() => pairedBootstrap({ ...compared, a: [good, of(1)], b: poor })).toThrow(/60 labels/)
  })

  test('draws of one class alone do not count, and are told', () => {
    const few = { ...compared, labels: of(0, 0, 1), a: of(0.1, 0.2, 0.9), b: of(0.3, 0.2, 0.1) }
    const found = pairedBootstrap(few)
    expect(found.undefinedIn).toBeGreaterThan(50)
    expect(found.undefinedIn).toBeLessThan(200)
    expect(() => pairedBootstrap({ ...few, labels: of(0, 0, 0) })).toThrow(/roc_auc is undefined/)
    expect(() => pairedBootstrap({ ...few, b: of(1) })).toThrow(/3 labels, 3 and 1 predictions/)
  })
})
