import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { TASK_QUEUES } from '../../schemas/workflow-names.js'
import { readConfig } from '../../workers/config.js'
import { versioningOf } from '../../workers/versioning.js'
import { runFirn } from '../support/run-firn.js'
import { startTestServer, withFakeLake, type FakeActivities, type TestServer } from './support/fake-lake.js'
import { namesOf, patient } from './support/run-workflows.js'
import { fakeTopic } from './support/fake-topic.js'

const home = mkdtempSync(join(tmpdir(), 'firn-versioning-'))
let test: TestServer
beforeAll(async () => {
  test = await startTestServer()
})
afterAll(async () => {
  await test.close()
  rmSync(home, { recursive: true, force: true })
})

const firn = (...args: readonly string[]) =>
  runFirn(args, { home, env: { TEMPORAL_ADDRESS: test.server.address, FIRN_DEPLOYMENT: 'firn' } })
const workersOf = (buildId: string, fakes: FakeActivities, use: Parameters<typeof withFakeLake>[2]) =>
  withFakeLake(test.connection, fakes, use, { all: versioningOf({ name: 'firn', buildId }) })
const start = (workflow: string, workflowId: string, input: object) =>
  test.client.workflow.start(workflow, { workflowId, taskQueue: TASK_QUEUES.control, args: [input] })

it('a night ends on the build that it was started on, new ones start on the new build, a stream moves on to it', async () => {
  const topic = fakeTopic({ partitions: 1, maxRecords: 3 })
  let open = (): void => undefined
  const gate = new Promise<void>((resolve) => (open = resolve))
  const slow: FakeActivities = {
    ...topic.activities,
    planBuild: async (input) => {
      await gate
      return { kind: 'nothing-new', pipeline: input.pipeline, batch: input.batch, inputTo: 0 }
    },
  }
  await workersOf('one', slow, async (onOne) => {
    try {
      await expect.poll(() => promoted('one'), patient).toBe(0)
      const old = await start('buildFeatures', 'old', { pipeline: 'quantum' })
      const stream = await start('streamSource', 'stream', {
        pipeline: 'churn',
        source: 'events',
        maxAgeMs: 100,
      })
      await expect
        .poll(() => namesOf(onOne), patient)
        .toEqual(expect.arrayContaining(['planBuild', 'awaitRecords']))
      await workersOf('two', topic.activities, async (onTwo) => {
        const refused = await firn('workers', 'promote', 'three')
        expect(refused.stderr).toMatch(
          /deployment firn has no build three: it has .*Start workers of it first/,
        )
        await expect.poll(() => promoted('two'), patient).toBe(0)
        const fresh = await start('buildFeatures', 'fresh', { pipeline: 'quantum' })
        await fresh.result()
        expect(namesOf(onTwo)).toContain('publishBatch')
        expect(namesOf(onOne)).not.toContain('publishBatch')
        const listed = JSON.parse((await firn('workers', 'list', '--json')).stdout) as object[]
        expect(listed).toContainEqual({ deployment: 'firn', buildId: 'two', status: 'current' })
        expect(listed).toContainEqual({ deployment: 'firn', buildId: 'one', status: 'draining' })

        topic.produce(0, 1)
        await expect.poll(() => namesOf(onTwo), patient).toContain('commitLanding')
        await stream.signal('drain')
        await stream.result()

        open()
        expect(await old.result()).toMatchObject({ status: 'no_changes' })
        const { raw } = await old.describe()
        expect(raw.workflowExecutionInfo?.versioningInfo?.deploymentVersion?.buildId).toBe('one')
      })
    } finally {
      // Workers wait for what they run.
      open()
    }
  })
}, 120_000)

async function promoted(buildId: string): Promise<number | null> {
  return (await firn('workers', 'promote', buildId)).code
}

it('versioning is off unless a deployment is named; its build is the version and the workflows of this package', () => {
  expect(versioningOf(readConfig({}).worker.deployment)).toEqual({})
  const { workerDeploymentOptions } = versioningOf(readConfig({ FIRN_DEPLOYMENT: 'firn' }).worker.deployment)
  expect(workerDeploymentOptions?.version.buildId).toMatch(/^\d+\.\d+\.\d+-[0-9a-f]{12}$/)
  expect(() => readConfig({ FIRN_DEPLOYMENT: 'a b' })).toThrow(/FIRN_DEPLOYMENT: give letters/)
  expect(() => readConfig({ FIRN_DEPLOYMENT: 'a.b' })).toThrow(/FIRN_DEPLOYMENT may hold no/)
})
