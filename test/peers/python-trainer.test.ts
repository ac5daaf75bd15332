import { createHash } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { loadTrainingTable } from '../../ml/datasets/load-training-table.js'
import { measure } from '../../ml/evaluation/metrics.js'
import { restoreModel } from '../../ml/evaluation/stored-model.js'
import { estimatorOf } from '../../ml/models/find-estimator.js'
import { checkExternal } from '../../ml/training/check-external.js'
import { readStoredModel, type ModelArtifact } from '../../ml/training/model-artifact.js'
import { canonicalJson } from '../../schemas/canonical-json.js'
import type { LabelViewDefinition } from '../../schemas/feature-definitions.js'
import type { ModelDefinition } from '../../schemas/model-definitions.js'
import type { TrainedModel, TrainingRequest } from '../../schemas/model-messages.js'
import type { TestLake } from '../lake/support/lake.js'
import { addRuns, TOY, toyLake, toyRows, trainingRequest } from '../ml/support/toy-lake.js'
import { mlPython, python, trainInPython, why, type Answer } from './python-trainer-process.js'

/**
 * Goal: a model that scikit-learn trained is one of Firn's. Method: the example's Python trains the toy lake's models of
 * each task; Firn reads what it wrote, scores the same rows and measures what it said of them.
 */
const forest = (more: Readonly<Record<string, number | string>> = {}) => ({
  kind: 'external' as const,
  taskQueue: 'q',
  parameters: { model: 'random-forest', trees: 15, ...more },
})
const linear = (model: string) => ({ kind: 'external' as const, taskQueue: 'q', parameters: { model } })
const labels = (label: string, type: LabelViewDefinition['type']): LabelViewDefinition => ({
  ...{
    table: 'runs',
    entities: ['run'],
    timestampField: 'ran_at',
    label,
    type,
    group: 'kind',
    batch: 'batch',
  },
})
const model = (change: Partial<ModelDefinition>): ModelDefinition => ({
  ...{ task: 'binary-classification', service: 'basic', labels: 'ok', split: 'v1_hash' },
  ...{ predictions: 'predictions', estimators: { forest: forest(), logistic: linear('logistic') } },
  ...change,
})
const PIPELINE = {
  ...TOY,
  labelViews: { ...TOY.labelViews, method: labels('method', 'string'), kind: labels('kind', 'string') },
  splits: {
    ...TOY.splits,
    v1_kind: { ...TOY.splits!['v1_hash']!, labels: 'kind' },
    v1_method: { ...TOY.splits!['v1_hash']!, labels: 'method' },
  },
  models: {
    ok: model({ validation: { kind: 'leave-one-group-out' }, classWeights: 'balanced' }),
    whole: model({ validation: { kind: 'k-fold', folds: 3 }, split: undefined as never }),
    kind: model({ task: 'multiclass-classification', labels: 'kind', split: 'v1_kind' }),
    method: model({ task: 'multiclass-classification', labels: 'method', split: 'v1_method' }),
    cost: model({
      ...{ task: 'regression', labels: 'cost', offset: 'signal', baselineOnly: ['noise'] },
      estimators: { forest: forest(), ridge: linear('ridge') },
    }),
  },
}
const CASES = [
  ...['ok', 'kind'].flatMap((name) => [`${name} forest`, `${name} logistic`]),
  ...['method logistic', 'cost forest', 'cost ridge'],
]

describe.skipIf(mlPython === null)(`models of scikit-learn${why}`, () => {
  let lake: TestLake
  const requests = new Map<string, TrainingRequest>()
  const answers = new Map<string, TrainedModel>()

  const request = async (name: string, seed = 3): Promise<TrainingRequest> => {
    const [of = '', estimator = ''] = name.split(' ')
    return trainingRequest(lake.deps, { pipeline: 'toy', model: of, estimator, seed })
  }
  const artifactOf = (name: string) => readStoredModel(lake.deps, answers.get(name)!.artifactLocation)

  beforeAll(async () => {
    lake = await toyLake(PIPELINE)
    await addRuns(lake, toyRows(260, '20260701T000000Z'), 'v_20260701T000000Z')
    for (const name of [...CASES, 'whole forest']) requests.set(name, await request(name))
    const trained = await trainInPython([...requests.values()])
    for (const [at, name] of [...requests.keys()].entries()) {
      expect(trained[at]).not.toHaveProperty('message')
      answers.set(name, trained[at] as TrainedModel)
    }
  })
  afterAll(() => lake.close())

  test('its own tests pass: digests of data sets, and thresholds to the last bit', async () => {
    expect(await python(['-m', 'unittest'])).toMatch(/Ran \d+ tests[^]*OK/)
  })

  test.each(CASES)('%s: Firn says what scikit-learn says, within 1e-12', async (name) => {
    const { pin, dataset } = requests.get(name)!
    const { artifact, stored } = await artifactOf(name)
    const { orderedDigest, location } = dataset
    const { task } = pin.settings
    const table = await loadTrainingTable(location.replace('file://', ''), { orderedDigest, task })
    const rows = Int32Array.from(table.splits!.keys()).filter((row) => table.splits![row] === 'test')
    const predictions = await (await restoreModel(stored, estimatorOf)).predict(table, rows)
    const said = artifact.measured!.predictions
    expect(rows.length).toBeGreaterThan(30)
    expect(said).toHaveLength(predictions.length)
    expect(Math.max(...predictions.map((value, i) => Math.abs(value - said[i]!)))).toBeLessThan(1e-12)
    expect(new Set(predictions).size).toBeGreaterThan(10)
    const own = measure(
      task,
      Float64Array.from(rows, (row) => table.labels[row]!),
      predictions,
      table.classes?.length ?? 2,
    )
    for (const [metric, value] of Object.entries(own)) {
      expect(artifact.trained.metrics[`test/${metric}`], metric).toBeCloseTo(value, 10)
    }
    expect(Object.keys(artifact.trained.metrics).filter((key) => key.startsWith('test/'))).toHaveLength(
      Object.keys(own).length,
    )
  })

  test.each([...CASES, 'whole forest'])('%s: Firn takes it', async (name) => {
    expect(await checkExternal(lake.deps, requests.get(name)!, answers.get(name))).toEqual(answers.get(name))
  })

  test('measures beside guesses, and over folds under the usual names', () => {
    const { metrics, baseline, baselineName, folds } = answers.get('ok forest')!
    expect(baselineName).toBe('share of positives')
    expect(folds.map(({ fold }) => fold)).toEqual(['g0', 'g1', 'g2'])
    expect(metrics['cv_auc_mean']).toBeGreaterThan(0.8)
    expect(metrics['test/roc_auc']).toBeGreaterThan(baseline['test/roc_auc']!)
    expect(baseline['test/roc_auc']).toBe(0.5)
    expect(answers.get('whole forest')!.folds).toHaveLength(3)
    expect(Object.keys(answers.get('cost ridge')!.baselines)).toEqual(['mean', 'median', 'signal alone'])
  })

  test('equal trainings give equal files, another seed other weights', async () => {
    const names = [...CASES, 'whole forest']
    const again = await trainInPython([
      ...names.map((name) => requests.get(name)!),
      await request('ok forest', 4),
    ])
    expect(again.slice(0, -1)).toEqual(names.map((name) => answers.get(name)))
    expect((again.at(-1) as TrainedModel).weightsDigest).not.toBe(answers.get('ok forest')!.weightsDigest)
  })

  test('says clearly what it does not do', async () => {
    const { pin, dataset, ...rest } = requests.get('ok forest')!
    const definition = (change: object) => ({
      ...rest,
      dataset,
      pin: { ...pin, definition: { ...forest(), ...change } },
    })
    const location = 's3://bucket/warehouse/_scratch/datasets/x.arrow'
    const told = await trainInPython([
      { ...rest, pin, dataset: { ...dataset, location } },
      { ...rest, pin, dataset: { ...dataset, orderedDigest: '0'.repeat(64) } },
      { ...rest, pin, dataset: { ...dataset, location: `${dataset.location}.gone` } },
      { ...rest, dataset, pin: { ...pin, settings: { ...pin.settings, calibration: 'platt' } } },
      definition({ parameters: { model: 'ridge' } }),
      definition({ parameters: { model: 'random-forest', depth: 3 } }),
      definition({ parameters: { model: 'random-forest', trees: -1 } }),
      definition({ preprocessing: [{ step: 'one-hot' }] }),
    ] as TrainingRequest[])
    const expected: [string, RegExp][] = [
      ['config', /the warehouse is at s3:\/\/bucket\/warehouse, .*local files only/],
      ['contract-broken', /digests .* not .*it was changed/],
      ['config', /x\.arrow|\.gone is not there/],
      ['invalid-input', /does not calibrate/],
      ['invalid-input', /'ridge'; for a binary-classification this trainer has random-forest, logistic/],
      ['invalid-input', /no parameters depth; it has trees, maxDepth/],
      ['training-failed', /n_estimators/],
      ['invalid-input', /preprocessing of its own/],
    ]
    for (const [at, [kind, message]] of expected.entries()) {
      const answer: Answer = told[at]!
      expect(answer).toMatchObject({ kind, message: expect.stringMatching(message) as string })
    }
  })

  test('what is not a model of this training, or scores otherwise in Firn, is refused', async () => {
    const asked = requests.get('ok forest')!
    const trained = answers.get('ok forest')!
    const refused = (answer: unknown, of = asked) => expect(checkExternal(lake.deps, of, answer)).rejects
    const broken = (message: RegExp) => ({
      kind: 'contract-broken',
      message: expect.stringMatching(message) as string,
    })
    await refused({ ...trained, weightsDigest: 'x' }).toMatchObject(broken(/not a trained model.*SHA-256/s))
    const threads = { NODE_OPTIONS: '--require=/tmp/x.js' }
    await refused({ ...trained, environment: { ...trained.environment, threads } }).toMatchObject(
      broken(/NODE_OPTIONS/),
    )
    await refused({ ...trained, metrics: { 'test/roc_auc': 1 } }).toMatchObject(
      broken(/not what the trainer returned/),
    )
    await refused(trained, { ...asked, pin: { ...asked.pin, seed: 9 } }).toMatchObject(
      broken(/its pin is not/),
    )
    const outside = { ...trained, artifactLocation: 'file:///etc/model.json' }
    await refused(outside).toMatchObject(broken(/lies in a folder of its own/))
    const gone = {
      ...trained,
      artifactLocation: trained.artifactLocation.replace(/\w+\/model\.json/, 'gone/model.json'),
    }
    await refused(gone).toMatchObject(broken(/missing/))
    // Every threshold a little off, with a digest that fits.
    await refused(
      await rewrite(trained, (weights) => weights.writeDoubleLE(weights.readDoubleLE(0) + 0.5, 0)),
    ).toMatchObject(broken(/where Firn computes/))
    await refused(await rewrite(trained, () => undefined, { kind: 'dense' })).toMatchObject(
      broken(/of kind dense/),
    )
    await refused(await rewrite(trained, (weights) => weights.fill(0))).toMatchObject({
      kind: 'invalid-input',
      message: expect.stringMatching(/stored trees cannot be read/) as string,
    })
  })

  /** The model with other weights or another kind, as a trainer would have written it. */
  async function rewrite(
    trained: TrainedModel,
    change: (weights: Buffer) => unknown,
    kind: object = {},
  ): Promise<TrainedModel> {
    const { artifact, stored } = await readStoredModel(lake.deps, trained.artifactLocation)
    const weights = Buffer.from(stored.weights)
    change(weights)
    const header = { ...artifact.header, estimator: { ...artifact.header.estimator, ...kind } }
    const weightsDigest = createHash('sha256')
      .update(canonicalJson(header))
      .update('\n')
      .update(weights)
      .digest('hex')
    const { artifactLocation: from, ...rest } = { ...trained, weightsDigest }
    const artifactLocation = from.replace('/model.json', `-${weightsDigest.slice(0, 8)}/model.json`)
    const changed: ModelArtifact = {
      ...artifact,
      header: header,
      weightsDigest,
      trained: rest,
    }
    const io = lake.deps.catalog.io
    await io.createIfAbsent(artifactLocation.replace('model.json', 'weights.bin'), weights)
    await io.createIfAbsent(artifactLocation, Buffer.from(JSON.stringify(changed)))
    return { ...rest, artifactLocation }
  }

  test('a data set whose file was changed is refused', async () => {
    const asked = requests.get('cost forest')!
    const path = asked.dataset.location.replace('file://', '')
    const bytes = readFileSync(path)
    const changed = Buffer.from(bytes)
    const at = changed.indexOf(Buffer.from('20260701T000000Z-0003'))
    changed.write('9', at + 20)
    writeFileSync(path, changed)
    const [answer] = await trainInPython([asked])
    writeFileSync(path, bytes)
    expect(answer).toMatchObject({
      kind: 'contract-broken',
      message: expect.stringContaining('it was changed') as string,
    })
  })
})
