import type { WorkflowHandle } from '@temporalio/client'
import { CancelledFailure, type ApplicationFailure } from '@temporalio/common'
import { Worker } from '@temporalio/worker'
import { sleep } from '@temporalio/activity'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createModelActivities } from '../../activities/model-activities.js'
import type { ModelRegistry } from '../../ml/registry/model-registry.js'
import type { LakeDeps } from '../../schemas/lake-deps.js'
import type { NightlyResult } from '../../schemas/messages.js'
import type {
  ReproduceResult,
  SearchModelResult,
  TrainerStatus,
  TrainingRequest,
  TrainModelResult,
} from '../../schemas/model-messages.js'
import { workflowIds, type RunStatus } from '../../schemas/workflow-names.js'
import { without } from '../../workflows/without.js'
import {
  attribute,
  failWith,
  startTestServer,
  withFakeLake,
  type Call,
  type FakeActivities,
  type TestServer,
} from './support/fake-lake.js'
import { dataset, pinned, recorded, trained } from './support/fake-training.js'
import { endless, failureOf, inputsOf, namesOf as names, patient, startOn } from './support/run-workflows.js'

let test: TestServer
beforeAll(async () => {
  test = await startTestServer()
})
afterAll(() => test.close())

const of = { pipeline: 'quantum', model: 'convergence' }
const start = (workflow: string, input: unknown): Promise<WorkflowHandle> => startOn(test, workflow, input)
const withFakes = <T>(fakes: FakeActivities, run: (calls: Call[]) => Promise<T>): Promise<T> =>
  withFakeLake(test.connection, fakes, run)

describe('trainModel', () => {
  it('pins, splits, builds, trains, registers and mirrors, each step on its own queue', () =>
    withFakes({}, async (calls) => {
      const handle = await start('trainModel', { ...of, seed: 7 })
      const result = (await handle.result()) as TrainModelResult
      expect(calls.map(({ name, queue }) => `${name} ${queue}`)).toEqual([
        'pinTraining firn-control',
        'extendSplit firn-data',
        'buildDataset firn-train',
        'runTraining firn-train',
        'registerVersion firn-control',
        'mirrorRegistry firn-control',
      ])
      expect(result).toMatchObject({ ...of, version: 1, dataset, trained, pin: { seed: 7 } })
      expect(result.runId).toMatch(/^[0-9a-f]{32}$/)
      // What is trained on, and registered, is pinned with the splits as they are after step 2.
      expect(result.pin.snapshots).toEqual({ 't.rows': '9007199254740993', 'ml_datasets.splits': '9' })
      const { workflowId } = handle
      const { pin, runId } = result
      expect(inputsOf(calls, 'runTraining')).toMatchObject([{ pin, dataset, runId, tell: [workflowId] }])
      expect(inputsOf(calls, 'registerVersion')).toMatchObject([{ pin, dataset, trained, runId }])
      const status = await handle.query<RunStatus>('status')
      expect(status.steps.map(({ name, state }) => `${name} ${state}`)).toEqual(
        ['pin', 'split', 'data set', 'train', 'register', 'mirror'].map((name) => `${name} done`),
      )
      expect(status.steps[3]?.note).toBe('test/roc_auc 0.900 (rate 0.500)')
      expect(attribute(await handle.describe(), 'FirnStatus')).toBe('done')
    }))

  it('without `register` it measures and registers nothing; a model without a split needs none', () =>
    withFakes(
      {
        pinTraining: (input) => Promise.resolve(without(pinned(input), 'split')),
      },
      async (calls) => {
        const handle = await start('trainModel', { ...of, register: false })
        expect((await handle.result()) as TrainModelResult).not.toHaveProperty('version')
        expect(names(calls)).toEqual(['pinTraining', 'buildDataset', 'runTraining'])
      },
    ))

  it('an attempt after a crash is of the same run', async () => {
    let attempts = 0
    await withFakes(
      {
        runTraining: () => {
          attempts += 1
          if (attempts === 1) failWith('io')
          return Promise.resolve(trained)
        },
      },
      async (calls) => {
        const result = (await (await start('trainModel', of)).result()) as TrainModelResult
        expect(inputsOf(calls, 'runTraining')).toMatchObject(Array(2).fill({ runId: result.runId }))
        expect(names(calls)).not.toContain('finishRun')
      },
    )
  })

  it.each([
    ['failed', 'FAILED'],
    ['cancelled', 'KILLED'],
  ] as const)('a training that %s leaves a run that is %s, and no version', (how, status) =>
    withFakes(
      { runTraining: how === 'failed' ? () => failWith('training-failed', { final: true }) : endless },
      async (calls) => {
        const handle = await start('trainModel', of)
        await expect.poll(() => names(calls), patient).toContain('runTraining')
        if (how === 'cancelled') await handle.cancel()
        const failure = await failureOf(handle)
        if (how === 'cancelled') expect(failure).toBeInstanceOf(CancelledFailure)
        else expect((failure.cause as ApplicationFailure).type).toBe('training-failed')
        const [{ runId }] = inputsOf(calls, 'runTraining') as [{ runId: string }]
        expect(inputsOf(calls, 'finishRun')).toEqual([{ runId, end: { status } }])
        expect(names(calls)).not.toContain('registerVersion')
        expect(attribute(await handle.describe(), 'FirnStatus')).toBe(how)
      },
    ),
  )

  it('answers its learning curve while it trains', () => {
    let done = false
    return withFakes(
      {
        runTraining: async () => {
          while (!done) await sleep(20)
          return trained
        },
      },
      async (calls) => {
        const handle = await start('trainModel', of)
        await expect.poll(() => names(calls), patient).toContain('runTraining')
        expect(await handle.query('learningCurve')).toEqual([])
        const curve = [{ epoch: 2, loss: 0.25, valLoss: 0.5 }]
        await handle.signal('learning', [...curve, 'no point'])
        expect(await handle.query('learningCurve')).toEqual(curve)
        const { steps } = await handle.query<RunStatus>('status')
        expect(steps[3]?.note).toBe('epoch 2, loss 0.2500, on val 0.5000')
        done = true
        await handle.result()
      },
    )
  })
})

describe('an external trainer', () => {
  const external: FakeActivities = {
    pinTraining: (input) =>
      Promise.resolve({
        ...pinned(input),
        estimator: 'sklearn',
        definition: { kind: 'external', taskQueue: 'sklearn' },
      }),
  }

  it('takes the place of runTraining on its own queue; the run is kept around it', () =>
    withFakes(external, async (calls) => {
      const requests: unknown[] = []
      const worker = await Worker.create({
        ...{ connection: test.connection, taskQueue: 'sklearn' },
        activities: {
          trainExternal: (request: unknown) => {
            requests.push(request)
            if (requests.length === 2) failWith('training-failed', { final: true })
            return Promise.resolve({ ...trained, weightsDigest: 'theirs' })
          },
        },
      })
      await worker.runUntil(async () => {
        const handle = await start('trainModel', of)
        const { runId, trained: theirs } = (await handle.result()) as TrainModelResult
        expect(theirs.weightsDigest).toBe('theirs')
        expect(requests).toMatchObject([{ dataset, runId, pin: { estimator: 'sklearn' } }])
        expect(names(calls).slice(3)).toEqual([
          ...['startRun', 'checkExternal', 'finishRun', 'registerVersion', 'mirrorRegistry'],
        ])
        expect(inputsOf(calls, 'startRun')).toEqual(requests)
        expect(inputsOf(calls, 'finishRun')).toEqual([
          { runId, end: { status: 'FINISHED', trained: theirs } },
        ])
        await failureOf(await start('trainModel', of))
        expect(inputsOf(calls, 'finishRun')[1]).toMatchObject({ end: { status: 'FAILED' } })
      })
    }))

  it('that nobody runs is told by the queue that nobody polls', () =>
    withFakes(
      {
        pinTraining: (input) =>
          Promise.resolve({
            ...pinned(input),
            definition: { kind: 'external', taskQueue: 'nobody-is-here', waitSeconds: 1 },
          }),
      },
      async (calls) => {
        const failure = await failureOf(await start('trainModel', of))
        expect(failure).toMatchObject({ type: 'config', nonRetryable: true })
        expect(failure.message).toMatch(
          /^no worker took the training from task queue "nobody-is-here" within 1 s/,
        )
        expect(inputsOf(calls, 'finishRun')).toMatchObject([{ end: { status: 'FAILED' } }])
      },
    ))
})

describe('searchModel', () => {
  const auc = (value: number) => ({ ...trained, metrics: { ...trained.metrics, cv_auc_mean: value } })
  const depthOf = (pin: { readonly definition: object }): number =>
    (pin.definition as { readonly maxDepth: number }).maxDepth

  it('tries every parameter, leaves out what fails, and registers the best as it was trained', () => {
    let training = 0
    let most = 0
    return withFakes(
      {
        runTraining: async ({ pin }) => {
          training += 1
          most = Math.max(most, training)
          await sleep(100)
          training -= 1
          if (depthOf(pin) === 2) failWith('training-failed', { final: true })
          return auc(depthOf(pin) / 10)
        },
      },
      async (calls) => {
        const handle = await start('searchModel', { ...of, seed: 3 })
        const found = (await handle.result()) as SearchModelResult
        expect(found.trials).toMatchObject([
          { parameters: { maxDepth: 2 }, value: null, error: 'it failed: training-failed' },
          { parameters: { maxDepth: 3 }, value: 0.3 },
          { parameters: { maxDepth: 4 }, value: 0.4 },
        ])
        expect(found.best).toMatchObject({ parameters: { maxDepth: 4 }, runId: found.result.runId })
        expect(found.result).toMatchObject({ version: 1, pin: { seed: 3, tag: 'v_1' } })
        expect(inputsOf(calls, 'runTraining')).toMatchObject(Array(3).fill({ parentRunId: found.runId }))
        // Nobody is told of the curves of trials but their own workflows.
        for (const { tell } of inputsOf(calls, 'runTraining') as { tell: string[] }[])
          expect(tell).toHaveLength(1)
        expect(inputsOf(calls, 'registerVersion')).toMatchObject([
          { runId: found.best.runId, pin: found.result.pin },
        ])
        const { runId, metric, best } = found
        expect(inputsOf(calls, 'finishSearch')).toEqual([{ runId, metric, best, version: 1 }])
        expect(most).toBe(2)
      },
    )
  })

  it('takes the first of the best where less is better', () =>
    withFakes(
      {
        startSearch: () =>
          Promise.resolve({
            ...{ at: 'v_1', estimator: 'trees', metric: 'cv_mae_mean', lowerIsBetter: true },
            trials: [{ maxDepth: 5 }, { maxDepth: 2 }, { maxDepth: 3 }],
          }),
        runTraining: ({ pin }) =>
          Promise.resolve({ ...trained, metrics: { cv_mae_mean: Math.max(3, depthOf(pin)) } }),
      },
      async () => {
        const found = (await (await start('searchModel', of)).result()) as SearchModelResult
        expect(found.best).toMatchObject({ parameters: { maxDepth: 2 }, value: 3 })
      },
    ))

  it('fails where no trial gave the metric, and says why', () =>
    withFakes({ runTraining: () => failWith('training-failed', { final: true }) }, async (calls) => {
      const failure = await failureOf(await start('searchModel', of))
      expect(failure.message).toBe(
        "none of 3 trials gave cv_auc_mean: it failed: training-failed. Correct the model's search, then start it again.",
      )
      const [{ runId }] = inputsOf(calls, 'startSearch') as [{ runId: string }]
      expect(inputsOf(calls, 'finishRun')).toContainEqual({ runId, end: { status: 'FAILED' } })
    }))

  it('passes a cancel on to its trials and waits for them; a trial cancelled by itself is left out', () => {
    let waits = true
    return withFakes(
      { runTraining: ({ pin }) => (waits || depthOf(pin) === 2 ? endless() : Promise.resolve(trained)) },
      async (calls) => {
        const handle = await start('searchModel', of)
        await expect.poll(() => inputsOf(calls, 'runTraining'), patient).toHaveLength(2)
        await handle.cancel()
        expect(await failureOf(handle)).toBeInstanceOf(CancelledFailure)
        for (const number of [1, 2]) {
          const trial = test.client.workflow.getHandle(`${handle.workflowId}-trial-${number}`)
          expect((await trial.describe()).status.name).toBe('CANCELLED')
        }
        const [{ runId }] = inputsOf(calls, 'startSearch') as [{ runId: string }]
        expect(inputsOf(calls, 'finishRun')).toContainEqual({ runId, end: { status: 'KILLED' } })

        waits = false
        const second = await start('searchModel', of)
        const trial = test.client.workflow.getHandle(`${second.workflowId}-trial-1`)
        const ofDepth2 = (): unknown[] =>
          (inputsOf(calls, 'runTraining') as TrainingRequest[]).filter(({ pin }) => depthOf(pin) === 2)
        await expect.poll(ofDepth2, patient).toHaveLength(2)
        await trial.cancel()
        const found = (await second.result()) as SearchModelResult
        expect(found.trials[0]).toMatchObject({ value: null, error: 'it was cancelled' })
        expect(found.best.parameters).toEqual({ maxDepth: 3 })
      },
    )
  })
})

describe('reproduceModel', () => {
  it('finds, builds, trains and compares, and keeps no run', () =>
    withFakes({}, async (calls) => {
      const input = { uri: 'models:/convergence@champion', seed: 8 }
      const handle = await start('reproduceModel', input)
      expect((await handle.result()) as ReproduceResult).toMatchObject({ verdict: 'identical', version: 3 })
      expect(calls.map(({ name, queue }) => `${name} ${queue}`)).toEqual([
        'findVersion firn-control',
        'rebuildDataset firn-train',
        'retrain firn-train',
        'compareReproduction firn-control',
      ])
      const rebuilt = { kind: 'built', dataset }
      expect(inputsOf(calls, 'retrain')).toEqual([{ given: input, recorded, rebuilt }])
      expect(inputsOf(calls, 'compareReproduction')).toEqual([
        { given: input, recorded, rebuilt, retrained: { kind: 'trained', trained } },
      ])
      expect(workflowIds.reproduce(input.uri)).toBe('reproduce-convergence-champion')
    }))

  it('of an external model asks its trainer again; without data nobody is asked', () => {
    const theirs = {
      ...recorded,
      pin: { ...recorded.pin, definition: { kind: 'external' as const, taskQueue: 'sklearn' } },
    }
    let available = true
    return withFakes(
      {
        findVersion: () => Promise.resolve(theirs),
        rebuildDataset: () =>
          Promise.resolve(
            available ? { kind: 'built', dataset } : { kind: 'unavailable', reason: 'it is gone' },
          ),
      },
      async (calls) => {
        const requests: unknown[] = []
        const worker = await Worker.create({
          ...{ connection: test.connection, taskQueue: 'sklearn' },
          activities: {
            trainExternal: (request: unknown) => {
              requests.push(request)
              return Promise.resolve(trained)
            },
          },
        })
        await worker.runUntil(async () => {
          await (await start('reproduceModel', { uri: 'models:/convergence/3', seed: 8 })).result()
          expect(requests).toMatchObject([{ dataset, tell: [], pin: { seed: 8, tag: theirs.pin.tag } }])
          expect(names(calls)).not.toContain('retrain')
          available = false
          await (await start('reproduceModel', { uri: 'models:/convergence/3' })).result()
          expect(requests).toHaveLength(1)
          expect(inputsOf(calls, 'compareReproduction')[1]).toMatchObject({
            retrained: { kind: 'unavailable', reason: 'there is no data set to train on' },
          })
        })
      },
    )
  })
})

describe('the night and the trainers', () => {
  it('asks for the trainings that are due once a batch is published, and does not wait for them', () =>
    withFakes({ listDueTrainings: () => Promise.resolve(['convergence', 'energy']) }, async (calls) => {
      const handle = await start('nightly', { pipeline: 'quantum', date: '2026-07-01' })
      const result = (await handle.result()) as NightlyResult
      expect(result.trainings).toEqual(['convergence', 'energy'])
      expect(inputsOf(calls, 'requestTraining')).toEqual([of, { ...of, model: 'energy' }])
      expect(names(calls)).not.toContain('runTraining')
      const at = (name: string): number => names(calls).indexOf(name)
      expect(at('requestTraining')).toBeGreaterThan(at('publishBatch'))
      const { steps } = await handle.query<RunStatus>('status')
      expect(steps[3]).toMatchObject({ name: 'train', note: 'asked for: convergence, energy' })
    }))

  it('asks by a signal that starts a trainer where none runs', () => {
    const { requestTraining } = createModelActivities({} as LakeDeps, {} as ModelRegistry)
    const fakes: FakeActivities = {
      listDueTrainings: () => Promise.resolve(['convergence']),
      requestTraining,
    }
    return withFakes(fakes, async (calls) => {
      const trainer = test.client.workflow.getHandle(workflowIds.trainer('quantum', 'convergence'))
      for (const nights of [1, 2]) {
        const night = await start('nightly', { pipeline: 'quantum', date: `2026-07-0${nights}` })
        await night.result()
        await expect
          .poll(async () => (await trainer.query<TrainerStatus>('status')).trained, patient)
          .toBe(nights)
      }
      expect(names(calls).filter((name) => name === 'registerVersion')).toHaveLength(2)
      await trainer.cancel()
    })
  })
})
