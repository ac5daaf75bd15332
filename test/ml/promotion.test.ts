import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { decidePromotion } from '../../ml/promotion/decide-promotion.js'
import { promoteVersion } from '../../ml/promotion/promote-version.js'
import { openModelRegistry, type ModelRegistry } from '../../ml/registry/model-registry.js'
import type { ModelDefinition } from '../../schemas/model-definitions.js'
import type { PromoteRequest } from '../../schemas/model-messages.js'
import type { Pipeline } from '../../schemas/pipeline.js'
import { TOY } from './support/toy-lake.js'
import { trainedVersion, type TrainedVersionChanges } from './support/trained-version.js'

describe('the gate', () => {
  const candidates = (metric: string, challenger?: number, champion?: number, baseline?: number) => ({
    ...{ metric, challenger: { version: 2, value: challenger } },
    champion: { version: 1, value: champion },
    baseline: { name: 'mean', value: baseline },
  })

  test.each([
    ['roc_auc', 0.9, 0.8, 0.5],
    ['f1', 0.9, 0.8, 0.5],
    ['r2', 0.9, 0.8, 0],
    ['log_loss', 0.2, 0.3, 0.7],
    ['brier', 0.1, 0.2, 0.3],
    ['mae', 1, 2, 3],
    ['rmse', 1, 2, 3],
  ])('of %s lets what is better pass, and nothing that is worse or equal', (metric, best, middle, worst) => {
    expect(decidePromotion(candidates(metric, best, middle, worst))).toEqual([])
    expect(decidePromotion(candidates(metric, middle, best, worst))).toHaveLength(1)
    expect(decidePromotion(candidates(metric, middle, worst, best))).toHaveLength(1)
    expect(decidePromotion(candidates(metric, worst, middle, best))).toHaveLength(2)
    expect(decidePromotion(candidates(metric, best, best, worst))).toHaveLength(1)
    expect(decidePromotion(candidates(metric, best, middle, best))).toHaveLength(1)
  })

  test('lets nothing pass that was not measured', () => {
    expect(decidePromotion(candidates('roc_auc', undefined, 0.5, 0.5))).toHaveLength(1)
    expect(decidePromotion(candidates('roc_auc', 0.9, undefined, 0.5))).toHaveLength(1)
    expect(decidePromotion(candidates('roc_auc', 0.9, 0.5, undefined))).toHaveLength(1)
  })
})

describe('promoting', () => {
  const pipeline: Pipeline = { ...TOY, name: 'p', models: { m: TOY.models!['split_success']! } }
  const deps = { pipelines: new Map([['p', pipeline]]), now: () => 7 }
  let folder: string
  let registry: ModelRegistry

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'firn-promote-'))
    registry = openModelRegistry({ path: join(folder, 'registry.db') })
  })
  afterEach(() => {
    registry.close()
    rmSync(folder, { recursive: true, force: true })
  })

  function ready(auc: number, { pin, dataset }: TrainedVersionChanges = {}): number {
    const metrics = { 'test/roc_auc': auc, cv_auc_mean: auc }
    const training = trainedVersion({
      pin: { seed: Math.round(auc * 1000), ...pin },
      trained: { metrics, baseline: { 'test/roc_auc': 0.5, cv_auc_mean: 0.5 } },
      ...(dataset === undefined ? {} : { dataset }),
    })
    const { split, ...rest } = training.pin
    const hasSplit = rest.settings.validation === undefined
    const { version } = registry.reserve(
      { ...training, pin: hasSplit ? { ...rest, split: split! } : rest },
      1,
    )
    registry.move({ model: 'm', version }, ['PENDING'], 'READY')
    return version
  }
  const promote = (request: PromoteRequest, of: ModelRegistry = registry) =>
    promoteVersion(deps, of, { pipeline: 'p', model: 'm', request })
  const champion = () => registry.aliases('m').map(({ version }) => version)

  test('takes a better version, leaves a worse one, and asked again adds nothing', () => {
    const [good, better, worse] = [ready(0.8), ready(0.9), ready(0.7)]
    expect(promote({ version: good })).toMatchObject({ promoted: true, champion: null, challenger: 0.8 })
    expect(promote({ version: better })).toMatchObject({ promoted: true, champion: { value: 0.8 } })
    expect(promote({ version: worse })).toMatchObject({
      ...{ promoted: false, forced: false, champion: { version: better, value: 0.9 } },
      problems: ['roc_auc of version 3 is 0.70000, not better than 0.90000 of the champion, version 2'],
    })
    expect(promote({ version: better })).toMatchObject({ promoted: true, forced: false })
    expect(champion()).toEqual([better])
    expect(registry.aliasHistory('m').map(({ version, forced }) => [version, forced])).toEqual([
      [good, false],
      [better, false],
    ])
    expect(promote({ version: worse, force: true, by: 'ada', reason: 'a drill' })).toMatchObject({
      ...{ promoted: true, forced: true },
    })
    expect(registry.aliasHistory('m').at(-1)).toMatchObject({ forced: true, by: 'ada', reason: 'a drill' })
  })

  test.each<[string, TrainedVersionChanges, TrainedVersionChanges]>([
    ['other test rows or labels', {}, { dataset: { testDigest: 'e'.repeat(64) } }],
    ['another task', {}, { pin: { settings: { task: 'regression' } } }],
    ['other folds', folds({ kind: 'k-fold', folds: 3 }), folds({ kind: 'leave-one-group-out' })],
  ])('compares with no champion of %s', (_, one, other) => {
    promote({ version: ready(0.8, one) })
    expect(champion()).toEqual([1])
    const answer = promote({ version: ready(0.9, other) })
    expect(answer).toMatchObject({
      promoted: false,
      problems: [expect.stringContaining('was measured on other rows')],
    })
    expect(champion()).toEqual([1])
  })

  test('of two at once meets the version that the other one promoted', () => {
    const [good, best, better] = [ready(0.8), ready(0.95), ready(0.9)]
    promote({ version: good })
    // Another process promotes the best one after this one has looked who the champion is.
    let interfered = false
    const slow: ModelRegistry = {
      ...registry,
      setAlias(change) {
        if (!interfered) promote({ version: best })
        interfered = true
        return registry.setAlias(change)
      },
    }
    expect(promote({ version: better }, slow)).toMatchObject({ promoted: false, champion: { version: best } })
    expect(champion()).toEqual([best])
  })
})

/** Measured by folds, without a split. */
function folds(validation: NonNullable<ModelDefinition['validation']>): TrainedVersionChanges {
  return { pin: { settings: { task: 'binary-classification', validation } } }
}
