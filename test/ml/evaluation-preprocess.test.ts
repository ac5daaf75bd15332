import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { applyPreprocessing, applyToTraining, fitPreprocessing } from '../../ml/evaluation/preprocess.js'
import { allRows } from '../../ml/evaluation/fitted-model.js'
import type { TrainingTable } from '../../ml/datasets/training-table.js'
import type { EstimatorDefinition, PreprocessingStep } from '../../schemas/model-definitions.js'
import { changed, randomTable, rowsOf, tableOf } from './support/toy-table.js'

const GBDT: EstimatorDefinition = { kind: 'gbdt', trees: 1, maxDepth: 1, learningRate: 1 }
const LOGISTIC: EstimatorDefinition = { kind: 'logistic' }
const CNN: EstimatorDefinition = {
  ...{ kind: 'cnn', shape: [1, 2, 1], convolutions: [], hidden: [] },
  ...{ epochs: 1, batchSize: 1, learningRate: 1 },
}

const near = (value: number): number => expect.closeTo(value, 14) as number

/** Numbers of the tests of scikit-learn below: [1, 2, nan, 4, 10, 7]. */
const X = [1, 2, null, 4, 10, 7]

describe('steps, beside those of scikit-learn 1.9', () => {
  test('impute: SimpleImputer(strategy="median" | "mean"); a column without values is 0', () => {
    expect(fitted([{ step: 'impute', with: 'median' }], { x: X }).said('x')[2]).toBe(4)
    expect(fitted([{ step: 'impute', with: 'mean' }], { x: X }).said('x')[2]).toBe(4.8)
    expect(fitted([{ step: 'impute', with: 'zero' }], { x: X }).said('x')[2]).toBe(0)
    expect(fitted([{ step: 'impute', with: 'median' }], { x: [null, null] }).said('x')).toEqual([0, 0])
    expect(fitted([{ step: 'impute', with: 'mean' }], { x: [1e308, 1.5e308, null] }).said('x')[2]).toBe(
      1.25e308,
    )
  })

  test('standard-scale: StandardScaler, cut off at ± clip', () => {
    const steps: PreprocessingStep[] = [{ step: 'impute', with: 'median' }, { step: 'standard-scale' }]
    const expected = [
      ...[-1.207406859886594, -0.8781140799175228, -0.21952851997938078],
      ...[-0.21952851997938078, 1.7562281598350453, 0.7683498199278322],
    ]
    expect(fitted(steps, { x: X }).said('x')).toEqual(expected.map(near))
    const clipped = fitted([{ step: 'standard-scale', clip: 1 }], { x: [1, 2, 3, 100] }, rowsOf(0, 1, 2))
    expect(clipped.said('x')).toEqual([-1, 0, 1, 1])
  })

  test('a column that never varies is near zero, though its mean is rounded', () => {
    const x = Array.from({ length: 10 }, () => 0.1)
    const said = fitted([{ step: 'standard-scale' }], { x: [...x, 0.2] }, allRows(10)).said('x')
    expect(Math.max(...said.slice(0, 10).map(Math.abs))).toBeLessThan(1e-12)
    expect(said[10]).toBeCloseTo(0.1, 12)
  })

  test('min-max-scale: MinMaxScaler(clip=True); one value alone is 0', () => {
    const rows = rowsOf(0, 1, 2, 3)
    expect(fitted([{ step: 'min-max-scale' }], { x: [1, 4, 10, 2, 12, 0] }, rows).said('x')).toEqual([
      ...[0, 1 / 3, 1, 1 / 9, 1, 0].map(near),
    ])
    expect(fitted([{ step: 'min-max-scale' }], { x: [7, 7, 9] }, rowsOf(0, 1)).said('x')).toEqual([0, 0, 0])
    expect(fitted([{ step: 'min-max-scale' }], { x: [-1.7e308, 1.7e308, 0] }).said('x')).toEqual([0, 1, 0.5])
  })

  test('one-hot: a column a category of training, in the order of code units; null and unseen ones are 0', () => {
    const table = { colour: ['red', 'Red', null, 'blue', 'red', 'new'] }
    const { inputs } = fitted([{ step: 'one-hot' }], table, rowsOf(0, 1, 2, 3))
    expect(inputs.columns).toEqual(['colour=Red', 'colour=blue', 'colour=red'])
    expect(rowsIn(inputs)).toEqual([
      [0, 0, 1],
      [1, 0, 0],
      [0, 0, 0],
      [0, 1, 0],
      [0, 0, 1],
      [0, 0, 0],
    ])
  })

  test('missing-indicator: a 0/1 column for what had nulls in training alone, left unscaled', () => {
    const steps: PreprocessingStep[] = [
      { step: 'missing-indicator' },
      { step: 'impute', with: 'zero' },
      { step: 'standard-scale' },
      { step: 'one-hot' },
    ]
    const table = { x: [1, null, 3, 4], whole: [1, 2, 3, null], colour: ['a', null, 'a', 'a'] }
    const { inputs, said } = fitted(steps, table, rowsOf(0, 1, 2))
    expect(inputs.columns).toEqual(['x', 'whole', 'colour=a', 'missing(x)', 'missing(colour)'])
    expect(said('missing(x)')).toEqual([0, 1, 0, 0])
    expect(said('missing(colour)')).toEqual([0, 1, 0, 0])
  })
})

describe('target-encode', () => {
  const steps: PreprocessingStep[] = [{ step: 'target-encode', smoothing: 2 }]
  const labels = [1, 2, 3, 5, 8, 4]

  test('rows to predict get the smoothed means of all training rows, as m-estimates; null is a category of its own', () => {
    const table = tableOf({ c: ['a', 'a', 'b', 'a', null, 'b', 'new'] }, { labels: [...labels, NaN] })
    const rows = rowsOf(0, 1, 2, 3, 4, 5)
    const preprocessing = fitPreprocessing(table, rows, {
      definition: { ...GBDT, preprocessing: steps },
      ...{ task: 'regression', seed: 1 },
    })
    const overall = 23 / 6
    const expected = { a: (8 + 2 * overall) / 5, b: (7 + 2 * overall) / 4, none: (8 + 2 * overall) / 3 }
    const said = applyPreprocessing(preprocessing, table, allRows(7))
    expect(said.columns).toEqual(['target(c)'])
    expect([...said.x]).toEqual(
      [expected.a, expected.a, expected.b, expected.a, expected.none, expected.b, overall].map(near),
    )
  })

  test('a training row never sees its own label: no change of it changes a bit of its feature', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.constantFrom('a', 'b', 'c'), fc.double({ min: -1e6, max: 1e6, noNaN: true })), {
          minLength: 2,
          maxLength: 25,
        }),
        fc.nat(),
        fc.double({ min: -1e9, max: 1e9, noNaN: true }),
        (pairs, at, other) => {
          const row = at % pairs.length
          const table = tableOf({ c: pairs.map(([c]) => c) }, { labels: pairs.map(([, label]) => label) })
          const encoded = (of: TrainingTable): number => {
            const rows = allRows(of.rows)
            const definition = { ...GBDT, preprocessing: steps }
            const preprocessing = fitPreprocessing(of, rows, { definition, task: 'regression', seed: 3 })
            return applyToTraining(preprocessing, of, rows).x[row]!
          }
          const own = changed(table, 'labels', (label, of) => (of === row ? other : label))
          expect(encoded(own)).toBe(encoded(table))
        },
      ),
    )
  })

  test('other rows of its category do count, and the seed decides the folds', () => {
    const table = tableOf(
      { c: Array.from({ length: 40 }, (_, row) => 'ab'[row % 2]!) },
      { labels: Array.from({ length: 40 }, (_, row) => row) },
    )
    const encoded = (seed: number): number[] => {
      const definition = { ...GBDT, preprocessing: steps }
      const preprocessing = fitPreprocessing(table, allRows(40), { definition, task: 'regression', seed })
      return [...applyToTraining(preprocessing, table, allRows(40)).x]
    }
    expect(new Set(encoded(1)).size).toBeGreaterThan(2)
    expect(encoded(1)).toEqual(encoded(1))
    expect(encoded(1)).not.toEqual(encoded(2))
  })

  test('a label of many classes gives the share of each', () => {
    const table = tableOf({ c: ['x', 'x', 'y', 'y'] }, { labels: [0, 2, 1, 1], classes: ['p', 'q', 'r'] })
    const definition: EstimatorDefinition = {
      ...GBDT,
      preprocessing: [{ step: 'target-encode', smoothing: 0 }],
    }
    const preprocessing = fitPreprocessing(table, allRows(4), {
      ...{ definition, task: 'multiclass-classification', seed: 1 },
    })
    const said = applyPreprocessing(preprocessing, table, allRows(4))
    expect(said.columns).toEqual(['target(c)=p', 'target(c)=q', 'target(c)=r'])
    expect(rowsIn(said)).toEqual([
      [0.5, 0, 0.5],
      [0.5, 0, 0.5],
      [0, 1, 0],
      [0, 1, 0],
    ])
  })

  test('one fold would show a row its own label, and is refused', () => {
    const step: PreprocessingStep = { step: 'target-encode', folds: 1 }
    expect(() => fitted([step], { c: ['a', 'b'] })).toThrow(/takes at least 2 folds/)
  })
})

describe('defaults', () => {
  test('trees see numbers as they are, with what is missing, and categories one-hot', () => {
    const { inputs, said } = fitted(undefined, { x: X, c: 'ababab'.split('') })
    expect(inputs.columns).toEqual(['x', 'c=a', 'c=b'])
    expect(said('x')).toEqual([1, 2, NaN, 4, 10, 7])
  })

  test('other kinds see medians, standard scaling, one-hot', () => {
    const { preprocessing } = fitted(undefined, { x: X, c: 'ababab'.split('') }, undefined, LOGISTIC)
    expect(preprocessing.steps.map(({ step, version }) => [step, version])).toEqual([
      ['impute', 1],
      ['standard-scale', 1],
      ['one-hot', 1],
    ])
  })

  test('a convolutional network sees its tensor as it is', () => {
    const table: TrainingTable = {
      ...tableOf({ x: [1, 2] }),
      columns: [{ kind: 'tensor', name: 'pixels', size: 2, values: Float32Array.of(0.5, 1, 0, 0.25) }],
    }
    const preprocessing = fitPreprocessing(table, allRows(2), {
      ...{ definition: CNN, task: 'binary-classification', seed: 1 },
    })
    expect(applyPreprocessing(preprocessing, table, rowsOf(1, 0))).toEqual({
      rows: 2,
      columns: ['pixels[0]', 'pixels[1]'],
      x: Float64Array.of(0, 0.25, 0.5, 1),
    })
  })
})

describe('the same bytes again', () => {
  const all: PreprocessingStep[] = [
    { step: 'missing-indicator' },
    { step: 'impute', with: 'median' },
    { step: 'target-encode', columns: ['colour'] },
    { step: 'standard-scale' },
  ]

  test('one table gives one text; the text carries the digest of each step and gives the same inputs', () => {
    const table = randomTable(80, 1)
    const definition = { ...LOGISTIC, preprocessing: all }
    const fit = () =>
      fitPreprocessing(table, allRows(60), { definition, task: 'binary-classification', seed: 5 })
    const text = JSON.stringify(fit())
    expect(JSON.stringify(fit())).toBe(text)
    expect(fit().steps.every(({ digest }) => /^[0-9a-f]{64}$/.test(digest))).toBe(true)
    expect(new Set(fit().steps.map(({ digest }) => digest)).size).toBe(all.length)
    const restored = JSON.parse(text) as ReturnType<typeof fit>
    expect(applyPreprocessing(restored, table, allRows(80))).toEqual(
      applyPreprocessing(fit(), table, allRows(80)),
    )
  })

  test('rows that are not trained on change nothing: neither their features nor their labels', () => {
    const table = randomTable(80, 2)
    const others = ['size', 'noise', 'colour', 'labels'].map((name) =>
      changed(table, name, (value, row) => {
        if (row < 60) return value
        return name === 'colour' ? 'never seen' : name === 'labels' ? 1 - (value as number) : 1e6
      }),
    )
    const definition = { ...LOGISTIC, preprocessing: all }
    const fit = (of: TrainingTable) =>
      fitPreprocessing(of, allRows(60), { definition, task: 'binary-classification', seed: 5 })
    for (const other of others) expect(fit(other)).toEqual(fit(table))
    const seen = changed(table, 'noise', (value, row) => (row === 0 ? 1e6 : value))
    expect(fit(seen)).not.toEqual(fit(table))
  })
})

describe('what cannot be is said', () => {
  const tensor: TrainingTable = {
    ...tableOf({ x: [1, 2] }),
    columns: [
      { kind: 'number', name: 'x', values: Float64Array.of(1, 2) },
      { kind: 'tensor', name: 'pixels', size: 1, values: Float32Array.of(1, 2) },
    ],
  }

  test("a tensor for a linear model; a number beside a network's tensor", () => {
    const fit = (definition: EstimatorDefinition) => () =>
      fitPreprocessing(tensor, allRows(2), { definition, task: 'binary-classification', seed: 1 })
    expect(fit(LOGISTIC)).toThrow(
      /kind logistic takes numbers and categories, but pixels is a list of numbers/,
    )
    expect(fit(CNN)).toThrow(/the features are: x \(number\), pixels \(tensor\)/)
  })

  test.each<[string, PreprocessingStep[] | undefined, Record<string, (number | string | null)[]>, RegExp]>([
    ['no column', undefined, {}, /no column is left/],
    [
      'missing values',
      [{ step: 'standard-scale' }],
      { x: X },
      /column x has missing values.*Add the step impute/,
    ],
    ['categories', [{ step: 'impute', with: 'zero' }], { c: ['a', 'b'] }, /column c still holds categories/],
    ['an unknown column', [{ step: 'one-hot', columns: ['d'] }], { c: ['a', 'b'] }, /names d, but.*are: c/],
    [
      'an indicator too late',
      [{ step: 'impute', with: 'zero' }, { step: 'missing-indicator' }],
      { x: X },
      /missing-indicator comes after impute/,
    ],
    ['one name for two', [{ step: 'one-hot' }], { a: ['b'], 'a=b': [1] }, /both be named a=b/],
    ['values too large', undefined, { x: [1e200, -1e200] }, /values up to 1e\+200, too large to scale/],
    [
      'too many categories',
      undefined,
      { id: Array.from({ length: 1001 }, (_, row) => `u${row}`) },
      /column id has 1001 categories.*target-encode/,
    ],
  ])('%s', (_what, steps, columns, message) => {
    expect(() => fitted(steps, columns, undefined, LOGISTIC)).toThrow(message)
  })

  test('a value that is missing only when predicting, in a model without impute', () => {
    const table = tableOf({ x: [1, 2, null] })
    const definition: EstimatorDefinition = { kind: 'logistic', preprocessing: [{ step: 'standard-scale' }] }
    const preprocessing = fitPreprocessing(table, rowsOf(0, 1), {
      ...{ definition, task: 'binary-classification', seed: 1 },
    })
    expect(() => applyPreprocessing(preprocessing, table, rowsOf(2))).toThrow(/column x has missing values/)
  })
})

/** Fitted on `rows`, applied to all. */
function fitted(
  steps: readonly PreprocessingStep[] | undefined,
  columns: Readonly<Record<string, readonly (number | string | null)[]>>,
  rows?: Int32Array,
  kind: EstimatorDefinition = GBDT,
) {
  const table = tableOf(columns)
  const definition: EstimatorDefinition = { ...kind, ...(steps !== undefined && { preprocessing: steps }) }
  const preprocessing = fitPreprocessing(table, rows ?? allRows(table.rows), {
    ...{ definition, task: 'binary-classification', seed: 1 },
  })
  const inputs = applyPreprocessing(preprocessing, table, allRows(table.rows))
  const said = (name: string): number[] => rowsIn(inputs).map((row) => row[inputs.columns.indexOf(name)]!)
  return { preprocessing, inputs, said }
}

function rowsIn({ rows, columns, x }: ReturnType<typeof applyPreprocessing>): number[][] {
  return Array.from({ length: rows }, (_, row) => [
    ...x.subarray(row * columns.length, (row + 1) * columns.length),
  ])
}
