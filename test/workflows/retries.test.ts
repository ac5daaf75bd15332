import { afterAll, beforeAll, expect, it } from 'vitest'
import { Worker } from '@temporalio/worker'
import { workflowBundlePath } from '../../workers/workflow-bundle.js'
import { listRetrying, retryNow } from '../../workers/retries.js'
import {
  attribute,
  failWith,
  plannedBuild,
  startTestServer,
  withFakeLake,
  type TestServer,
} from './support/fake-lake.js'
import { patient, startOn } from './support/run-workflows.js'

let test: TestServer
beforeAll(async () => {
  test = await startTestServer()
})
afterAll(() => test.close())

it('work that is tried again is listed with its cause, attempt and next time, and can be tried at once', async () => {
  let broken = true
  let tries = 0
  const planBuild = () => {
    tries += 1
    return broken ? failWith('io') : Promise.resolve({ ...plannedBuild, kind: 'nothing-new' as const })
  }
  await withFakeLake(test.connection, { planBuild }, async () => {
    expect(await listRetrying(test.client)).toEqual([])
    const build = await startOn(test, 'buildFeatures', { pipeline: 'quantum' }, "it's-quoted")
    // The fifth attempt is eight seconds after the fourth: until then it waits.
    await expect.poll(async () => (await listRetrying(test.client))[0]?.attempt, patient).toBeGreaterThan(4)
    const status = async () => attribute(await build.describe(), 'FirnStatus')
    expect(await status()).toBe('retrying')
    const [found] = await listRetrying(test.client, "it's-quoted")
    expect(found).toMatchObject({
      workflowId: "it's-quoted",
      workflow: 'buildFeatures',
      activity: 'planBuild',
      attempts: 10,
      state: 'waiting',
      cause: 'io: it failed: io',
    })
    expect(found?.nextTryAt).toMatch(/^\d{4}-.*Z$/)
    expect(await listRetrying(test.client, 'another')).toEqual([])
    const before = tries
    expect(await retryNow(test.client, "it's-quoted", { dryRun: true })).toHaveLength(1)
    expect(tries).toBe(before)
    broken = false
    expect(await retryNow(test.client)).toHaveLength(1)
    expect(await build.result()).toMatchObject({ status: 'no_changes' })
    expect(await status()).toBe('no_changes')
    const { events } = await build.fetchHistory()
    await Worker.runReplayHistory(
      { workflowBundle: { codePath: workflowBundlePath() } },
      { events: events ?? [] },
    )
    expect(tries).toBe(before + 1)
    expect(await retryNow(test.client)).toEqual([])
  })
}, 60_000)
