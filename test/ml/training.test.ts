import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { toLocalPath } from '../../iceberg/io/location.js'
import { buildDataset } from '../../ml/datasets/build-dataset.js'
import { joinObservations } from '../../ml/datasets/join-observations.js'
import { openModelRegistry, type ModelRegistry } from '../../ml/registry/model-registry.js'
import { fitInChild } from '../../ml/training/fit-in-child.js'
import { readStoredModel } from '../../ml/training/model-artifact.js'
import { pinTraining } from '../../ml/training/pin-training.js'
import { runTraining } from '../../ml/training/run-training.js'
import { threadSettings } from '../../ml/training/tensorflow.js'
import { resolveLabels, resolveService } from '../../ml/views/resolve-features.js'
import type { TestLake } from '../lake/support/lake.js'
import {
  addRuns,
  okFrom,
  pinned,
  TOY,
  toyLake,
  toyRows,
  toyWith,
  trainingRequest,
} from './support/toy-lake.js'

const PIN = { pipeline: 'toy', model: 'success' }
const FIRST = '20260701T020000Z'
const SECOND = '20260702T020000Z'
let lake: TestLake
let registry: ModelRegistry

beforeAll(async () => {
  lake = await toyLake()
  registry = openModelRegistry({ path: join(toLocalPath(lake.deps.warehouse), '..', 'registry.db') })
  await addRuns(lake, toyRows(90, FIRST), `v_${FIRST}`)
  await addRuns(lake, toyRows(30, SECOND), `v_incr_${SECOND}`)
})
afterAll(() => {
  registry.close()
  lake.close()
})

describe('a pin', () => {
  test('is the newest batch by instant and suffix, or the tag that was named', async () => {
    const { metadata } = await lake.catalog.loadTable({ namespace: 'toy_features', name: 'runs' })
    const idOf = (tag: string) => metadata.refs[tag]!['snapshot-id'].toString()
    const newest = await pinTraining(lake.deps, { ...PIN, seed: 3 })
    expect(newest).toMatchObject({
      ...PIN,
      ...{ tag: `v_incr_${SECOND}`, seed: 3, asOf: '2026-07-02T02:00:00.000Z' },
      ...{ service: 'basic', labels: 'ok', estimator: 'logistic', definition: { kind: 'logistic' } },
      snapshots: { 'toy_features.runs': idOf(`v_incr_${SECOND}`) },
    })
    const named = await pinTraining(lake.deps, { ...PIN, at: `v_${FIRST}` })
    expect(named.snapshots).toEqual({ 'toy_features.runs': idOf(`v_${FIRST}`) })
  })

  test('takes another estimator, its parameters and another service', async () => {
    const other = { ...PIN, estimator: 'trees', parameters: { maxDepth: 5 }, service: 'lean' }
    expect(await pinTraining(lake.deps, other)).toMatchObject({
      ...{ estimator: 'trees', service: 'lean' },
      definition: { kind: 'gbdt', trees: 60, maxDepth: 5, learningRate: 0.2 },
    })
    const wrong = { ...other, parameters: { depth: 5 } }
    await expect(pinTraining(lake.deps, wrong)).rejects.toThrow(/no parameter "depth".*maxDepth/)
    const unknown = pinTraining(lake.deps, { ...PIN, estimator: 'oracle' })
    await expect(unknown).rejects.toThrow(/no estimator "oracle"; known are: logistic, dense, trees/)
  })

  test('says which tags and models there are when the named one is not', async () => {
    await expect(pinTraining(lake.deps, { ...PIN, at: 'v_nothing' })).rejects.toThrow(
      /no tag "v_nothing"; its newest tags are .*v_20260701T020000Z/,
    )
    for (const model of ['other', 'constructor']) {
      const missing = pinTraining(lake.deps, { pipeline: 'toy', model })
      await expect(missing).rejects.toThrow(/known are: cost, split_success, success/)
    }
    const at = pinTraining(lake.deps, { ...PIN, at: 'constructor' })
    await expect(at).rejects.toMatchObject({ kind: 'not-found' })
  })
})

describe('a data set', () => {
  test('that was swept and comes out otherwise when it is made again is not trained on', async () => {
    const { pin, dataset } = await trainingRequest(lake.deps, PIN)
    const gone = { ...dataset, location: `${dataset.location}.swept`, orderedDigest: 'f'.repeat(64) }
    await expect(fitInChild(lake.deps, { pin, dataset: gone })).rejects.toMatchObject({
      kind: 'contract-broken',
      message: expect.stringContaining(`was made again and has digest ${dataset.orderedDigest}`) as string,
    })
  })

  test('holds the labelled rows of its pin, whatever was added since', async () => {
    const pin = await pinTraining(lake.deps, { ...PIN, at: `v_${FIRST}` })
    const built = await buildDataset(lake.deps, pin)
    const labelled = toyRows(90, FIRST).filter((row) => row['ok'] !== null)
    const positives = labelled.filter((row) => row['ok'] === true).length
    expect(built).toMatchObject({
      ...{ rows: labelled.length, features: 3 },
      splits: {
        all: { rows: labelled.length, classes: { '0': labelled.length - positives, '1': positives } },
      },
      signature: {
        inputs: [
          { name: 'signal', type: 'double', nullable: true },
          { name: 'noise', type: 'double', nullable: true },
          { name: 'method', type: 'string', nullable: true },
        ],
        output: { name: 'ok', type: 'double', nullable: false },
      },
    })
    expect(await buildDataset(lake.deps, pin)).toEqual(built)
    const newest = await buildDataset(lake.deps, await pinTraining(lake.deps, PIN))
    expect(newest.rows).toBeGreaterThan(built.rows)
    expect(newest.digest).not.toBe(built.digest)
  })

  test('takes labels that are final at its instant, and observations up to it; who is scored needs no final label', async () => {
    const pin = await pinTraining(lake.deps, { ...PIN, at: `v_${FIRST}` })
    const [asOf, day] = [Date.parse(pin.asOf), 86_400_000]
    const at = [asOf - 2 * day, asOf - day, asOf - day + 1, asOf, asOf + 1]
    const rows = at.map((ms, i) => `('e${i}', make_timestamptz(${ms * 1000}), ${i % 2 === 0}, 'g', 'b')`)
    const sql = `SELECT t.* FROM (VALUES ${rows.join(', ')}) t(run_id, ran_at, ok, kind, batch), (SELECT count(*) FROM runs)`
    const asked = async (maturity?: string, which: 'labelled' | 'all' = 'labelled') => {
      const { labelViews, sqlTexts } = okFrom(sql)
      const ok = { ...labelViews!['ok']!, ...(maturity === undefined ? {} : { maturity }) }
      const pipeline = { ...TOY, labelViews: { ok }, sqlTexts: sqlTexts! }
      const [labels, features] = [resolveLabels(pipeline, 'ok'), resolveService(pipeline, 'basic')]
      const session = await lake.deps.engine.openSession({ threads: 1 })
      const relation = await joinObservations(lake.deps, {
        ...{ session, labels, features, snapshots: pin.snapshots, asOf: pin.asOf, which },
      })
      const found = await session.query(`SELECT entity FROM ${relation} ORDER BY entity`)
      await session.close()
      return found.rows.map((row) => (row['entity'] as string).slice(2, 4))
    }
    expect(await asked()).toEqual(['e0', 'e1', 'e2', 'e3'])
    expect(await asked('1d')).toEqual(['e0', 'e1'])
    expect(await asked('1d', 'all')).toEqual(['e0', 'e1', 'e2', 'e3'])
  })

  test('of two services with one split has the same rows, labels and test rows, and other features', async () => {
    const model = { pipeline: 'toy', model: 'split_success' }
    const one = await buildDataset(lake.deps, await pinned(lake.deps, model))
    const other = await buildDataset(lake.deps, await pinned(lake.deps, { ...model, service: 'lean' }))
    expect(other.rowsDigest).toBe(one.rowsDigest)
    expect(other.testDigest).toBe(one.testDigest)
    expect(other.splits).toEqual(one.splits)
    expect(other.digest).not.toBe(one.digest)
    expect(Object.keys(one.splits).sort()).toEqual(['test', 'train', 'val'])
  })

  test('is refused where an entity has two labels at one time, and where nobody has one', async () => {
    const pin = await pinTraining(lake.deps, PIN)
    const sql = `SELECT 'a' AS run_id, ran_at, ok, kind, batch FROM runs`
    const twice = { ...lake.deps, pipelines: toyWith(okFrom(sql)) }
    await expect(buildDataset(twice, pin)).rejects.toThrow(
      /has the entity \["a"\] more than once at 2026-07-0/,
    )
    const early = { ...pin, asOf: '2020-01-01T00:00:00.000Z' }
    await expect(buildDataset(lake.deps, early)).rejects.toThrow(/no labelled rows at v_incr_/)
  })
})

describe('a training', () => {
  test.each(['logistic', 'dense', 'trees'])(
    'of kind %s gives equal weights in two processes, beats a guess, and is kept as a run',
    async (estimator) => {
      const request = await trainingRequest(
        lake.deps,
        { ...PIN, estimator, at: `v_${FIRST}` },
        estimator.charCodeAt(0).toString(16).padStart(32, '0'),
      )
      const progress: string[] = []
      const once = await runTraining(lake.deps, registry, request, {
        onProgress: (text) => progress.push(text),
      })
      const again = await runTraining(lake.deps, registry, request)
      expect(again.weightsDigest).toBe(once.weightsDigest)
      expect([again.metrics, again.curve, again.folds]).toEqual([once.metrics, once.curve, once.folds])
      expect(once.folds.map(({ fold }) => fold)).toEqual(['g0', 'g1', 'g2'])
      expect(once.folds.reduce((sum, fold) => sum + fold.rows, 0)).toBe(request.dataset.rows)
      expect(once.metrics['cv_auc_mean']).toBeGreaterThan(once.baselines['rate by method']!['cv_auc_mean']!)
      expect(once.environment.threads).toEqual(threadSettings())
      expect(progress.some((text) => text.includes('epoch'))).toBe(true)
      const { artifact, stored } = await readStoredModel(lake.deps, once.artifactLocation)
      expect(artifact.pin).toEqual(request.pin)
      expect(stored.weightsDigest).toBe(once.weightsDigest)
      const run = registry.getRun(request.runId)!
      expect(run).toMatchObject({ status: 'FINISHED', experiment: 'toy', model: 'success' })
      expect(run.metrics['cv_auc_mean']!.value).toBe(once.metrics['cv_auc_mean'])
    },
  )

  test('with another seed gives other weights', async () => {
    const base = { ...PIN, estimator: 'dense', at: `v_${FIRST}` }
    const [one, other] = await Promise.all(
      [0, 1].map(async (seed) => fitInChild(lake.deps, await trainingRequest(lake.deps, { ...base, seed }))),
    )
    expect(one!.stored.weightsDigest).not.toBe(other!.stored.weightsDigest)
  })

  test('with a split is measured on test rows that it never saw', async () => {
    const request = await trainingRequest(lake.deps, { pipeline: 'toy', model: 'split_success' })
    const { evaluation, measured } = await fitInChild(lake.deps, request)
    expect(evaluation.metrics['test/roc_auc']).toBeGreaterThan(0.9)
    expect(measured).toMatchObject({ on: 'test' })
    expect(measured!.entities).toHaveLength(request.dataset.splits['test']!.rows)
  })

  test('of a number learns it', async () => {
    const request = await trainingRequest(lake.deps, { pipeline: 'toy', model: 'cost' })
    const { evaluation } = await fitInChild(lake.deps, request)
    expect(evaluation.metrics['cv_mae_mean']).toBeLessThan(evaluation.baseline['cv_mae_mean']! / 3)
  })

  test('makes its data set again where the file is gone, and refuses one that is another', async () => {
    const request = await trainingRequest(lake.deps, PIN, 'b'.repeat(32))
    await lake.deps.catalog.io.delete(request.dataset.location)
    const trained = await runTraining(lake.deps, registry, request)
    expect(trained.weightsDigest).toMatch(/^[0-9a-f]{64}$/)
    const other = {
      ...request,
      runId: 'c'.repeat(32),
      dataset: { ...request.dataset, orderedDigest: '0'.repeat(64) },
    }
    await expect(runTraining(lake.deps, registry, other)).rejects.toMatchObject({ kind: 'contract-broken' })
    expect(registry.getRun('c'.repeat(32))?.status).toBe('FAILED')
  })

  test('ends with its process when it is cancelled; its run says so', async () => {
    const slow = { kind: 'dense', hidden: [4], epochs: 1e6, batchSize: 32, learningRate: 0.1 } as const
    const deps = {
      ...lake.deps,
      pipelines: toyWith({ models: { success: { ...TOY.models!['success']!, estimators: { slow } } } }),
    }
    const request = await trainingRequest(deps, { ...PIN, seed: 99 }, 'd'.repeat(32))
    const cancel = new AbortController()
    const training = runTraining(deps, registry, request, {
      onProgress: () => cancel.abort(),
      signal: cancel.signal,
    })
    await expect(training).rejects.toMatchObject({ kind: 'cancelled' })
    expect(registry.getRun('d'.repeat(32))?.status).toBe('KILLED')
  })
})
