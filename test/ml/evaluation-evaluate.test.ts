import { describe, expect, test } from 'vitest'
import { calibrate, fitCalibration } from '../../ml/evaluation/calibration.js'
import { trainAndEvaluate, type EvaluateOptions, type Evaluation } from '../../ml/evaluation/evaluate.js'
import type { Settings } from '../../ml/evaluation/fit-model.js'
import { allRows } from '../../ml/evaluation/fitted-model.js'
import { foldsOf } from '../../ml/evaluation/folds.js'
import { measure } from '../../ml/evaluation/metrics.js'
import { openPhases } from '../../ml/evaluation/phases.js'
import { storeModel } from '../../ml/evaluation/stored-model.js'
import type { TrainingTable } from '../../ml/datasets/training-table.js'
import { estimatorOf } from '../../ml/models/find-estimator.js'
import type { Checkpoints, FitOptions } from '../../ml/models/estimator.js'
import type { EstimatorDefinition } from '../../schemas/model-definitions.js'
import type { Metrics } from '../../schemas/model-messages.js'
import { TOY, toyEstimator } from './support/toy-estimator.js'
import { changed, randomTable, tableOf } from './support/toy-table.js'

const BINARY: Settings = { task: 'binary-classification' }
const GROUPS = { validation: { kind: 'leave-one-group-out' } } as const
const EARLY: EstimatorDefinition = { ...TOY, epochs: 40, earlyStopping: { patience: 2 } }

const KINDS: readonly EstimatorDefinition[] = [
  TOY,
  { kind: 'logistic' },
  { kind: 'gbdt', trees: 8, maxDepth: 3, learningRate: 0.3, subsample: 0.8 },
  { kind: 'random-forest', trees: 4 },
]

describe('with a split', () => {
  const table = randomTable(240, 1, { splits: true })
  const settings: Settings = { ...BINARY, ...GROUPS, calibration: 'platt' }

  test("metrics of train, val and test are those of the model's own predictions", async () => {
    const { model, metrics } = await evaluated(table, settings)
    for (const split of ['train', 'val', 'test'] as const) {
      const rows = allRows(table.rows).filter((row) => table.splits![row] === split)
      const own = measure('binary-classification', labelsOf(table, rows), await model.predict(table, rows), 2)
      expect(pick(metrics, `${split}/`)).toEqual(own)
    }
    expect(metrics['test/roc_auc']).toBeGreaterThan(0.7)
  })

  test.each(KINDS)(
    'test rows are never seen: whatever they hold, all but test/… stays ($kind)',
    async (definition) => {
      const before = await evaluated(table, settings, { definition })
      for (const name of ['labels', 'size', 'colour']) {
        const other = changed(table, name, (value, row) =>
          table.splits![row] === 'test' ? upset(name, value) : value,
        )
        const after = await evaluated(other, settings, { definition })
        expect(await storeModel(after.model)).toEqual(await storeModel(before.model))
        expect(withoutTest(after.metrics)).toEqual(withoutTest(before.metrics))
        expect(Object.values(after.baselines).map(withoutTest)).toEqual(
          Object.values(before.baselines).map(withoutTest),
        )
        if (name === 'labels') expect(after.metrics['test/roc_auc']).not.toBe(before.metrics['test/roc_auc'])
      }
    },
  )

  test.each(KINDS)(
    'val rows calibrate and nothing else, unless training stops early by them ($kind)',
    async (definition) => {
      const before = await evaluated(table, settings, { definition })
      const other = changed(table, 'labels', (value, row) =>
        table.splits![row] === 'val' ? 1 - (value as number) : value,
      )
      const after = await evaluated(other, settings, { definition })
      const [{ header: was, weights }, stored] = [
        await storeModel(before.model),
        await storeModel(after.model),
      ]
      expect(stored.weights).toEqual(weights)
      expect(stored.header.preprocessing).toEqual(was.preprocessing)
      expect(stored.header.calibration).not.toEqual(was.calibration)
    },
  )

  test('early stopping keeps the best epoch by val, on train alone', async () => {
    const { model, curve } = await evaluated(table, BINARY, { definition: EARLY })
    const best = curve.reduce((a, b) => (b.valLoss! < a.valLoss! ? b : a))
    expect(curve.length - best.epoch).toBeLessThanOrEqual(2)
    const upTo = await evaluated(table, BINARY, { definition: { ...TOY, epochs: best.epoch } })
    expect((await storeModel(model)).weights).toEqual((await storeModel(upTo.model)).weights)
  })

  test('a split without val rows cannot calibrate or stop early', async () => {
    const other: TrainingTable = {
      ...table,
      splits: table.splits!.map((split) => (split === 'val' ? 'train' : split)),
    }
    await expect(evaluated(other, settings)).rejects.toThrow(
      /calibration "platt" needs rows in the split val/,
    )
    await expect(evaluated(other, BINARY, { definition: EARLY })).rejects.toThrow(/earlyStopping needs rows/)
    const { metrics } = await evaluated(other, BINARY)
    expect(Object.keys(pick(metrics, 'val/'))).toEqual([])
  })
})

describe('cross-validation', () => {
  const table = randomTable(120, 2)

  test('mean and deviation are over the folds where a metric is defined, and the others are counted', async () => {
    const oneClass = changed(table, 'labels', (label, row) => (table.groups[row] === 'b' ? 1 : label))
    const { metrics, folds, baseline, baselines } = await evaluated(oneClass, { ...BINARY, ...GROUPS })
    expect(folds.map(({ fold, rows }) => [fold, rows])).toEqual([
      ['a', 30],
      ['b', 30],
      ['c', 30],
      ['d', 30],
    ])
    expect(folds[1]?.metrics).not.toHaveProperty('roc_auc')
    const defined = folds.flatMap((fold) => fold.metrics['roc_auc'] ?? [])
    const mean = defined.reduce((a, b) => a + b, 0) / 3
    expect(metrics['cv_auc_mean']).toBeCloseTo(mean, 14)
    expect(metrics['cv_auc_std']).toBeCloseTo(
      Math.sqrt(defined.reduce((a, b) => a + (b - mean) ** 2, 0) / 3),
      14,
    )
    expect(metrics['cv_auc_undefined']).toBe(1)
    expect(metrics).not.toHaveProperty('cv_log_loss_undefined')
    expect(baseline['cv_auc_mean']).toBeCloseTo(
      folds.flatMap((fold) => fold.baseline['roc_auc'] ?? []).reduce((a, b) => a + b, 0) / 3,
      14,
    )
    const areas = Object.values(baselines).map((guess) => guess['cv_auc_mean']!)
    expect(baseline['cv_auc_mean']).toBe(Math.max(...areas))
  })

  test.each([
    ['as it is', {}, TOY],
    ['calibrated', { calibration: 'isotonic' }, TOY],
    ['gradient-boosted trees, balanced', { classWeights: 'balanced' }, KINDS[2]!],
  ] as const)(
    'what is held out does not change what says something of it: %s',
    async (_how, more, definition) => {
      const settings: Settings = { ...BINARY, ...GROUPS, ...more }
      const before = heldIn(await evaluated(table, settings, { definition }), table, 'b')
      const flipped = changed(table, 'labels', (label, row) =>
        table.groups[row] === 'b' ? 1 - (label as number) : label,
      )
      expect(heldIn(await evaluated(flipped, settings, { definition }), table, 'b')).toEqual(before)
      const first = table.groups.indexOf('b')
      const moved = changed(table, 'size', (size, row) => (row === first ? 1e6 : size))
      const after = heldIn(await evaluated(moved, settings, { definition }), table, 'b')
      expect(after.slice(1)).toEqual(before.slice(1))
      expect(heldIn(await evaluated(flipped, settings, { definition }), table, 'a')).not.toEqual(
        heldIn(await evaluated(table, settings, { definition }), table, 'a'),
      )
    },
  )

  test('a fold that stops early does so by rows of its own', async () => {
    const split = randomTable(240, 1, { splits: true })
    const settings: Settings = { ...BINARY, ...GROUPS, calibration: 'platt' }
    const before = heldIn(await evaluated(split, settings, { definition: EARLY }), split, 'b')
    const flipped = changed(split, 'labels', (label, row) =>
      split.groups[row] === 'b' ? 1 - (label as number) : label,
    )
    expect(heldIn(await evaluated(flipped, settings, { definition: EARLY }), split, 'b')).toEqual(before)
  })

  test('without a split the model trains on all rows and is calibrated by what the folds say', async () => {
    const { model, heldOut, metrics } = await evaluated(table, { ...BINARY, ...GROUPS, calibration: 'platt' })
    const labels = labelsOf(table, heldOut!.rows)
    expect(heldOut!.rows.toSorted()).toEqual(allRows(table.rows))
    expect(model.parts.calibration).toEqual(fitCalibration('platt', labels, heldOut!.scores))
    expect(calibrate(model.parts.calibration!, heldOut!.scores)).not.toEqual(heldOut!.predictions)
    expect(
      Object.keys(metrics).filter((name) => name.startsWith('test/') || name.startsWith('val/')),
    ).toEqual([])
    const plain = await evaluated(table, BINARY)
    expect((await storeModel(model)).weights).toEqual((await storeModel(plain.model)).weights)
  })

  test('k-fold holds every row out once, is stratified, and follows from the seed', () => {
    const single: TrainingTable = { ...table, groups: table.groups.map(() => '') }
    const fold = (of: TrainingTable, seed: number) =>
      foldsOf(of, allRows(120), { validation: { kind: 'k-fold', folds: 5 }, task: BINARY.task, seed })
    const folds = fold(single, 1)
    expect(folds.flatMap(({ held }) => [...held]).sort((a, b) => a - b)).toEqual([...allRows(120)])
    const positives = folds.map(({ held }) => labelsOf(single, held).reduce((a, b) => a + b))
    expect(Math.max(...positives) - Math.min(...positives)).toBeLessThanOrEqual(1)
    expect(folds.map(({ held }) => held.length)).toEqual([24, 24, 24, 24, 24])
    for (const { training, held } of folds)
      expect([...training, ...held].sort((a, b) => a - b)).toEqual([...allRows(120)])
    expect(fold(single, 1)).toEqual(folds)
    expect(fold(single, 2)).not.toEqual(folds)
    const grouped = foldsOf(table, allRows(120), {
      validation: { kind: 'k-fold', folds: 3 },
      task: BINARY.task,
      seed: 1,
    })
    const groupsIn = grouped.map(({ held }) => new Set(Array.from(held, (row) => table.groups[row]!)))
    expect(groupsIn.map(({ size }) => size).sort()).toEqual([1, 1, 2])
    const twice: TrainingTable = { ...single, entities: single.entities.map((_, row) => `${row % 60}`) }
    for (const { held } of fold(twice, 1)) {
      const own = new Set(Array.from(held, (row) => twice.entities[row]))
      expect(own.size).toBe(held.length / 2)
    }
  })

  test('what cannot be is said', async () => {
    const one: TrainingTable = { ...table, groups: table.groups.map(() => 'H2') }
    await expect(evaluated(one, { ...BINARY, ...GROUPS })).rejects.toThrow(
      /all 120 rows are of the group "H2"/,
    )
    const many: TrainingTable = {
      ...randomTable(501, 1),
      groups: Array.from({ length: 501 }, (_, row) => `g${row}`),
    }
    await expect(evaluated(many, { ...BINARY, ...GROUPS })).rejects.toThrow(/would train 501 models.*k-fold/)
    await expect(evaluated(table, { ...BINARY, validation: { kind: 'k-fold', folds: 121 } })).rejects.toThrow(
      /121 folds over 120 rows/,
    )
    await expect(evaluated(table, { ...BINARY, calibration: 'platt' })).rejects.toThrow(
      /needs rows that the model has not seen/,
    )
    await expect(evaluated(table, BINARY, { definition: EARLY })).rejects.toThrow(
      /earlyStopping, which needs a split/,
    )
    await expect(evaluated(table, { ...BINARY, baselineOnly: ['age'] })).rejects.toThrow(
      /baselineOnly names age, but the features are: size, noise, colour/,
    )
    await expect(evaluated(table, { ...BINARY, offset: 'size' })).rejects.toThrow(
      /offset size is for regressions/,
    )
    await expect(evaluated(table, { task: 'regression', offset: 'colour' })).rejects.toThrow(
      /offset colour is a category column/,
    )
    await expect(evaluated(table, { task: 'regression', ...GROUPS, calibration: 'platt' })).rejects.toThrow(
      /calibration is for binary/,
    )
    const unlabelled = changed(table, 'labels', (label, row) => (row === 3 ? NaN : label))
    await expect(evaluated(unlabelled, BINARY)).rejects.toThrow(
      /1 of 120 rows have no label, the first one is \["e3"\]/,
    )
    const same = changed(table, 'labels', () => 1)
    await expect(evaluated(same, BINARY)).rejects.toThrow(/all 120 training rows have the label 1/)
  })
})

describe('baselines', () => {
  test('of a binary classification: rates, drawn towards the share by one row, and the best single feature', async () => {
    // Training: red 3 of 4, blue 0 of 2; share ½. Test: red, red, blue.
    const table = tableOf(
      {
        colour: ['red', 'red', 'red', 'red', 'blue', 'blue', 'red', 'red', 'blue'],
        // Falls with the label: 8 of the 9 pairs are in reverse order.
        size: [1, 2, 4.5, 3, 4, 5, 1, 9, 5],
        flat: [0, 0, 0, 0, 0, 0, 1, 0, 1],
      },
      {
        labels: [1, 1, 0, 1, 0, 0, 1, 0, 0],
        splits: ['train', 'train', 'train', 'train', 'train', 'train', 'test', 'test', 'test'],
      },
    )
    const { baselines, baseline, baselineName } = await evaluated(table, {
      ...BINARY,
      baselineOnly: ['flat'],
    })
    expect(Object.keys(baselines)).toEqual([
      ...['share of positives', 'rate by colour', 'best single feature', 'flat alone'],
    ])
    expect(baselines['share of positives']?.['test/log_loss']).toBeCloseTo(-Math.log(0.5), 12)
    expect(baselines['share of positives']?.['test/roc_auc']).toBe(0.5)
    const [red, blue] = [(3 + 0.5) / 5, 0.5 / 3]
    expect(baselines['rate by colour']?.['test/brier']).toBeCloseTo(
      ((1 - red) ** 2 + red ** 2 + blue ** 2) / 3,
      12,
    )
    expect(baselines['best single feature']?.['train/roc_auc']).toBe(1)
    expect(baselines['best single feature']?.['test/roc_auc']).toBe(1)
    expect(baselineName).toBe('best single feature')
    expect(baseline).toEqual(baselines['best single feature'])
  })

  test('of a regression: mean, median, means by category, and the offset alone, which is what is to be beaten', async () => {
    const table = tableOf(
      { best: [1, 2, 3, 10], method: ['a', 'a', 'b', 'b'], x: [1, 2, 3, 4] },
      { labels: [0, 1, 2, 9] },
    )
    const { baselines, baselineName, model } = await evaluated(table, { task: 'regression', offset: 'best' })
    expect(Object.keys(baselines)).toEqual(['mean', 'median', 'mean by method', 'best alone'])
    expect(baselines['mean']?.['train/mae']).toBe(3)
    expect(baselines['median']?.['train/mae']).toBe(2.5)
    expect(baselines['best alone']?.['train/mae']).toBe(1)
    expect(baselineName).toBe('best alone')
    expect(model.parts.preprocessing.inputs.map(({ name }) => name)).toEqual(['method', 'x'])
  })

  test('of many classes: shares, and shares by category', async () => {
    const table = randomTable(200, 3, { task: 'multiclass', splits: true })
    const { baselines, metrics, baselineName, plots } = await evaluated(table, {
      task: 'multiclass-classification',
    })
    expect(Object.keys(baselines)).toEqual(['share of each class', 'rates by colour'])
    expect(baselineName).toBe('rates by colour')
    expect(metrics['test/log_loss']).toBeLessThan(baselines['rates by colour']!['test/log_loss']!)
    expect(plots['test']?.confusionMatrix?.classes).toEqual(['large', 'middle', 'small'])
  })
})

describe('interrupted', () => {
  const cases: readonly [string, TrainingTable, Settings, EstimatorDefinition][] = [
    [
      'folds, calibrated',
      randomTable(60, 9),
      { ...BINARY, ...GROUPS, calibration: 'isotonic' },
      { ...TOY, epochs: 5 },
    ],
    [
      'a split, stopping early',
      randomTable(90, 9, { splits: true }),
      { ...BINARY, ...GROUPS },
      { ...EARLY, epochs: 6 },
    ],
    [
      'boosted trees',
      randomTable(60, 9),
      { ...BINARY, ...GROUPS },
      { ...KINDS[2]!, trees: 3 } as EstimatorDefinition,
    ],
  ]
  test.each(cases)(
    'killed at any checkpoint, it goes on and ends with the same bytes: %s',
    async (_how, table, settings, definition) => {
      const port = memoryCheckpoints()
      const whole = await outcome(
        await evaluated(table, settings, { definition, checkpoints: port.checkpoints }),
      )
      const saves = port.saves()
      expect(saves).toBeGreaterThan(3)
      expect(await outcome(await evaluated(table, settings, { definition }))).toEqual(whole)
      for (let killAt = 1; killAt <= saves; killAt += 4) {
        const killed = memoryCheckpoints(killAt)
        const first = evaluated(table, settings, { definition, checkpoints: killed.checkpoints })
        await expect(first).rejects.toThrow('killed')
        const again = evaluated(table, settings, { definition, checkpoints: killed.checkpoints })
        expect(await outcome(await again)).toEqual(whole)
        // Nothing that was saved is done again.
        expect(killed.saves()).toBeLessThanOrEqual(saves + 1)
      }
    },
  )

  test('a phase that is done keeps its numbers alone, not its estimator', async () => {
    let saved: Uint8Array | undefined
    const port: Checkpoints = {
      load: () => Promise.resolve(saved),
      save: (state) => {
        saved = state
        return Promise.resolve()
      },
    }
    const phases = openPhases(port, () => 'one')
    for (const fold of ['a', 'b', 'c']) {
      await phases.once(fold, async (checkpoints) => {
        await checkpoints!.save(new Uint8Array(10_000))
        return Float64Array.of(1, 2)
      })
    }
    expect(saved!.length).toBeLessThan(1_000)
    const reopened = openPhases(port, () => 'one')
    expect(await reopened.once('b', () => Promise.reject(new Error('done before')))).toEqual(
      Float64Array.of(1, 2),
    )
    expect(await reopened.of('c')?.load()).toBeUndefined()
  })

  test('a checkpoint of another training is not gone on from', async () => {
    const [, table, settings] = cases[0]!
    const port = memoryCheckpoints()
    await evaluated(table, settings, { checkpoints: port.checkpoints })
    const other = changed(table, 'labels', (label, row) => (row === 0 ? 1 - (label as number) : label))
    expect(await outcome(await evaluated(other, settings, { checkpoints: port.checkpoints }))).toEqual(
      await outcome(await evaluated(other, settings)),
    )
  })
})

describe('what an estimator is given', () => {
  test('balanced classes: weights inverse to their frequency among the training rows, of mean 1', async () => {
    const table = tableOf(
      { x: [1, 2, 3, 4, 5, 6] },
      { labels: [1, 0, 0, 0, 0, 1], splits: ['train', 'train', 'train', 'train', 'val', 'val'] },
    )
    const given: FitOptions[] = []
    const fit = (options: FitOptions) => {
      given.push(options)
      return toyEstimator.fit(options)
    }
    await evaluated(table, { ...BINARY, classWeights: 'balanced' }, { fit })
    expect([...given[0]!.train.weights!]).toEqual(
      [2, 2 / 3, 2 / 3, 2 / 3].map((weight) => expect.closeTo(weight, 12) as number),
    )
    expect([...given[0]!.validation!.weights!]).toEqual(
      [0.5, 1.5].map((weight) => expect.closeTo(weight, 12) as number),
    )
    expect(given).toHaveLength(1)
    await evaluated(table, BINARY, { fit })
    expect(given[1]!.train).not.toHaveProperty('weights')
  })

  test('progress names the phase; a long curve is thinned', async () => {
    const seen: string[] = []
    const { curve, plots } = await evaluated(
      randomTable(40, 1),
      { ...BINARY, ...GROUPS },
      {
        definition: { ...TOY, epochs: 300 },
        onProgress: ({ phase, epoch, epochs }) => {
          if (epoch === epochs) seen.push(phase)
        },
      },
    )
    expect(seen).toEqual(['fold a', 'fold b', 'fold c', 'fold d', 'model'])
    expect(curve).toHaveLength(200)
    expect(curve.at(-1)?.epoch).toBe(300)
    expect(Object.keys(plots)).toEqual(['train', 'cv'])
    expect(plots['cv']?.groups?.map(({ group }) => group)).toEqual(['a', 'b', 'c', 'd'])
  })
})

/** `toyEstimator` for its kind, else the project's own. */
async function evaluated(
  table: TrainingTable,
  settings: Settings,
  more: Partial<EvaluateOptions> = {},
): Promise<Evaluation> {
  const definition = more.definition ?? TOY
  const { fit } = definition.kind === 'dense' ? toyEstimator : await estimatorOf(definition.kind)
  return trainAndEvaluate({ table, settings, definition, seed: 1, fit, onProgress: () => undefined, ...more })
}

/** All of an evaluation, with the model as its bytes. */
async function outcome({ model, ...rest }: Evaluation) {
  return { ...rest, stored: await storeModel(model) }
}

function memoryCheckpoints(killAt = Infinity): {
  readonly checkpoints: Checkpoints
  readonly saves: () => number
} {
  let [saved, saves]: [Uint8Array | undefined, number] = [undefined, 0]
  return {
    saves: () => saves,
    checkpoints: {
      load: () => Promise.resolve(saved),
      save: (state) => {
        saves += 1
        if (saves === killAt) return Promise.reject(new Error('killed'))
        saved = Uint8Array.from(state)
        return Promise.resolve()
      },
    },
  }
}

/** What models that were fitted without the group say of its rows. */
function heldIn({ heldOut }: Evaluation, table: TrainingTable, group: string): number[] {
  return [...heldOut!.predictions].filter((_, at) => table.groups[heldOut!.rows[at]!] === group)
}

function upset(name: string, value: number | string | null): number | string {
  return name === 'labels' ? 1 - (value as number) : name === 'colour' ? 'never seen' : 1e6
}

function withoutTest(metrics: Metrics): Metrics {
  return Object.fromEntries(Object.entries(metrics).filter(([name]) => !name.startsWith('test/')))
}

function pick(metrics: Metrics, prefix: string): Metrics {
  const own = Object.entries(metrics).filter(([name]) => name.startsWith(prefix))
  return Object.fromEntries(own.map(([name, value]) => [name.slice(prefix.length), value]))
}

function labelsOf({ labels }: TrainingTable, rows: Int32Array): Float64Array {
  return Float64Array.from(rows, (row) => labels[row]!)
}
