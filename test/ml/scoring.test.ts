import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { toLocalPath } from '../../iceberg/io/location.js'
import { publish } from '../../lake/publish/publish.js'
import { buildDataset } from '../../ml/datasets/build-dataset.js'
import { registerModel } from '../../ml/registry/register-model.js'
import { openRegistry, type Registry } from '../../ml/registry/registry.js'
import { scoreBatch } from '../../ml/scoring/score-batch.js'
import { resolvePin } from '../../ml/training/resolve-pin.js'
import { runTraining } from '../../ml/training/run-training.js'
import { batchIdOf } from '../../schemas/batch.js'
import type { LakeDeps } from '../../schemas/lake-deps.js'
import type { ScoreBatchInput } from '../../schemas/messages.js'
import type { TestLake } from '../lake/support/lake.js'
import { addRuns, FEATURES_SQL, TOY, toyLake, toyRows } from './support/toy-lake.js'

const MODEL = { pipeline: 'toy', model: 'success' }
const FIRST = '20260701T020000Z'
const SECOND = '20260702T020000Z'
const AGAIN = '20260702T020000Z-2'
const RUN = { workflowId: 'w', runId: 'r', startedAtMs: 0 }
let lake: TestLake
let registry: Registry

beforeEach(async () => {
  lake = await toyLake()
  registry = openRegistry({ path: join(toLocalPath(lake.deps.warehouse), '..', 'registry.db') })
  await addRuns(lake, toyRows(60, FIRST), `v_${FIRST}`)
})
afterEach(() => {
  registry.close()
  lake.close()
})

async function train(seed = 0): Promise<number> {
  const { deps } = lake
  const pin = await resolvePin(deps, { ...MODEL, seed })
  const dataset = await buildDataset(deps, pin)
  return registerModel(deps, registry, { pin, dataset, trained: await runTraining(deps, pin, dataset) })
}

function score(input: Partial<ScoreBatchInput> & { readonly batch: string }, deps: LakeDeps = lake.deps) {
  return scoreBatch(deps, registry, (request) => publish(deps, request), { ...MODEL, ...input }, RUN)
}

const predictions = () => lake.rows('toy_features.predictions', 'score_date, model, run_id')

describe('scoring', () => {
  test('writes one prediction an entity of the newest day, says where it came from, and does it once', async () => {
    await train()
    const featuresSnapshot = await addRuns(lake, toyRows(20, SECOND), `v_incr_${SECOND}`)
    const result = await score({ batch: SECOND })
    expect(result).toMatchObject({
      ...{ status: 'published', model: 'success', version: 1, batch: SECOND, rows: 20 },
      featuresTag: `v_incr_${SECOND}`,
    })
    const rows = await predictions()
    expect(rows.map((row) => row['run_id'])).toEqual(toyRows(20, SECOND).map((row) => row['run_id']))
    expect(rows[0]).toEqual({
      ...{ model: 'success', model_version: 1, run_id: `${SECOND}-0000`, first_k: 10 },
      ...{ prediction: expect.any(Number), features_snapshot_id: BigInt(featuresSnapshot) },
      scoring_run_id: `score_success_${SECOND}`,
      scored_at: BigInt(Date.UTC(2026, 6, 2, 2)) * 1000n,
      score_date: Date.UTC(2026, 6, 2) / 86_400_000,
    })
    const { metadata } = await lake.catalog.loadTable({ namespace: 'toy_features', name: 'predictions' })
    expect(metadata.refs[`score_success_${SECOND}`]?.['snapshot-id'].toString()).toBe(result.snapshotId)

    // A newer model and newer rows change nothing in what the batch recorded.
    await train(1)
    await addRuns(lake, toyRows(5, AGAIN), `v_incr_${AGAIN}`)
    expect(await score({ batch: SECOND })).toEqual(result)
    expect(await predictions()).toEqual(rows)
    const audit = await lake.rows('toy_features.processing_metadata')
    expect(audit.map((row) => [row['processing_name'], row['status']])).toEqual([
      ['toy.score.success', 'published'],
    ])
  })

  test('of more rows of the same day replaces the day with all of them; other days stay', async () => {
    await train()
    await score({ batch: FIRST })
    await addRuns(lake, toyRows(20, SECOND), `v_incr_${SECOND}`)
    await score({ batch: SECOND })
    await addRuns(lake, toyRows(5, AGAIN), `v_incr_${AGAIN}`)
    expect(await score({ batch: AGAIN })).toMatchObject({ status: 'published', rows: 25 })
    const days = (await predictions()).map((row) => row['score_date'])
    expect(days.filter((day) => day === days[0])).toHaveLength(60)
    expect(days.filter((day) => day !== days[0])).toHaveLength(25)
    expect(new Set((await predictions()).map((row) => row['run_id'])).size).toBe(85)
  })

  test('at a named tag with a named version gives the scores of that version', async () => {
    await train(0)
    await train(1)
    const one = await score({ batch: FIRST, version: 1, at: `v_${FIRST}` })
    expect(one.version).toBe(1)
    const scores = (await predictions()).map((row) => row['prediction'])
    await score({ batch: SECOND, version: 1, at: `v_${FIRST}` })
    const both = (await predictions()).map((row) => row['prediction'])
    expect(both).toEqual([...scores, ...scores])
  })

  test('goes on after a crash at any call: the predictions are there once', async () => {
    await train()
    for (let call = 1, crashes = 1; crashes > 0; call += 7) {
      crashes = 0
      for (const when of ['before', 'after'] as const) {
        const batch = batchIdOf(new Date(Date.UTC(2026, 6, call, when === 'before' ? 1 : 2)))
        lake.crash.set(call, when)
        await score({ batch, at: `v_${FIRST}` }).catch(() => (crashes += 1))
        lake.crash.revive()
        expect(await score({ batch, at: `v_${FIRST}` })).toMatchObject({ status: 'published', rows: 60 })
        const name = `score_success_${batch}`
        expect((await predictions()).filter((row) => row['scoring_run_id'] === name)).toHaveLength(60)
        const audit = await lake.rows('toy_features.processing_metadata')
        expect(audit.filter((row) => row['processing_batch_id'] === batch)).toHaveLength(1)
      }
    }
  })

  test('of nothing writes nothing', async () => {
    await train()
    const empty = { ...TOY, sqlTexts: { 'success.sql': `${FEATURES_SQL} WHERE false` } }
    const deps = { ...lake.deps, pipelines: new Map([['toy', empty]]) }
    expect(await score({ batch: FIRST }, deps)).toMatchObject({
      status: 'no_changes',
      rows: 0,
      snapshotId: null,
    })
    expect(await predictions()).toEqual([])
  })

  test('is refused without a READY version, with an unknown one, and when the features mean something else', async () => {
    await expect(score({ batch: FIRST })).rejects.toThrow(/no version that is READY; READY are: none/)
    await train()
    await expect(score({ batch: FIRST, version: 2 })).rejects.toThrow(/no READY version 2; READY are: 1/)
    await expect(score({ batch: 'tomorrow' })).rejects.toThrow(/"tomorrow" is no batch id/)
    const changed = {
      ...TOY,
      sqlTexts: { 'success.sql': FEATURES_SQL.replace('r.signal', '-r.signal AS signal') },
    }
    const deps = { ...lake.deps, pipelines: new Map([['toy', changed]]) }
    await expect(score({ batch: FIRST }, deps)).rejects.toMatchObject({ kind: 'definition-changed' })
  })
})
