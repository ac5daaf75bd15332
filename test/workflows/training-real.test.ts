import { execFile } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { WorkflowHandle } from '@temporalio/client'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { openModelRegistry, type ModelRegistry } from '../../ml/registry/model-registry.js'
import type {
  LearningPoint,
  ReproduceResult,
  SearchModelResult,
  TrainerStatus,
} from '../../schemas/model-messages.js'
import { workflowIds } from '../../schemas/workflow-names.js'
import { readConfig } from '../../workers/config.js'
import { startWorkers, type RunningWorkers } from '../../workers/start-worker.js'
import { findTemporalServer } from '../../workers/temporal-server.js'
import { without } from '../../workflows/without.js'
import type { TestLake } from '../lake/support/lake.js'
import { addRuns, TOY, toyLake, toyRows } from '../ml/support/toy-lake.js'
import { startTestServer, type TestServer } from './support/fake-lake.js'
import { patient, startOn } from './support/run-workflows.js'

/** Real trainings on a real server, asked for as an operator does: by Temporal's own command line, and by JSON typed in. */
const home = mkdtempSync(join(tmpdir(), 'firn-training-'))
let test: TestServer
let lake: TestLake
let registry: ModelRegistry
let workers: RunningWorkers

const PIPELINE = {
  ...TOY,
  models: {
    ...TOY.models,
    searched: {
      ...TOY.models!['success']!,
      search: { estimator: 'logistic', space: { l2: [0.1, 1, 10] } },
    },
    // Trains until it is cancelled.
    endless: {
      ...without(TOY.models!['split_success']!, 'validation'),
      estimators: {
        dense: { kind: 'dense' as const, hidden: [4], epochs: 100_000, batchSize: 64, learningRate: 0.01 },
      },
    },
  },
}
const TAG = 'v_20260701T020000Z'

beforeAll(async () => {
  lake = await toyLake(PIPELINE)
  await addRuns(lake, toyRows(120, '20260701T020000Z'), TAG)
  registry = openModelRegistry({ path: `${home}/registry.db` })
  test = await startTestServer()
  const config = readConfig({ FIRN_HOME: home })
  const open = { deps: lake.deps, registry, close: () => undefined }
  workers = await startWorkers(config, test.connection, { lake: open, graceMs: 2000 })
})
afterAll(async () => {
  await workers.stop()
  await test.close()
  registry.close()
  lake.close()
  rmSync(home, { recursive: true, force: true })
})

/** Temporal's command line, as an operator types it. */
async function temporal(words: readonly string[]): Promise<string> {
  const program = findTemporalServer() ?? 'temporal'
  const { stdout } = await promisify(execFile)(program, [...words, '--address', test.server.address])
  return stdout
}

/** The command lines of the page on training, of our model. */
const page = readFileSync(join(import.meta.dirname, '../../docs/training.md'), 'utf8')
  .replaceAll('quantum', 'toy')
  .replaceAll('convergence_k20', 'success')
const typed = [...page.matchAll(/^\$ temporal (.*)$/gm)].map(([, line = '']) =>
  [...line.matchAll(/'([^']*)'|(\S+)/g)].map(([, quoted, word]) => quoted ?? word ?? ''),
)

const trainerOf = (model: string): WorkflowHandle =>
  test.client.workflow.getHandle(workflowIds.trainer('toy', model))
const statusOf = (handle: WorkflowHandle): Promise<TrainerStatus> => handle.query('status')
const ended = (handle: WorkflowHandle, count: number): Promise<void> =>
  expect.poll(async () => (await statusOf(handle)).trained, { timeout: 120_000 }).toBe(count)

it('docs/training.md: a trainer is started, signalled, asked and told to promote by the command line', async () => {
  const [start = [], signal = [], status = [], curve = [], promote = []] = typed
  expect(typed).toHaveLength(5)
  await temporal(start)
  await temporal(signal)
  await ended(trainerOf('success'), 1)
  expect(await statusOf(trainerOf('success'))).toMatchObject({ failed: 0, lastVersion: 1 })
  expect(await temporal(status)).toMatch(/"lastVersion": ?1/)
  expect(await temporal(curve)).toMatch(/"epoch"|\[\]/)
  const version = registry.getVersion({ model: 'success', version: 1 })
  expect(version).toMatchObject({ state: 'READY', pin: { seed: 2, tag: TAG, estimator: 'logistic' } })
  expect(registry.getRun(version!.runId)).toMatchObject({ status: 'FINISHED' })

  // Without any input too.
  await temporal(signal.slice(0, signal.indexOf('--input')))
  await ended(trainerOf('success'), 2)
  expect(registry.getVersion({ model: 'success', version: 2 })?.pin.seed).toBe(0)

  expect(await temporal(promote)).toMatch(/promoted"?: ?true/)
  expect(registry.aliases('success')).toMatchObject([{ alias: 'champion', version: 1, by: 'ada' }])
  const wrong = promote.map((word) => (word.startsWith('{') ? '{"version": "1"}' : word))
  await expect(temporal(wrong)).rejects.toThrow(/`version` must be a model version/)
  await trainerOf('success').cancel()
}, 240_000)

it('a training that is cancelled shows its curve until then, leaves a KILLED run, and its trainer goes on', async () => {
  const trainer = await startOn(test, 'trainer', { pipeline: 'toy', model: 'endless' }, 'trainer-toy-endless')
  await trainer.signal('train', {})
  const curve = (): Promise<LearningPoint[]> => trainer.query<LearningPoint[]>('learningCurve')
  await expect.poll(async () => (await curve()).length, { timeout: 120_000 }).toBeGreaterThan(1)
  const told = await curve()
  expect(told.map(({ epoch }) => epoch)).toEqual(told.map(({ epoch }) => epoch).sort((a, b) => a - b))
  const training = test.client.workflow.getHandle(workflowIds.train('toy', 'endless'))
  expect((await training.query<LearningPoint[]>('learningCurve')).length).toBeGreaterThan(1)
  await training.cancel()
  await ended(trainer, 1)
  expect((await statusOf(trainer)).lastError).toBe('it was cancelled')
  expect(registry.searchRuns({ model: 'endless' })).toMatchObject([{ status: 'KILLED' }])
  await trainer.cancel()
}, 240_000)

it('a search registers its best trial, under whose run the version is, and the version is made again', async () => {
  const searching = await startOn(test, 'searchModel', { pipeline: 'toy', model: 'searched' })
  const { runId, best, trials, result } = (await searching.result()) as SearchModelResult
  expect(trials.map(({ parameters }) => parameters)).toEqual([{ l2: 0.1 }, { l2: 1 }, { l2: 10 }])
  expect(Math.max(...trials.map(({ value }) => value!))).toBe(best.value)
  expect(result).toMatchObject({ version: 1, runId: best.runId })
  expect(registry.getVersion({ model: 'searched', version: 1 })).toMatchObject({ runId: best.runId })
  expect(registry.getRun(runId)).toMatchObject({ status: 'FINISHED' })
  const runs = registry.searchRuns({ parentRunId: runId })
  expect(runs.map(({ runId: id }) => id).sort()).toEqual(trials.map(({ runId: id }) => id).sort())
  await expect.poll(() => runs.map(({ status }) => status), patient).toEqual(Array(3).fill('FINISHED'))

  const again = await startOn(test, 'reproduceModel', { uri: 'models:/searched/1' })
  expect((await again.result()) as ReproduceResult).toMatchObject({ verdict: 'identical', version: 1 })
}, 240_000)
