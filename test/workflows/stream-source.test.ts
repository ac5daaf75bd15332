import { heartbeat, sleep } from '@temporalio/activity'
import { WorkflowFailedError } from '@temporalio/client'
import { ApplicationFailure, CancelledFailure } from '@temporalio/common'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { WindowRefreshInput } from '../../schemas/messages.js'
import type { StreamSourceInput } from '../../schemas/stream-messages.js'
import { TASK_QUEUES, workflowIds } from '../../schemas/workflow-names.js'
import {
  attribute,
  failWith,
  startTestServer,
  withFakeLake,
  type FakeActivities,
  type TestServer,
} from './support/fake-lake.js'
import { fakeTopic } from './support/fake-topic.js'
import { withStreamOn } from './support/with-stream.js'

let test: TestServer
beforeAll(async () => {
  // So that a stream is told soon that its history has grown long.
  const extraArguments = ['--dynamic-config-value', 'limit.historyCount.suggestContinueAsNew=100']
  test = await startTestServer({ extraArguments })
})
afterAll(() => test.close())

const WAIT = { timeout: 45_000, interval: 50 }

type Rest = Parameters<typeof withStreamOn> extends readonly [TestServer, ...infer R] ? R : never
const withStream = (...rest: Rest): Promise<void> => withStreamOn(test, ...rest)
const all = (partition: number, count: number): string[] =>
  Array.from({ length: count }, (_, offset) => `${partition}:${offset}`)
const final = (kind: string, accept?: string): never => {
  throw ApplicationFailure.create({
    message: `it needs an answer: ${kind}.`,
    type: kind,
    nonRetryable: true,
    details: accept === undefined ? [] : [{ topic: 'events', accept }],
  })
}

describe('streamSource', () => {
  it('lands what is there once it is old enough, and is idle then, on queues of its own', async () => {
    const topic = fakeTopic({ partitions: 2 })
    await withStream(topic, {}, {}, async ({ handle, status, drained }, calls) => {
      await expect.poll(async () => (await status()).lag, WAIT).toBeUndefined()
      topic.produce(0, 1000, undefined)
      topic.produce(1, 3000)
      await expect.poll(async () => (await status()).landed.batches, WAIT).toBeGreaterThan(0)
      await expect.poll(() => topic.committed.length, WAIT).toBe(3)
      expect(await status()).toMatchObject({
        ...{ status: 'running', pipeline: 'churn', source: 'events', lag: 0, watermarkMs: 1000 },
        landed: { records: 2, deadLetters: 1, bytes: 3, deadLetterKinds: { 'malformed-json': 1 } },
        idlePartitions: [],
      })
      const description = await handle.describe()
      expect(attribute(description, 'FirnPipeline')).toBe('churn')
      expect(attribute(description, 'FirnStatus')).toBe('running')
      expect(await drained()).toMatchObject({
        pipeline: 'churn',
        source: 'events',
        landed: { records: 2 },
        lag: 0,
      })
      expect((await status()).status).toBe('done')
      expect(attribute(await handle.describe(), 'FirnStatus')).toBe('done')
      const queues = new Set(calls.map(({ name, queue }) => `${name} ${queue}`))
      expect([...queues].toSorted()).toEqual([
        'awaitRecords firn-watch',
        'commitLanding firn-control',
        'fetchLanding firn-stream',
        'planLanding firn-stream',
        'refreshWindows firn-stream',
      ])
    })
    expect(topic.committed.toSorted()).toEqual(['0:0', '0:1', '1:0'])
  })

  it('lands a burst at once, without waiting for its age', async () => {
    const topic = fakeTopic({ partitions: 1 })
    await withStream(topic, {}, { maxAgeMs: 3_600_000, maxRecords: 10 }, async ({ status }) => {
      topic.produce(0, ...Array.from({ length: 9 }, () => 1))
      // Nine are not enough, and their hour is far away.
      await expect.poll(async () => (await status()).steps.length, WAIT).toBe(0)
      topic.produce(0, 1)
      await expect.poll(() => topic.committed.length, WAIT).toBe(10)
    })
    expect(topic.commits).toEqual([10])
  })

  it('plans an idle topic now and then all the same: only a plan sees that it was made anew', async () => {
    const topic = fakeTopic({ partitions: 1 })
    await withStream(
      topic,
      { awaitRecords: () => Promise.resolve({ due: false, pending: 0 }) },
      {},
      async ({ status }) => {
        await expect.poll(() => topic.plans.length, WAIT).toBe(1)
        expect((await status()).landed.batches).toBe(0)
      },
    )
  })

  it('goes on as new under load, with nothing in flight, and neither loses nor doubles a record', async () => {
    const topic = fakeTopic({ partitions: 2, maxRecords: 7 })
    await withStream(topic, {}, { maxRecords: 1, maxAgeMs: 100 }, async ({ handle, status, drained }) => {
      const first = (await handle.describe()).runId
      const known = new Set([first])
      for (let n = 0; known.size < 3; n += 1) {
        topic.produce(n % 2, n)
        if (n % 10 === 0) known.add((await handle.describe()).runId)
        await sleepHere(5)
      }
      const before = (await status()).landed.records
      expect(before).toBeGreaterThan(0)
      const { landed } = await drained()
      expect(landed.records).toBe(topic.committed.length)
      expect(landed.batches).toBe(topic.commits.length)
    })
    expect(new Set(topic.committed).size).toBe(topic.committed.length)
    const last = [0, 1].map((p) => topic.committed.filter((offset) => offset.startsWith(`${p}:`)))
    expect(topic.committed.toSorted()).toEqual(
      last.flatMap((offsets, p) => all(p, offsets.length)).toSorted(),
    )
  })

  it('pauses for an answer with the command that gives it, and goes on with the answer', async () => {
    const topic = fakeTopic({ partitions: 1 })
    topic.produce(0, 1, 2)
    const accept = 'incarnation:0123456789ab'
    await withStream(
      topic,
      {
        planLanding: (input) =>
          input.accept?.includes(accept) === true
            ? topic.activities.planLanding(input)
            : final('source-changed', accept),
      },
      { source: 'events' },
      async ({ handle, status }) => {
        await expect.poll(async () => (await status()).status, WAIT).toBe('paused')
        const answer = `firn stream resume churn --source events --accept ${accept}`
        expect((await status()).pause).toMatchObject({
          ...{ kind: 'source-changed', reason: 'it needs an answer: source-changed.', answer },
        })
        await expect.poll(async () => attribute(await handle.describe(), 'FirnStatus'), WAIT).toBe('paused')
        await handle.signal('resume', { accept: ['nonsense'] })
        expect((await status()).pause?.reason).toMatch(
          /source-changed\. \(the signal resume: `accept` must be/,
        )
        expect(topic.committed).toEqual([])
        await handle.signal('resume', { accept: [accept] })
        await expect.poll(() => topic.committed, WAIT).toEqual(all(0, 2))
        await expect.poll(async () => attribute(await handle.describe(), 'FirnStatus'), WAIT).toBe('running')
      },
    )
  })

  it('holds an answer on bad records for what waited then, and asks again after that', async () => {
    const topic = fakeTopic({ partitions: 1, maxRecords: 2 })
    topic.produce(0, undefined, undefined, undefined, undefined)
    await withStream(
      topic,
      {
        commitLanding: (landing) =>
          landing.plan.kind === 'topic' && landing.plan.accept?.includes('all-bad') === true
            ? topic.activities.commitLanding(landing)
            : final('contract-broken', 'all-bad'),
      },
      {},
      async ({ handle, status }) => {
        await expect.poll(async () => (await status()).pause?.kind, WAIT).toBe('contract-broken')
        await handle.signal('resume', { accept: ['all-bad'] })
        await expect.poll(() => topic.committed, WAIT).toEqual(all(0, 4))
        topic.produce(0, undefined)
        await expect.poll(async () => (await status()).pause?.answer, WAIT).toMatch(/--accept all-bad$/)
        expect(topic.committed).toEqual(all(0, 4))
      },
    )
  })

  it('keeps no answer that nothing had asked for', async () => {
    const topic = fakeTopic({ partitions: 1 })
    const accept = ['lost-offsets', 'all-bad'] as const
    let looks = 0
    const awaitRecords: FakeActivities['awaitRecords'] = async (input) =>
      (looks += 1) === 1 ? { due: false, pending: 0 } : topic.activities.awaitRecords(input)
    await withStream(topic, { awaitRecords }, { accept }, async () => {
      await expect.poll(() => topic.plans.length, WAIT).toBe(1)
      topic.produce(0, 1)
      await expect.poll(() => topic.commits.length, WAIT).toBe(1)
    })
    expect(topic.plans.map((plan) => plan.accept)).toEqual([accept, undefined])
  })
  it('stands still by hand, and drains from there', async () => {
    const topic = fakeTopic({ partitions: 1, maxRecords: 1 })
    await withStream(topic, {}, {}, async ({ handle, status, drained }) => {
      await handle.signal('pause')
      topic.produce(0, 1, 2, 3)
      await expect.poll(async () => (await status()).pause?.kind, WAIT).toBe('asked')
      await sleepHere(600)
      expect(topic.plans).toEqual([])
      expect(topic.committed).toEqual([])
      expect(await drained()).toMatchObject({ landed: { batches: 3, records: 3 } })
    })
    expect(topic.committed).toEqual(all(0, 3))
  })

  it('tries what a service owes again, shown as such, until it is there', async () => {
    const topic = fakeTopic({ partitions: 1 })
    topic.produce(0, 1)
    let broken = true
    await withStream(
      topic,
      { commitLanding: (landing) => (broken ? failWith('io') : topic.activities.commitLanding(landing)) },
      {},
      async ({ handle, status }) => {
        await expect.poll(async () => (await status()).status, WAIT).toBe('retrying')
        expect((await status()).retry).toMatchObject({ kind: 'io', reason: 'it failed: io' })
        await expect.poll(async () => attribute(await handle.describe(), 'FirnStatus'), WAIT).toBe('retrying')
        broken = false
        // Now, not after the pause that grows.
        await handle.signal('resume')
        await expect.poll(async () => (await status()).status, WAIT).toBe('running')
        expect((await status()).retry).toBeUndefined()
      },
    )
    expect(topic.committed).toEqual(all(0, 1))
  })

  it('fails at once where its words are wrong, but pauses once it has run', async () => {
    const topic = fakeTopic({ partitions: 1 })
    let known = false
    const overrides: FakeActivities = {
      planLanding: (input) =>
        known ? topic.activities.planLanding(input) : failWith('not-found', { final: true }),
    }
    topic.produce(0, 1)
    await withStream(topic, overrides, {}, async ({ handle }) => {
      const error: unknown = await handle.result().catch((failure: unknown) => failure)
      expect(error).toBeInstanceOf(WorkflowFailedError)
      expect(attribute(await handle.describe(), 'FirnStatus')).toBe('failed')
    })
    known = true
    await withStream(topic, overrides, {}, async ({ handle, status }) => {
      await expect.poll(() => topic.committed.length, WAIT).toBe(1)
      known = false
      topic.produce(0, 2)
      await expect.poll(async () => (await status()).pause?.answer, WAIT).toBe('firn stream resume churn')
      known = true
      await handle.signal('resume')
      await expect.poll(() => topic.committed.length, WAIT).toBe(2)
    })
  })

  it.each(['awaitRecords', 'planLanding', 'fetchLanding', 'commitLanding'] as const)(
    'is cancelled in %s with nothing half landed, and the next one goes on there',
    async (step) => {
      const topic = fakeTopic({ partitions: 2 })
      topic.produce(0, 1, 2)
      topic.produce(1, 3)
      let reached = false
      const hang = async (): Promise<never> => {
        reached = true
        for (;;) {
          heartbeat()
          await sleep(20)
        }
      }
      await withStream(topic, { [step]: hang }, {}, async ({ handle }) => {
        await expect.poll(() => reached, WAIT).toBe(true)
        await handle.cancel()
        const error: unknown = await handle.result().catch((failure: unknown) => failure)
        expect(error instanceof WorkflowFailedError && error.cause).toBeInstanceOf(CancelledFailure)
        expect(attribute(await handle.describe(), 'FirnStatus')).toBe('cancelled')
      })
      expect(topic.committed).toEqual([])
      await withStream(topic, {}, {}, async ({ drained }) => {
        expect((await drained()).landed.records).toBe(3)
      })
      expect(topic.committed.toSorted()).toEqual(['0:0', '0:1', '1:0'])
    },
  )

  it('goes on where workers end in the middle of a slice, on those that come', async () => {
    const topic = fakeTopic({ partitions: 1 })
    topic.produce(0, 1, 2)
    let reached = false
    const workflowId = workflowIds.stream('churn', 'killed')
    await withFakeLake(
      test.connection,
      {
        ...topic.activities,
        fetchLanding: async () => {
          reached = true
          // Until the worker's end stops it.
          for (;;) await sleep(20)
        },
      },
      async () => {
        const input: StreamSourceInput = { pipeline: 'churn', maxAgeMs: 100 }
        await test.client.workflow.start('streamSource', {
          workflowId,
          taskQueue: TASK_QUEUES.control,
          args: [input],
        })
        await expect.poll(() => reached, WAIT).toBe(true)
      },
    )
    await withFakeLake(test.connection, topic.activities, async () => {
      const handle = test.client.workflow.getHandle(workflowId)
      await handle.signal('drain')
      expect(await handle.result()).toMatchObject({ landed: { batches: 1, records: 2 } })
    })
    expect(topic.committed).toEqual(all(0, 2))
  })
})

describe('a stream’s windows', () => {
  it('are refreshed beside landing, by the watermark, published by the hour, and landing does not wait', async () => {
    const topic = fakeTopic({ partitions: 1 })
    const refreshes: WindowRefreshInput[] = []
    let release = (): void => undefined
    const held = new Promise<void>((resolve) => (release = resolve))
    await withStream(
      topic,
      {
        refreshWindows: async (input) => {
          refreshes.push(input)
          if (refreshes.length === 1) await held
          const tables = [
            { table: 'churn_features.clicks_5m', windows: 1, rows: 2, late: 0, snapshotId: '7' },
          ]
          return { source: 'events', batch: input.batch, status: 'refreshed', rowEnd: 1, tables }
        },
        publishWindows: ({ batch }) => Promise.resolve({ status: 'published', batch }),
      },
      {},
      async ({ status, drained }, calls) => {
        topic.produce(0, 1000)
        await expect.poll(() => refreshes.length, WAIT).toBe(1)
        topic.produce(0, 2000)
        await expect.poll(() => topic.commits.length, WAIT).toBe(2)
        release()
        await expect.poll(async () => (await status()).windows.publishedAtMs, WAIT).toBeDefined()
        expect(refreshes[0]).toMatchObject({ pipeline: 'churn', source: 'events', watermarkMs: 1000 })
        await drained()
        // The last one at the end: it holds what was landed since the first.
        expect(refreshes.map(({ watermarkMs }) => watermarkMs)).toEqual([1000, 2000])
        expect(new Set(refreshes.map(({ batch }) => batch)).size).toBe(2)
        expect(calls.filter(({ name }) => name === 'publishWindows')).toHaveLength(1)
      },
    )
  })

  it('that fail are shown and tried again, and landing goes on', async () => {
    const topic = fakeTopic({ partitions: 1 })
    await withStream(
      topic,
      { refreshWindows: () => failWith('sql-invalid', { final: true }) },
      {},
      async ({ status }) => {
        topic.produce(0, 1000)
        await expect.poll(async () => (await status()).windows.error, WAIT).toBe('it failed: sql-invalid')
        expect((await status()).status).toBe('retrying')
        topic.produce(0, 2000)
        await expect.poll(() => topic.commits.length, WAIT).toBe(2)
      },
    )
  })

  it('take over a watermark that is further than this stream knows', async () => {
    const topic = fakeTopic({ partitions: 1 })
    await withStream(
      topic,
      {
        refreshWindows: ({ batch }) =>
          Promise.resolve({
            source: 'events',
            batch,
            status: 'refreshed',
            rowEnd: 1,
            watermarkMs: 9000,
            tables: [],
          }),
      },
      {},
      async ({ status }) => {
        topic.produce(0, 1000)
        await expect.poll(async () => (await status()).watermarkMs, WAIT).toBe(9000)
      },
    )
  })
})

describe('a stream’s maintenance', () => {
  it('runs as a child of its own on the tables of the stream, and landing does not wait for it', async () => {
    const topic = fakeTopic({ partitions: 1 })
    const maintained: string[] = []
    let release = (): void => undefined
    const held = new Promise<void>((resolve) => (release = resolve))
    const hourAgo = Date.now() - 3_600_000
    await withStream(
      topic,
      {
        listMaintainable: () =>
          Promise.resolve(['churn_features.clicks_5m', 'churn_features.users', 'raw.events']),
        maintainTable: async ({ table, dryRun, due }) => {
          maintained.push(due === true ? table : `all of ${table}`)
          await held
          return {
            ...{ table, dryRun, compactedFiles: 0, writtenFiles: 0, expiredSnapshots: 0, droppedTags: [] },
            ...{ deletedFiles: 0, deletedBytes: 0, orphans: 0, taggedBytes: 0, notes: [] },
          }
        },
      },
      {
        state: {
          landed: { batches: 0, records: 0, deadLetters: 0, bytes: 0 },
          partitions: {},
          windows: { tables: ['churn_features.clicks_5m'] },
          maintenance: { startedAtMs: hourAgo },
        },
      },
      async ({ status, drained }) => {
        topic.produce(0, 1000)
        await expect.poll(() => maintained, WAIT).toEqual(['churn_features.clicks_5m'])
        topic.produce(0, 2000)
        await expect.poll(() => topic.commits.length, WAIT).toBe(2)
        expect((await status()).maintenance).toMatchObject({ batches: 1 })
        await drained()
        release()
        await test.client.workflow.getHandle(workflowIds.maintain()).result()
      },
    )
    expect(maintained).toEqual(['churn_features.clicks_5m', 'raw.events'])
  })

  it('comes after another run that is in the way, and counts nothing as done till then', async () => {
    const topic = fakeTopic({ partitions: 1 })
    let release = (): void => undefined
    const held = new Promise<void>((resolve) => (release = resolve))
    const startedAtMs = Date.now() - 3_600_000
    const maintainTables = (): Promise<readonly string[]> => held.then(() => [])
    const state = {
      landed: { batches: 0, records: 0, deadLetters: 0, bytes: 0 },
      ...{ partitions: {}, windows: {}, maintenance: { startedAtMs } },
    }
    await withStream(topic, { listMaintainable: maintainTables }, { state }, async ({ status, drained }) => {
      const other = await test.client.workflow.start('maintainLake', {
        ...{ taskQueue: TASK_QUEUES.control, workflowId: workflowIds.maintain(), args: [{}] },
      })
      topic.produce(0, 1000)
      await expect.poll(async () => (await status()).maintenance.againAtMs, WAIT).toBeGreaterThan(startedAtMs)
      const { maintenance } = await status()
      expect(maintenance).toEqual({ startedAtMs, againAtMs: expect.any(Number) as number })
      await drained()
      release()
      await other.result()
    })
  })
})

describe('bad input of a stream', () => {
  it('ends it at once with the field, the value and what to do', () =>
    withFakeLake(test.connection, {}, async (calls) => {
      const cases: readonly (readonly [object, RegExp])[] = [
        [
          { windowEveryMs: 29_999 },
          /`windowEveryMs` must be a whole number from 30000 to 86400000, but got 29999/,
        ],
        [{ maxRecords: 0 }, /`maxRecords` must be a whole number from 1 /],
        [{ maxAgeMs: 1.5 }, /`maxAgeMs` must be a whole number/],
        [{ accept: ['yes'] }, /`accept` must be a list of `lost-offsets`/],
        [{ from: '/data' }, /no field `from`; known are pipeline, source, maxRecords/],
      ]
      for (const [n, [input, message]] of cases.entries()) {
        const run = test.client.workflow.execute('streamSource', {
          workflowId: `bad-${n}`,
          taskQueue: TASK_QUEUES.control,
          args: [{ pipeline: 'churn', ...input }],
        })
        const error: unknown = await run.catch((failure: unknown) => failure)
        expect(error instanceof WorkflowFailedError && error.cause).toMatchObject({ type: 'invalid-input' })
        expect(error instanceof WorkflowFailedError && error.cause?.message).toMatch(message)
      }
      expect(calls).toEqual([])
    }))
})

function sleepHere(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
