import { sleep } from '@temporalio/activity'
import { WorkflowUpdateFailedError, type WorkflowHandle } from '@temporalio/client'
import { CancelledFailure, rootCause } from '@temporalio/common'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { PromoteResult, TrainerStatus } from '../../schemas/model-messages.js'
import { workflowIds } from '../../schemas/workflow-names.js'
import {
  attribute,
  failWith,
  startTestServer,
  withFakeLake,
  type Call,
  type FakeActivities,
  type TestServer,
} from './support/fake-lake.js'
import { pinned, trained } from './support/fake-training.js'
import { endless, failureOf, inputsOf, namesOf as names, patient, startOn } from './support/run-workflows.js'

let test: TestServer
beforeAll(async () => {
  // So that a long-lived workflow is told soon that its history has grown long.
  const extraArguments = ['--dynamic-config-value', 'limit.historyCount.suggestContinueAsNew=60']
  test = await startTestServer({ extraArguments })
})
afterAll(() => test.close())

const of = { pipeline: 'quantum', model: 'convergence' }
const start = (workflow: string, input: unknown): Promise<WorkflowHandle> => startOn(test, workflow, input)
const withFakes = <T>(fakes: FakeActivities, run: (calls: Call[]) => Promise<T>): Promise<T> =>
  withFakeLake(test.connection, fakes, run)

describe('trainer', () => {
  const status = (handle: WorkflowHandle): Promise<TrainerStatus> => handle.query('status')
  const until = (handle: WorkflowHandle, ended: number): Promise<void> =>
    expect.poll(async () => (await status(handle)).trained, patient).toBe(ended)
  async function stop(handle: WorkflowHandle): Promise<void> {
    await handle.cancel()
    expect(await failureOf(handle)).toBeInstanceOf(CancelledFailure)
  }

  it('trains one at a time, turns the requests that wait into one, and tells a failure until one goes well', () => {
    const seeds: number[] = []
    let [training, most] = [0, 0]
    return withFakes(
      {
        runTraining: async ({ pin }) => {
          seeds.push(pin.seed)
          training += 1
          most = Math.max(most, training)
          await sleep(400)
          training -= 1
          if (pin.seed === 3) failWith('training-failed', { final: true })
          return trained
        },
      },
      async () => {
        const handle = await start('trainer', of)
        await handle.signal('train', { seed: 1 })
        await expect.poll(() => seeds, patient).toEqual([1])
        await handle.signal('train')
        await handle.signal('train', { seed: 2 })
        await handle.signal('train', { seed: 3 })
        expect(await status(handle)).toMatchObject({ running: true, pending: { seed: 3 } })
        await until(handle, 2)
        expect(seeds).toEqual([1, 3])
        expect(most).toBe(1)
        expect(await status(handle)).toMatchObject({
          ...{ running: false, failed: 1, lastVersion: 1 },
          lastError: 'it failed: training-failed',
        })
        expect(attribute(await handle.describe(), 'FirnStatus')).toBe('failed')
        await handle.signal('train', null)
        await until(handle, 3)
        expect(seeds).toEqual([1, 3, 0])
        expect(await status(handle)).not.toHaveProperty('lastError')
        await stop(handle)
      },
    )
  })

  it('tells what cannot be trained and waits for the next signal: a wrong request, a model that is gone', () => {
    let gone = true
    return withFakes(
      {
        pinTraining: (input) =>
          gone ? failWith('not-found', { final: true }) : Promise.resolve(pinned(input)),
      },
      async (calls) => {
        const handle = await start('trainer', of)
        await handle.signal('train', { sed: 1 })
        await until(handle, 1)
        expect((await status(handle)).lastError).toMatch(
          /the signal train: there is no field `sed`; known are at, seed/,
        )
        await handle.signal('train', {})
        await until(handle, 2)
        expect((await status(handle)).lastError).toBe('it failed: not-found')
        expect(names(calls)).toEqual(['pinTraining'])
        gone = false
        await handle.signal('train')
        await until(handle, 3)
        expect(await status(handle)).toMatchObject({ failed: 2, lastVersion: 1 })
        await stop(handle)
      },
    )
  })

  it('promotes while it trains; a wrong request is refused before it is one', () =>
    withFakes({ runTraining: endless }, async (calls) => {
      const handle = await start('trainer', of)
      await handle.signal('train', {})
      await expect.poll(() => names(calls), patient).toContain('runTraining')
      const request = { version: 2, by: 'ada', reason: 'better' }
      const result = await handle.executeUpdate<PromoteResult, [object]>('promote', { args: [request] })
      expect(result).toMatchObject({ version: 2, alias: 'champion', promoted: true })
      expect(inputsOf(calls, 'promoteVersion')).toEqual([{ ...of, request }])
      // Told to the tracking server at once.
      expect(names(calls).at(-1)).toBe('mirrorRegistry')
      for (const wrong of [{ version: 0 }, { version: 1, aliaz: 'x' }, {}]) {
        const refused: unknown = await handle
          .executeUpdate('promote', { args: [wrong] })
          .catch((error: unknown) => error)
        expect(refused).toBeInstanceOf(WorkflowUpdateFailedError)
        expect(rootCause((refused as WorkflowUpdateFailedError).cause)).toMatch(/^the update promote: /)
      }
      expect((await status(handle)).running).toBe(true)
      await stop(handle)
      expect(inputsOf(calls, 'finishRun')).toMatchObject([{ end: { status: 'KILLED' } }])
    }))

  it('goes on when somebody cancels its training, with what is asked for next', () => {
    let endlessly = true
    return withFakes(
      { runTraining: () => (endlessly ? endless() : Promise.resolve(trained)) },
      async (calls) => {
        const handle = await start('trainer', of)
        await handle.signal('train', {})
        await expect.poll(() => names(calls), patient).toContain('runTraining')
        await test.client.workflow.getHandle(workflowIds.train('quantum', 'convergence')).cancel()
        await until(handle, 1)
        expect((await status(handle)).lastError).toBe('it was cancelled')
        endlessly = false
        await handle.signal('train', {})
        await until(handle, 2)
        expect(await status(handle)).toMatchObject({ failed: 1, lastVersion: 1 })
        await stop(handle)
      },
    )
  })

  it('shows the curve of the training that runs, which is told of it, then that of the last one', () => {
    let done = false
    return withFakes(
      {
        runTraining: async () => {
          while (!done) await sleep(20)
          return trained
        },
      },
      async (calls) => {
        const handle = await start('trainer', of)
        await handle.signal('train', {})
        await expect.poll(() => names(calls), patient).toContain('runTraining')
        const [{ tell }] = inputsOf(calls, 'runTraining') as [{ tell: string[] }]
        expect(tell).toEqual([workflowIds.train('quantum', 'convergence'), handle.workflowId])
        const curve = Array.from({ length: 500 }, (_, epoch) => ({ epoch, loss: 1 }))
        await handle.signal('learning', curve)
        const shown = await handle.query<object[]>('learningCurve')
        expect(shown.length).toBeLessThanOrEqual(200)
        expect(shown.at(-1)).toEqual({ epoch: 499, loss: 1 })
        done = true
        await until(handle, 1)
        await handle.signal('learning', curve)
        expect(await handle.query('learningCurve')).toEqual(trained.curve)
        await stop(handle)
      },
    )
  })

  it('goes on as new when its history has grown long, with what it knows and what waits', () =>
    withFakes({}, async () => {
      const handle = await start('trainer', of)
      const first = (await handle.describe()).runId
      for (let ended = 1; ended <= 6; ended += 1) {
        await handle.signal('train', { seed: ended })
        await until(handle, ended)
      }
      expect((await handle.describe()).runId).not.toBe(first)
      expect(await status(handle)).toMatchObject({ trained: 6, failed: 0, lastVersion: 1 })
      expect(await handle.query('learningCurve')).toEqual(trained.curve)
      await test.client.workflow.getHandle(handle.workflowId).cancel()
    }))

  it('a search that is asked for is a child of it too, and ignores the estimator', () =>
    withFakes({}, async (calls) => {
      const handle = await start('trainer', of)
      await handle.signal('train', { search: true, seed: 5, estimator: 'other' })
      await until(handle, 1)
      expect(await status(handle)).toMatchObject({ failed: 0, lastVersion: 1 })
      expect(inputsOf(calls, 'startSearch')).toMatchObject([{ input: { ...of, seed: 5 } }])
      await stop(handle)
    }))
})
