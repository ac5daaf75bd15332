import { readdirSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import type { WorkflowHandle } from '@temporalio/client'
import { Worker } from '@temporalio/worker'
import { beforeAll, describe, expect, it } from 'vitest'
import type { NightLook } from '../../schemas/night-look.js'
import type { StreamStatus } from '../../schemas/stream-messages.js'
import { TASK_QUEUES, workflowIds } from '../../schemas/workflow-names.js'
import { installRuntime } from '../../workers/runtime.js'
import { workflowBundlePath } from '../../workers/workflow-bundle.js'
import {
  failWith,
  landed,
  maintained,
  startTestServer,
  withFakeLake,
  type FakeActivities,
  type TestServer,
} from './support/fake-lake.js'
import { pinned, trained } from './support/fake-training.js'
import { fakeTopic } from './support/fake-topic.js'
import { historiesFolder, isRecorded, readHistory, recordHistory } from './support/histories.js'
import { recordBackfills } from './support/record-backfills.js'
import { endless } from './support/run-workflows.js'

/**
 * Runs that are under way when a new version starts must replay on it. To record those that are missing (to record anew after
 * a change that is meant, with every running workflow drained first, delete the old one):
 * FIRN_RECORD_HISTORIES=1 npx vitest run test/workflows/replay.test.ts
 */
const options = { workflowBundle: { codePath: workflowBundlePath() } }

beforeAll(async () => {
  if (process.env['FIRN_RECORD_HISTORIES'] === '1') await record()
  else installRuntime({ level: 'error', shutdownSignals: [] })
}, 120_000)

describe('recorded histories', () => {
  const files = readdirSync(historiesFolder).sort()

  it('hold a run of every workflow', () => {
    expect(files.map((file) => file.replace('.binpb', ''))).toEqual(
      expect.arrayContaining([
        'backfill',
        'backfill-as-new',
        'backfill-cancelled',
        'backfill-failed',
        'buildFeatures',
        'landSource',
        'landSource-topic',
        'maintainLake',
        'maintainLake-cancelled',
        'maintainLake-failed',
        'maintainLake-recorded',
        'nightly',
        'nightly-in-turn',
        'nightly-quiet',
        'reproduceModel',
        'scoreBatch',
        'searchModel',
        'streamSource',
        'streamSource-as-new',
        'streamSource-paused',
        'trainModel',
        'trainModel-cancelled',
        'trainModel-external',
        'trainModel-failed',
        'trainer',
        'trainer-as-new',
      ]),
    )
  })

  it.each(files)('replay on the workflows of today: %s', async (file) => {
    // The id that it was recorded under: a search names its trials after its own.
    await Worker.runReplayHistory(options, readHistory(file), file.replace('.binpb', ''))
  })

  it('do not replay on workflows that do something else', async () => {
    const history = readHistory('landSource.binpb')
    for (const { activityTaskScheduledEventAttributes: scheduled } of history.events) {
      if (scheduled?.activityType?.name === 'planLanding') scheduled.activityType.name = 'somethingElse'
    }
    await expect(Worker.runReplayHistory(options, history)).rejects.toThrow(/[Nn]ondeterminism/)
  })
})

async function record(): Promise<void> {
  // So that a stream is told soon that its history has grown long.
  const extraArguments = ['--dynamic-config-value', 'limit.historyCount.suggestContinueAsNew=100']
  const test = await startTestServer({ extraArguments })
  try {
    await recordNight(test)
    await recordMaintenances(test)
    await recordTrainings(test)
    await recordLandings(test)
    await recordBackfills(test, (...of) => save(test, ...of))
  } finally {
    await test.close()
  }
}

async function save({ client }: TestServer, name: string, workflowId: string, runId?: string): Promise<void> {
  if (isRecorded(name)) return
  await recordHistory(name, client.workflow.getHandle(workflowId, runId))
}

async function start(
  { client }: TestServer,
  workflow: string,
  workflowId: string,
  given: unknown,
): Promise<WorkflowHandle> {
  return client.workflow.start(workflow, { workflowId, taskQueue: TASK_QUEUES.control, args: [given] })
}

async function recordNight(test: TestServer): Promise<void> {
  const input = { pipeline: 'quantum', batch: '20260701T020000Z' }
  let refused = false
  let [isQuiet, isSlow] = [false, false]
  await withFakeLake(
    test.connection,
    {
      // So that the history of buildFeatures holds a rebuild.
      runChecks: () => {
        if (refused) return Promise.resolve({ passed: true, results: [] })
        refused = true
        return failWith('stage-expired')
      },
      listDueTrainings: () => Promise.resolve(['convergence']),
      lookAtNight: () => Promise.resolve(isQuiet ? quietLook(input.batch) : {}),
      commitLanding: async ({ plan, fetched }) => {
        if (isSlow) await sleep(1000)
        return landed(plan, fetched)
      },
    },
    async (calls) => {
      const execute = async (workflow: string, workflowId: string, given: unknown): Promise<void> => {
        await (await start(test, workflow, workflowId, given)).result()
        await save(test, workflow, workflowId)
      }
      await execute('nightly', 'nightly', { pipeline: 'quantum', date: '2026-07-01' })
      await save(test, 'landSource', workflowIds.land('quantum'))
      await save(test, 'buildFeatures', workflowIds.build('quantum'))
      await execute('scoreBatch', 'score', { ...input, batch: undefined, model: 'convergence' })
      await execute('maintainLake', 'maintain', {})

      isQuiet = true
      await (await start(test, 'nightly', 'nightly-quiet', { pipeline: 'quantum' })).result()
      await save(test, 'nightly-quiet', 'nightly-quiet')
      isQuiet = false
      isSlow = true
      calls.length = 0
      const first = await start(test, 'nightly', 'first', { ...input, maintain: false })
      while (!calls.some(({ name }) => name === 'commitLanding')) await sleep(20)
      await (await start(test, 'nightly', 'nightly-in-turn', { ...input, maintain: false })).result()
      await first.result()
      await save(test, 'nightly-in-turn', 'nightly-in-turn')
    },
  )
}

function quietLook(batch: string): NightLook {
  const about = { pipeline: 'quantum', source: 'experiments', batch, from: '/landing', incarnation: 'i' }
  const land = landed({ ...about, files: 0, bytes: 0, first: 3, end: 3 }, [])
  const missed = [{ batch: '20260630T020000Z', why: 'no night was started' }]
  return { batch, missed, nothing: { land, late: [{ source: 'experiments', lateAfter: '26h' }] } }
}

/** Maintenance that records what it did: after another attempt, of a table that fails, of what was done before a cancel. */
async function recordMaintenances(test: TestServer): Promise<void> {
  let attempts = 0
  let begun = false
  const fakes: FakeActivities = {
    maintainTable: ({ table, due, only }) => {
      if (only !== undefined && table === 'q.b') {
        begun = true
        return endless()
      }
      if (due !== true && only === undefined) return failWith('data-invalid', { final: true })
      attempts += 1
      return attempts === 1 ? failWith('io') : Promise.resolve(maintained(table))
    },
  }
  await withFakeLake(test.connection, fakes, async () => {
    const run = (name: string, given: object) => start(test, 'maintainLake', name, given)
    const recorded = await run('maintainLake-recorded', { pipeline: 'quantum', due: true })
    await recorded.result()
    const failed = await run('maintainLake-failed', { tables: ['q.a'] })
    await failed.result()
    const cancelled = await run('maintainLake-cancelled', { only: ['compact'] })
    while (!begun) await sleep(50)
    await cancelled.cancel()
    await cancelled.result().catch(() => undefined)
    for (const { workflowId } of [recorded, failed, cancelled]) await save(test, workflowId, workflowId)
  })
}

/** Trainings that go well after another attempt, fail, are cancelled, are somebody else's; and what asks for them. */
async function recordTrainings(test: TestServer): Promise<void> {
  const of = { pipeline: 'quantum', model: 'convergence' }
  const attempts = new Map<number, number>()
  const fakes: FakeActivities = {
    pinTraining: (input) => {
      const pin = pinned(input)
      if (input.estimator !== 'sklearn') return Promise.resolve(pin)
      return Promise.resolve({ ...pin, definition: { kind: 'external', taskQueue: TASK_QUEUES.train } })
    },
    runTraining: async ({ pin: { seed }, tell }) => {
      attempts.set(seed, (attempts.get(seed) ?? 0) + 1)
      if (seed === 2) return endless()
      if (seed === 3) return failWith('training-failed', { final: true })
      if (attempts.get(seed) === 1) return failWith('io')
      for (const id of tell) await test.client.workflow.getHandle(id).signal('learning', trained.curve)
      return trained
    },
  }
  await withFakeLake(test.connection, fakes, async (calls) => {
    const run = async (name: string, workflow: string, given: object): Promise<void> => {
      const handle = await start(test, workflow, name, given)
      if (name.endsWith('cancelled')) {
        while (!attempts.has(2)) await sleep(50)
        await handle.cancel()
      }
      await handle.result().catch(() => undefined)
      await save(test, name, name)
    }
    await run('trainModel', 'trainModel', { ...of, seed: 1 })
    await run('trainModel-failed', 'trainModel', { ...of, seed: 3 })
    await run('trainModel-cancelled', 'trainModel', { ...of, seed: 2 })
    await run('trainModel-external', 'trainModel', { ...of, estimator: 'sklearn' })
    await run('searchModel', 'searchModel', of)
    await run('reproduceModel', 'reproduceModel', { uri: 'models:/convergence/1' })

    const trainer = await start(test, 'trainer', 'trainer', of)
    const ended = async (handle: WorkflowHandle): Promise<number> =>
      (await handle.query<{ trained: number }>('status')).trained
    await trainer.signal('train', { seed: 2 })
    const begun = attempts.get(2) ?? 0
    while ((attempts.get(2) ?? 0) === begun) await sleep(50)
    await trainer.executeUpdate('promote', { args: [{ version: 1 }] })
    await trainer.signal('train', { seed: 3 })
    await trainer.signal('train', { seed: 1, at: 'v_2' })
    await test.client.workflow.getHandle(workflowIds.train('quantum', 'convergence')).cancel()
    while ((await ended(trainer)) < 2) await sleep(50)
    await trainer.signal('train', { search: true })
    while ((await ended(trainer)) < 3) await sleep(50)
    await trainer.cancel()
    await trainer.result().catch(() => undefined)
    await save(test, 'trainer', 'trainer')
    expect(calls.some(({ name }) => name === 'promoteVersion')).toBe(true)

    const { runId } = await (await start(test, 'trainer', 'long', of)).describe()
    const long = test.client.workflow.getHandle('long')
    for (let seed = 10; (await long.describe()).runId === runId; seed += 1) {
      attempts.set(seed, 1)
      const before = await ended(long)
      await long.signal('train', { seed })
      while ((await ended(long)) === before) await sleep(50)
    }
    await long.cancel()
    await save(test, 'trainer-as-new', 'long', runId)
  })
}

/** A bounded landing of three rounds; a stream that drains, one that is answered and retried, one that goes on as new. */
async function recordLandings(test: TestServer): Promise<void> {
  const topic = fakeTopic({ partitions: 2, maxRecords: 3 })
  let failure: 'none' | 'io' | 'offsets-lost' = 'none'
  await withFakeLake(
    test.connection,
    {
      ...topic.activities,
      planLanding: (input) => {
        if (failure === 'none') return topic.activities.planLanding(input)
        if (failure === 'io') failWith('io')
        return failWith('offsets-lost', { final: true })
      },
      refreshWindows: ({ source = '', batch }) =>
        Promise.resolve({ source, batch, status: 'refreshed', rowEnd: 1, tables: [] }),
    },
    async () => {
      const input = { pipeline: 'churn', source: 'events', maxAgeMs: 100 }
      const until = async (stream: WorkflowHandle, is: (status: StreamStatus) => boolean): Promise<void> => {
        while (!is(await stream.query<StreamStatus>('status'))) await sleep(50)
      }
      topic.produce(0, 1, 2, undefined, 4)
      topic.produce(1, 1, 2, 3)
      await (await start(test, 'landSource', 'land', { pipeline: 'churn' })).result()
      await save(test, 'landSource-topic', 'land')

      topic.produce(0, 5)
      const stream = await start(test, 'streamSource', 'stream', input)
      await until(stream, ({ landed, windows }) => landed.batches > 0 && windows.publishedAtMs !== undefined)
      topic.produce(1, 6, 7, 8, 9)
      await stream.signal('drain')
      await stream.result()
      await save(test, 'streamSource', 'stream')

      const paused = await start(test, 'streamSource', 'paused', input)
      failure = 'io'
      topic.produce(0, 10)
      await until(paused, ({ retry }) => retry !== undefined)
      failure = 'offsets-lost'
      await paused.signal('resume')
      await until(paused, ({ pause }) => pause !== undefined)
      failure = 'none'
      await paused.signal('resume', { accept: ['lost-offsets'] })
      await until(paused, ({ landed }) => landed.batches > 0)
      await paused.signal('pause')
      await paused.signal('drain')
      await paused.result()
      await save(test, 'streamSource-paused', 'paused')

      const long = await start(test, 'streamSource', 'long', input)
      const { runId } = await long.describe()
      const endless = test.client.workflow.getHandle('long')
      while ((await endless.describe()).runId === runId) {
        topic.produce(0, 11)
        await sleep(50)
      }
      await endless.signal('drain')
      await endless.result()
      await save(test, 'streamSource-as-new', 'long', runId)
    },
  )
}
