import { randomUUID } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { mirrorAliases } from '../../ml/mlflow/mirror-aliases.js'
import { mirrorRun } from '../../ml/mlflow/mirror-run.js'
import { mirrorUnmirrored } from '../../ml/mlflow/mirror-unmirrored.js'
import { mirrorVersion } from '../../ml/mlflow/mirror-version.js'
import {
  createMlflowClient,
  type MlflowClient,
  type MlflowClientOptions,
} from '../../ml/mlflow/mlflow-client.js'
import { openModelRegistry, type ModelRegistry } from '../../ml/registry/model-registry.js'
import type { MetricPoint } from '../../ml/registry/run-store.js'
import { trainedVersion } from '../ml/support/trained-version.js'
import { missingService, startServices, type Services } from '../support/services.js'
import { startLosingProxy, type LosingProxy, type Loss } from './losing-proxy.js'
import { startMlflowReader, type MlflowRun, type MlflowState } from './mlflow-reader.js'

const lacks = missingService('mlflow')

describe.skipIf(lacks !== undefined)(
  `a real MLflow server${lacks === undefined ? '' : ` [${lacks}]`}`,
  () => {
    const folder = mkdtempSync(join(tmpdir(), 'firn-mlflow-'))
    const path = join(folder, 'registry.db')
    let services: Services
    let reader: ReturnType<typeof startMlflowReader>
    let registry: ModelRegistry
    let proxy: LosingProxy
    let uri: string
    beforeAll(async () => {
      services = await startServices(['mlflow'])
      uri = services.env['MLFLOW_TRACKING_URI']!
      reader = startMlflowReader(uri)
      registry = openModelRegistry({ path })
      proxy = await startLosingProxy(Number(new URL(uri).port))
    }, 300_000)
    afterAll(async () => {
      reader.stop()
      registry.close()
      await proxy.stop()
      await services.stop()
      rmSync(folder, { recursive: true, force: true })
    })

    const clientOf = (options: Partial<MlflowClientOptions> = {}): MlflowClient =>
      createMlflowClient({ uri, now: Date.now, newUuid: randomUUID, firstWaitMs: 10, ...options })
    /** What the server knows of a run of ours: exactly one. */
    const theRun = (state: MlflowState, runId: string, experiment = 'p'): MlflowRun => {
      const found = state.experiments[experiment]!.filter(({ tags }) => tags['firn.run_id'] === runId)
      expect(found, runId).toHaveLength(1)
      return found[0]!
    }

    /** A run that ended, of a version that is READY. */
    function train(model: string, seed: number, points: readonly MetricPoint[] = curve(3)): string {
      const runId = `${model}-${seed}`
      const training = trainedVersion({ pin: { model, seed }, runId })
      registry.startRun({
        ...{ runId, experiment: 'p', model, name: `${model} seed ${seed}`, startedAtMs: 1_000 },
        ...{ params: { seed: String(seed) }, tags: { 'firn.tag': training.pin.tag } },
      })
      registry.logInputs(runId, training)
      registry.logMetrics(runId, points)
      registry.finishRun(runId, 'FINISHED', 9_000)
      registry.move(registry.reserve(training, 1), ['PENDING'], 'READY')
      return runId
    }

    function crown(model: string, version: number, alias = 'champion'): void {
      registry.setAlias({ model, version, alias, by: 'ada', forced: false, atMs: 1 })
    }

    test('shows runs with parameters, metrics over time, inputs by snapshot, and their parent', async () => {
      const { pin, dataset } = trainedVersion({ pin: { model: 'full' } })
      const params = Object.fromEntries(Array.from({ length: 130 }, (_, i) => [`p${i}`, 'v'.repeat(i * 20)]))
      const many = Array.from({ length: 150 }, (_, i) => [`t${i}`, 'w'.repeat(4000)])
      const run = { experiment: 'p', model: 'full', tags: {}, params: {}, startedAtMs: 1_000 }
      registry.startRun({ ...run, runId: 'search', name: 'search' })
      registry.startRun({
        ...{ ...run, runId: "it's full", name: 'full one', parentRunId: 'search' },
        ...{ params: { ...params, 'l2 (ridge)': '1' }, tags: Object.fromEntries(many) },
      })
      registry.logInputs("it's full", { pin, dataset })
      const odd = [
        { key: 'test/6-31g*/roc_auc', value: 0.75, step: 0, timestampMs: 7 },
        { key: 'diverged', value: Number.NaN, step: 0, timestampMs: 7 },
        { key: 'diverged', value: Number.POSITIVE_INFINITY, step: 1, timestampMs: 8 },
      ]
      registry.logMetrics("it's full", [...curve(2500), ...odd])
      await mirrorRun(clientOf(), registry, "it's full")
      const running = theRun(await reader.read(), "it's full")
      expect(running).toMatchObject({ status: 'RUNNING', end_time: null })
      registry.logMetrics("it's full", curve(2600))
      registry.finishRun("it's full", 'FINISHED', 9_000)
      await mirrorRun(clientOf(), registry, "it's full")
      const state = await reader.read()
      const mirrored = theRun(state, "it's full")
      expect(mirrored).toMatchObject({
        ...{ name: 'full one', status: 'FINISHED', start_time: 1_000, end_time: 9_000 },
        params: { ...params, 'l2 _x28_ridge_x29_': '1' },
        tags: { ...Object.fromEntries(many), 'mlflow.parentRunId': theRun(state, 'search').run_id },
      })
      expect(mirrored.metrics['loss']).toEqual(
        curve(2600).map(({ step, value, timestampMs }) => [step, pythonFloat(value), timestampMs]),
      )
      expect(mirrored.metrics['test/6-31g_x2a_/roc_auc']).toEqual([[0, '0.75', 7]])
      expect(mirrored.metrics['diverged']!.map(([step, value]) => [step, value])).toEqual([
        [0, 'nan'],
        [1, '1.7976931348623157e+308'],
      ])
      const columns = [
        { type: 'double', name: 'signal', required: false },
        { type: 'string', name: 'method', required: false },
      ]
      const input = (table: string, snapshotId: string) => ({
        ...{ name: table, source_type: 'iceberg_table', schema: { mlflow_colspec: columns } },
        digest: expect.stringMatching(/^[0-9a-f]{32}$/),
        source: { table, snapshot_id: snapshotId, tag: pin.tag },
        profile: expect.objectContaining({ num_rows: 30, digest: dataset.digest, splits: dataset.splits }),
        tags: {
          'mlflow.data.context': 'training',
          'firn.snapshot_id': snapshotId,
          'firn.dataset_digest': dataset.digest,
        },
      })
      expect(mirrored.inputs).toEqual([input('f.left', '101'), input('f.right', '102')])
    })

    test('shows models, versions with their run and aliases that were set, moved and deleted', async () => {
      const runs = [train('shown', 1), train('shown', 2)]
      crown('shown', 1)
      crown('shown', 2, 'challenger')
      await mirrorAliases(clientOf(), registry, 'shown')
      const first = await reader.read()
      expect(first.models['shown']!.aliases).toEqual({ champion: '1', challenger: '2' })
      crown('shown', 2)
      registry.deleteAlias({ model: 'shown', alias: 'challenger', by: 'ada', forced: false, atMs: 2 })
      await fetch(`${uri}/api/2.0/mlflow/registered-models/alias`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ name: 'shown', alias: 'of-somebody-else', version: '1' }),
      })
      registry.move({ model: 'shown', version: 1 }, ['READY'], 'DELETED')
      expect(await mirrorUnmirrored(clientOf(), registry)).toMatchObject({ failed: [] })
      const state = await reader.read()
      expect(state.models['shown']).toMatchObject({
        aliases: { champion: '2', 'of-somebody-else': '1' },
        versions: [
          { version: '1', tags: { 'firn.state': 'DELETED' }, run_id: theRun(state, runs[0]!).run_id },
          {
            ...{ version: '2', status: 'READY', run_id: theRun(state, runs[1]!).run_id },
            ...{ aliases: ['champion'], source: 'firn:/models/shown/2?location=file:///artifacts/2' },
            tags: {
              ...{ 'firn.version': '2', 'firn.state': 'READY', 'firn.weights_digest': 'w2' },
              ...{ 'firn.data_tag': 'model-shown-2-data', 'firn.artifact_location': 'file:///artifacts/2' },
            },
          },
        ],
      })
      expect(registry.listUnmirrored(uri)).toEqual([])
    })

    test.each(['answer', 'half the body'] as const)(
      'has nothing twice when the %s of any call is lost and the mirror begins anew, or goes on by itself',
      async (loss: Loss) => {
        const model = loss === 'answer' ? 'lost' : 'cut'
        const faulty = (tries: number) => clientOf({ uri: proxy.endpoint, tries })
        // The registry knows the server by one address; the reader and the healthy client come by another.
        const runs: string[] = []
        let isUndisturbed = false
        // Both losses are one to the client: each call is lost in the one, each third in the other.
        for (let call = 1; !isUndisturbed; call += loss === 'answer' ? 1 : 3) {
          const runId = train(model, runs.length + 1)
          runs.push(runId)
          crown(model, runs.length)
          let seen = 0
          proxy.lose(() => ++seen === call, 1, loss)
          const dying = mirrorAliases(faulty(runs.length % 2 === 0 ? 1 : 3), registry, model)
          await dying.catch((error: unknown) => expect(error).toMatchObject({ kind: 'io' }))
          isUndisturbed = seen < call
          proxy.lose(() => false, 0)
          await mirrorAliases(faulty(1), registry, model)
          await mirrorAliases(faulty(1), registry, model)
        }
        expect(runs.length).toBeGreaterThan(loss === 'answer' ? 10 : 4)
        const state = await reader.read()
        for (const runId of runs) expectOnce(theRun(state, runId))
        const { aliases, versions } = state.models[model]!
        expect(versions.map(({ tags }) => tags['firn.version'])).toEqual(runs.map((_, i) => String(i + 1)))
        expect(aliases).toEqual({ champion: String(runs.length) })
      },
    )

    test('has nothing twice when several processes mirror the same at once', async () => {
      const runId = train('raced', 1, curve(50))
      crown('raced', 1)
      const others = Array.from({ length: 4 }, () => openModelRegistry({ path }))
      await Promise.all(
        others.flatMap((other) => [
          mirrorAliases(clientOf(), other, 'raced'),
          mirrorRun(clientOf(), other, runId),
          mirrorVersion(clientOf(), other, { model: 'raced', version: 1 }),
        ]),
      )
      for (const other of others) other.close()
      // By another address all is found again, and nothing is written.
      const before = proxy.requests.length
      await mirrorAliases(clientOf({ uri: proxy.endpoint }), registry, 'raced')
      const sent = proxy.requests.slice(before)
      expect(sent.length).toBeGreaterThan(5)
      expect(sent.filter((line) => !line.startsWith('GET') && !line.includes('runs/search'))).toEqual([])
      const state = await reader.read()
      expectOnce(theRun(state, runId), 50)
      expect(state.models['raced']!.versions).toHaveLength(1)
    })

    test('heals where another registry, or a late creation, made a run or a version twice', async () => {
      const runId = train('healed', 1)
      crown('healed', 1)
      const id = (await clientOf().send('GET', 'experiments/get-by-name', { experiment_name: 'p' }))[
        'experiment'
      ] as { experiment_id: string }
      const twice = {
        experiment_id: id.experiment_id,
        tags: [{ key: 'firn.run_id', value: runId }],
        start_time: 1_000,
      }
      for (const name of ['one', 'two'])
        await clientOf().send('POST', 'runs/create', { ...twice, run_name: name })
      await clientOf().send('POST', 'registered-models/create', { name: 'healed' })
      const version = { name: 'healed', source: 's3://b/a', tags: [{ key: 'firn.version', value: '1' }] }
      for (const source of ['s3://b/a', 's3://b/b'])
        await clientOf().send('POST', 'model-versions/create', { ...version, source })
      await mirrorAliases(clientOf(), registry, 'healed')
      const state = await reader.read()
      expectOnce(theRun(state, runId))
      expect(state.models['healed']).toMatchObject({
        aliases: { champion: '1' },
        versions: [{ version: '1' }],
      })
      expect(state.models['healed']!.versions).toHaveLength(1)
    })

    test('has what it was given after kill -9, and is told what it missed while it was down, once', async () => {
      expect(await mirrorUnmirrored(clientOf(), registry)).toMatchObject({ failed: [] })
      const runId = train('missed', 1)
      crown('missed', 1)
      await services.kill('mlflow')
      const down = await mirrorUnmirrored(clientOf({ tries: 2 }), registry)
      expect(down).toMatchObject({ mirrored: 0, failed: [{ subject: `run ${runId}` }] })
      expect(down.failed[0]!.message).toMatch(/can't be reached: ECONNREFUSED/)
      const waiting = registry.listUnmirrored(uri).map(({ kind }) => kind)
      expect(waiting).toEqual(expect.arrayContaining(['run', 'version', 'aliases']))
      await services.start('mlflow')
      expect(await mirrorUnmirrored(clientOf(), registry)).toEqual({ mirrored: waiting.length, failed: [] })
      expect(await mirrorUnmirrored(clientOf(), registry)).toEqual({ mirrored: 0, failed: [] })
      const state = await reader.read()
      // All that the tests before told by another address was found again by this one.
      const runIds = state.experiments['p']!.map(({ tags }) => tags['firn.run_id'])
      expect(runIds).toHaveLength(registry.searchRuns({ experiment: 'p' }).length)
      expect(new Set(runIds).size).toBe(runIds.length)
      expectOnce(theRun(state, runId))
      expect(state.models['missed']!.aliases).toEqual({ champion: '1' })
    })

    test('says what to do about an experiment that was deleted there', async () => {
      registry.startRun({
        ...{ runId: 'gone', experiment: 'gone', model: 'm', name: 'gone' },
        ...{ params: {}, tags: {}, startedAtMs: 1 },
      })
      const { experiment_id } = await clientOf().send('POST', 'experiments/create', { name: 'gone' })
      await clientOf().send('POST', 'experiments/delete', { experiment_id })
      await expect(mirrorRun(clientOf(), registry, 'gone')).rejects.toThrow(/restore it there/)
    })
  },
)

function curve(points: number): readonly MetricPoint[] {
  return Array.from({ length: points }, (_, i) => ({
    ...{ key: 'loss', value: 1 / (i + 1), step: i, timestampMs: 2_000 + i },
  }))
}

/** The points of `curve`, each once, and each input once. */
function expectOnce(run: MlflowRun, points = 3): void {
  expect(run.metrics['loss']!.map(([step]) => step)).toEqual(curve(points).map(({ step }) => step))
  expect(run.inputs.map(({ name }) => name)).toEqual(['f.left', 'f.right'])
  expect(run.status).toBe('FINISHED')
}

function pythonFloat(value: number): string {
  return Number.isInteger(value) ? `${value}.0` : String(value)
}
