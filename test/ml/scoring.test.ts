import { readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { toLocalPath } from '../../iceberg/io/location.js'
import { changeRefs } from '../../iceberg/write/refs.js'
import { publish } from '../../lake/publish/publish.js'
import { openModelRegistry, type ModelRegistry } from '../../ml/registry/model-registry.js'
import { registerVersion } from '../../ml/registry/register-version.js'
import { scoreBatch } from '../../ml/scoring/score-batch.js'
import { runTraining } from '../../ml/training/run-training.js'
import { batchIdOf } from '../../schemas/batch.js'
import type { LakeDeps } from '../../schemas/lake-deps.js'
import type { ScoreBatchInput } from '../../schemas/model-messages.js'
import type { TestLake } from '../lake/support/lake.js'
import {
  addRuns,
  okFrom,
  RUN,
  toyLake,
  toyRows,
  toyWith,
  trainingRequest,
  VIEW_SQL,
} from './support/toy-lake.js'

const MODEL = { pipeline: 'toy', model: 'success' }
const FIRST = '20260701T020000Z'
const SECOND = '20260702T020000Z'
const AGAIN = '20260702T020000Z-2'
let lake: TestLake
let registry: ModelRegistry

beforeEach(async () => {
  lake = await toyLake()
  registry = openModelRegistry({ path: join(toLocalPath(lake.deps.warehouse), '..', 'registry.db') })
  await addRuns(lake, toyRows(60, FIRST), `v_${FIRST}`)
})
afterEach(() => {
  registry.close()
  lake.close()
})

async function train(seed = 0): Promise<number> {
  const { deps } = lake
  const request = await trainingRequest(
    deps,
    { ...MODEL, parameters: { l2: seed + 1 } },
    String(seed + 1).repeat(32),
  )
  const trained = await runTraining(deps, registry, request)
  const { pin, dataset, runId } = request
  const workflow = { workflowId: 'w', runId: 'r' }
  return (await registerVersion(deps, registry, { pin, dataset, trained, runId, workflow })).version
}

function score(
  input: Partial<ScoreBatchInput> & { readonly batch: string },
  deps: LakeDeps = lake.deps,
  of: ModelRegistry = registry,
) {
  return scoreBatch(deps, of, (request) => publish(deps, request), {
    input: { ...MODEL, ...input },
    run: RUN,
  })
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

  test('takes the champion where there is one', async () => {
    await train(0)
    await train(1)
    registry.setAlias({
      ...{ model: 'success', alias: 'champion', version: 1 },
      by: 'test',
      forced: false,
      atMs: 0,
    })
    expect(await score({ batch: FIRST })).toMatchObject({ version: 1 })
    expect(await score({ batch: SECOND, alias: 'champion' })).toMatchObject({ version: 1 })
    await expect(score({ batch: AGAIN, alias: 'best' })).rejects.toThrow(/no alias "best"/)
  })

  test('is a run with its counts, and holds the snapshots that it read', async () => {
    await train()
    const { metrics } = await score({ batch: FIRST })
    const scores = (await predictions()).map((row) => row['prediction'] as number)
    expect(metrics).toEqual({
      scored_count: 60,
      high_risk_count: scores.filter((value) => value >= 0.8).length,
      mean_prediction: expect.closeTo(scores.reduce((sum, value) => sum + value, 0) / 60, 12),
    })
    const run = registry
      .searchRuns({ model: 'success' })
      .find(({ name }) => name === `score success ${FIRST}`)
    expect(run).toMatchObject({ status: 'FINISHED', metrics: { scored_count: { value: 60 } } })
    const { metadata } = await lake.catalog.loadTable({ namespace: 'toy_features', name: 'runs' })
    expect(metadata.refs[`scored_success_${FIRST}_v_${FIRST}`]).toBeDefined()
  })

  test('is one run, of what was published, also where it ended before it was told', async () => {
    await train()
    const runs = () =>
      registry.searchRuns({ model: 'success' }).filter(({ name }) => name.startsWith('score'))
    let crashes = 0
    const dying: ModelRegistry = {
      ...registry,
      startRun(run) {
        crashes += 1
        throw new Error(`gone before ${run.name}`)
      },
    }
    await expect(score({ batch: FIRST }, lake.deps, dying)).rejects.toThrow(/gone before score success/)
    expect([crashes, runs().length, (await predictions()).length]).toEqual([1, 0, 60])
    const { metrics } = await score({ batch: FIRST })
    await score({ batch: FIRST })
    const [run, ...others] = runs()
    expect(others).toEqual([])
    expect(run).toMatchObject({ status: 'FINISHED', params: { model_version: '1', at: `v_${FIRST}` } })
    expect(Object.keys(run!.metrics).sort()).toEqual(Object.keys(metrics!).sort())
  })

  test('of a branch holds each state of it that was read', async () => {
    await train()
    // A branch stands for what was observed before its last commit.
    const [may, june] = ['20260501T020000Z', '20260601T020000Z']
    const first = await addRuns(lake, toyRows(5, may), `v_${may}`)
    expect(await score({ batch: SECOND, at: 'main' })).toMatchObject({ rows: 5, featuresTag: 'main' })
    const second = await addRuns(lake, toyRows(4, june), `v_${june}`)
    // As after a rollback of the predictions: the same batch reads the branch once more.
    const { catalog, now, newUuid } = lake.deps
    const identifier = { namespace: 'toy_features', name: 'predictions' }
    const drop = { kind: 'drop' as const, name: `score_success_${SECOND}` }
    await changeRefs({ catalog, now, newUuid, tables: [{ identifier, changes: [drop] }] })
    await score({ batch: SECOND, at: 'main' })
    const { metadata } = await lake.catalog.loadTable({ namespace: 'toy_features', name: 'runs' })
    const held = Object.entries(metadata.refs).filter(([name]) => name.startsWith('scored_'))
    expect(held.map(([, ref]) => String(ref['snapshot-id'])).sort()).toEqual([first, second].sort())
  })

  test('does not mind labels that nobody could learn from', async () => {
    await train()
    const sql = 'SELECT * REPLACE (CAST(7 AS INTEGER) AS ok) FROM runs'
    const pipelines = toyWith(okFrom(sql))
    expect(await score({ batch: FIRST }, { ...lake.deps, pipelines })).toMatchObject({ rows: 60 })
  })

  test('is refused by a model whose files were changed', async () => {
    await train()
    const { trained } = registry.newestReady('success')!
    const file = toLocalPath(trained.artifactLocation)
    const text = readFileSync(file, 'utf8')
    for (const [path, changed] of [
      [file, text.replace('"method":', '"manner":')],
      [file, text.replace(/"predictions":\[0\.\d/, '"predictions":[0.7')],
      [join(dirname(file), 'weights.bin'), 'x'],
    ] as const) {
      const before = readFileSync(path)
      writeFileSync(path, changed)
      expect(before.equals(readFileSync(path))).toBe(false)
      await expect(score({ batch: FIRST })).rejects.toMatchObject({ kind: 'contract-broken' })
      writeFileSync(path, before)
    }
    expect(await score({ batch: FIRST })).toMatchObject({ rows: 60 })
  })

  test('of nothing writes nothing', async () => {
    await train()
    const pipelines = toyWith(okFrom('SELECT * FROM runs WHERE false'))
    expect(await score({ batch: FIRST }, { ...lake.deps, pipelines })).toMatchObject({
      status: 'no_changes',
      rows: 0,
      snapshotId: null,
    })
    expect(await predictions()).toEqual([])
  })

  test('is refused without a READY version, with an unknown one, and when the features mean something else', async () => {
    await expect(score({ batch: FIRST })).rejects.toThrow(/no READY version/)
    await train()
    await expect(score({ batch: FIRST, version: 2 })).rejects.toThrow(/no version 2. READY versions: 1/)
    await expect(score({ batch: 'tomorrow' })).rejects.toThrow(/"tomorrow" is no batch id/)
    const sqlTexts = { 'measured.sql': VIEW_SQL.replace('signal', '-signal AS signal') }
    const deps = { ...lake.deps, pipelines: toyWith({ sqlTexts }) }
    await expect(score({ batch: FIRST }, deps)).rejects.toMatchObject({ kind: 'definition-changed' })
    await expect(score({ batch: FIRST }, deps)).rejects.toThrow(/defined differently: view measured/)
  })
})
