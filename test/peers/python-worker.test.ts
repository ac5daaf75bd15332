import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { estimatorShape } from '../../lake/define/model-shape.js'
import { unpackSample } from '../../pipelines/quantum/sample/unpack-sample.js'
import type { ExternalDefinition } from '../../schemas/model-definitions.js'
import type {
  ReproduceResult,
  ScoreBatchResult,
  TrainModelInput,
  TrainModelResult,
} from '../../schemas/model-messages.js'
import { readConfig } from '../../workers/config.js'
import { createLakeDeps, type Lake } from '../../workers/create-deps.js'
import { startWorkers, type RunningWorkers } from '../../workers/start-worker.js'
import { startTestServer, type TestServer } from '../workflows/support/fake-lake.js'
import { failureOf, startOn } from '../workflows/support/run-workflows.js'
import { mlPython, startPythonWorker, why, type PythonWorker } from './python-trainer-process.js'

/**
 * Goal: a training in Python is a training like any other. Method: a real Temporal server, Firn's workers, and the
 * example's own worker on the quantum sample: trained, registered, scored, made again; without a worker, with one that is
 * killed, with one that is asked to stop.
 */
const BATCH = '20260701T020000Z'
const external = (change: Partial<ExternalDefinition> = {}): ExternalDefinition => ({
  ...{ kind: 'external', taskQueue: 'firn-train-sklearn' },
  parameters: { model: 'random-forest', trees: 50, maxDepth: 6 },
  ...change,
})
const ESTIMATORS = {
  sklearn_forest: external(),
  sklearn_slow: external({ parameters: { model: 'random-forest', trees: 1000 } }),
  nobody: external({ taskQueue: 'nobody-serves-this', waitSeconds: 2 }),
}

describe.skipIf(mlPython === null)(`a worker in Python${why}`, () => {
  const home = mkdtempSync(join(tmpdir(), 'firn-python-'))
  let server: TestServer
  let lake: Lake
  let workers: RunningWorkers
  let worker: PythonWorker

  beforeAll(async () => {
    server = await startTestServer()
    const config = readConfig({ FIRN_HOME: home, TEMPORAL_ADDRESS: server.server.address })
    const own = await createLakeDeps(config)
    const quantum = own.deps.pipelines.get('quantum')!
    for (const estimator of Object.values(ESTIMATORS)) estimatorShape.parse(estimator)
    const model = { ...quantum.models!['convergence_k10']!, estimators: ESTIMATORS }
    const pipelines = new Map([['quantum', { ...quantum, models: { convergence_k10: model } }]])
    lake = { ...own, deps: { ...own.deps, pipelines } }
    workers = await startWorkers(config, server.connection, { lake })
    worker = await startPythonWorker(server.server.address)
    const from = join(home, 'documents')
    await unpackSample({ folder: from })
    await run('landSource', { pipeline: 'quantum', from, batch: BATCH })
    await run('buildFeatures', { pipeline: 'quantum', batch: BATCH })
  }, 300_000)
  afterAll(async () => {
    await worker.stop()
    await workers.stop()
    lake.close()
    await server.close()
    rmSync(home, { recursive: true, force: true })
  })

  const run = async <Result>(workflow: string, input: object): Promise<Result> =>
    (await startOn(server, workflow, input)).result() as Promise<Result>
  const training = (estimator: keyof typeof ESTIMATORS): TrainModelInput => ({
    ...{ pipeline: 'quantum', model: 'convergence_k10', estimator },
  })

  test('trains, is registered and scored by Firn, and made again it is identical', async () => {
    const trained = await run<TrainModelResult>('trainModel', training('sklearn_forest'))
    const version = lake.registry.findVersion({ model: 'convergence_k10', version: trained.version! })
    expect(version).toMatchObject({ state: 'READY', trained: { environment: { backend: 'scikit-learn' } } })
    const kept = lake.registry.getRun(trained.runId)
    expect(kept).toMatchObject({
      status: 'FINISHED',
      params: { estimator: 'sklearn_forest', kind: 'external' },
    })
    expect(kept!.metrics['test/roc_auc']!.value).toBe(trained.trained.metrics['test/roc_auc'])
    expect(trained.trained.metrics['cv_auc_mean']).toBeGreaterThan(0.5)
    const scored = await run<ScoreBatchResult>('scoreBatch', {
      ...{ pipeline: 'quantum', model: 'convergence_k10', batch: BATCH },
    })
    expect(scored).toMatchObject({ status: 'published', version: trained.version })
    expect(scored.rows).toBeGreaterThan(100)
    const uri = `models:/convergence_k10/${trained.version}`
    const again = await run<ReproduceResult>('reproduceModel', { uri })
    expect(again.verdict).toBe('identical')
    const other = await run<ReproduceResult>('reproduceModel', { uri, seed: 5 })
    expect(other.weights).toMatchObject({ verdict: 'differs', reasons: ['seed changed: 5, was 0'] })
    expect(lake.registry.searchRuns({ model: 'convergence_k10' }).filter(isTraining)).toHaveLength(1)
  })

  test('where nobody serves the task queue, the training says so and its run has failed', async () => {
    const handle = await startOn(server, 'trainModel', training('nobody'))
    const failure = await failureOf(handle)
    expect(failure.message).toMatch(
      /no worker took the training from task queue "nobody-serves-this" within 2 s: start one/,
    )
    const [newest] = lake.registry.searchRuns({ model: 'convergence_k10' })
    expect(newest).toMatchObject({ status: 'FAILED', params: { estimator: 'nobody' } })
  })

  test('killed in the middle, it is trained by the next worker; asked to stop, it stops', async () => {
    const handle = await startOn(server, 'trainModel', training('sklearn_slow'))
    await underway(handle.workflowId)
    await worker.kill()
    worker = await startPythonWorker(server.server.address)
    await expect.poll(() => attempts(handle.workflowId), { timeout: 60_000 }).toBeGreaterThan(1)
    const trained = (await handle.result()) as TrainModelResult
    expect(lake.registry.getRun(trained.runId)!.status).toBe('FINISHED')

    const stopped = await startOn(server, 'trainModel', training('sklearn_slow'))
    await underway(stopped.workflowId)
    await stopped.cancel()
    expect((await failureOf(stopped)).name).toBe('CancelledFailure')
    const [newest] = lake.registry.searchRuns({ model: 'convergence_k10' })
    expect(newest).toMatchObject({ status: 'KILLED', params: { estimator: 'sklearn_slow' } })
    // The worker is free again, and well.
    await run<TrainModelResult>('trainModel', { ...training('sklearn_forest'), register: false })
  })

  async function pendingTraining(workflowId: string) {
    const description = await server.client.workflow.getHandle(workflowId).describe()
    return description.raw.pendingActivities?.find(
      ({ activityType }) => activityType?.name === 'trainExternal',
    )
  }

  /** Until the worker has said that it fits. */
  async function underway(workflowId: string): Promise<void> {
    const said = async (): Promise<string> => {
      const payload = (await pendingTraining(workflowId))?.heartbeatDetails?.payloads?.[0]?.data
      return payload == null ? '' : Buffer.from(payload).toString()
    }
    await expect.poll(said, { timeout: 60_000 }).toMatch(/fold|model/)
  }

  async function attempts(workflowId: string): Promise<number> {
    return (await pendingTraining(workflowId))?.attempt ?? 0
  }
})

function isTraining({ params }: { readonly params: Readonly<Record<string, string>> }): boolean {
  return params['kind'] === 'external'
}
