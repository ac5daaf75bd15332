import { heartbeat, sleep } from '@temporalio/activity'
import { WorkflowFailedError, type WorkflowHandle } from '@temporalio/client'
import { ApplicationFailure, rootCause } from '@temporalio/common'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { LandResult } from '../../schemas/messages.js'
import { TASK_QUEUES, type RunStatus } from '../../schemas/workflow-names.js'
import {
  failWith,
  startTestServer,
  withFakeLake,
  type FakeActivities,
  type TestServer,
} from './support/fake-lake.js'
import { fakeTopic, type FakeTopic } from './support/fake-topic.js'

let test: TestServer
beforeAll(async () => {
  // So that a landing of many rounds is told soon that its history has grown long.
  const extraArguments = ['--dynamic-config-value', 'limit.historyCount.suggestContinueAsNew=60']
  test = await startTestServer({ extraArguments })
})
afterAll(() => test.close())

let runs = 0
function land(input: object = {}): Promise<WorkflowHandle> {
  return test.client.workflow.start('landSource', {
    workflowId: `land-${(runs += 1)}`,
    taskQueue: TASK_QUEUES.control,
    args: [{ pipeline: 'churn', ...input }],
  })
}
async function landed(handle: WorkflowHandle): Promise<LandResult> {
  return (await handle.result()) as LandResult
}
function withTopic<T>(topic: FakeTopic, overrides: FakeActivities, run: () => Promise<T>): Promise<T> {
  return withFakeLake(test.connection, { ...topic.activities, ...overrides }, run)
}
const offsets = (partition: number, count: number): string[] =>
  Array.from({ length: count }, (_, offset) => `${partition}:${offset}`)

describe('landSource of a topic', () => {
  it('fetches the slices side by side, commits them whole, and lands nothing twice', async () => {
    const topic = fakeTopic({ partitions: 3 })
    for (const partition of [0, 1, 2]) topic.produce(partition, 10, undefined, 30)
    let together = 0
    let most = 0
    const told: unknown[] = []
    await withTopic(
      topic,
      {
        fetchLanding: async (input) => {
          together += 1
          most = Math.max(most, together)
          // Until another one is there: they would wait for ever, one after the other.
          for (let turns = 0; most < 2 && turns < 1000; turns += 1) await sleep(10)
          together -= 1
          if (input.plan.kind === 'topic') told.push([input.plan.ranges.length, input.plan.seen.length])
          return topic.activities.fetchLanding(input)
        },
      },
      async () => {
        const handle = await land()
        expect(await landed(handle)).toMatchObject({
          ...{ files: 0, objects: 3, records: 6, deadLetters: 3 },
          deadLetterKinds: { 'malformed-json': 3 },
          partitions: [0, 1, 2].map((partition) => ({ partition, records: 2, maxEventTimeMs: 30 })),
        })
        expect(most).toBeGreaterThan(1)
        // Each of its own offsets only: payloads do not grow with slices times partitions.
        expect(told).toEqual([0, 1, 2].map(() => [1, 0]))
        expect(topic.commits).toEqual([6])
        expect((await handle.query<RunStatus>('status')).status).toBe('done')
        const again = await land()
        expect(await landed(again)).toMatchObject({ objects: 0, records: 0, deadLetters: 0 })
        expect((await again.query<RunStatus>('status')).status).toBe('no_changes')
      },
    )
    expect(topic.committed.toSorted()).toEqual([0, 1, 2].flatMap((partition) => offsets(partition, 3)))
  })

  it('ends at what its first plan saw, in as many rounds as that takes, although producers go on', async () => {
    const topic = fakeTopic({ partitions: 2, maxRecords: 5 })
    topic.produce(0, ...Array.from({ length: 30 }, (_, i) => i))
    topic.produce(1, ...Array.from({ length: 20 }, (_, i) => i))
    let first = ''
    await withTopic(
      topic,
      {
        commitLanding: (landing) => {
          topic.produce(1, 99)
          return topic.activities.commitLanding(landing)
        },
      },
      async () => {
        const handle = await land({ batch: '20260701T020000Z' })
        first = (await handle.describe()).runId
        const result = await landed(handle)
        expect(result).toMatchObject({ records: 50, batch: '20260701T020000Z' })
        // Its history was long enough for several runs, which carried the sums.
        expect((await test.client.workflow.getHandle(handle.workflowId).describe()).runId).not.toBe(first)
      },
    )
    expect(topic.committed.toSorted()).toEqual([...offsets(0, 30), ...offsets(1, 20)].toSorted())
    expect(new Set(topic.plans.map(({ batch }) => batch))).toEqual(new Set(['20260701T020000Z']))
  })

  it('does not give up while another landing of the topic moves on, and finds what that one landed', async () => {
    const topic = fakeTopic({ partitions: 1 })
    topic.produce(0, ...Array.from({ length: 10 }, (_, i) => i))
    let others = 0
    await withTopic(
      topic,
      {
        // Eight times somebody else lands the next record first.
        commitLanding: async (landing) => {
          if (landing.plan.kind === 'topic' && others < 8) {
            const [range] = landing.plan.ranges
            if (range === undefined) throw new Error('a plan without ranges')
            const one = { ...landing.plan, ranges: [{ ...range, end: range.first + 1 }] }
            await topic.activities.commitLanding({ plan: one, fetched: [] })
            others += 1
          }
          return topic.activities.commitLanding(landing)
        },
      },
      async () => expect(await landed(await land())).toMatchObject({ records: 2 }),
    )
    expect(topic.committed).toEqual(offsets(0, 10))
  })

  it('stops the other slices where one fails, and fails itself with the answer that is asked for', async () => {
    const topic = fakeTopic({ partitions: 2 })
    topic.produce(0, 1)
    topic.produce(1, 1)
    let stopped = false
    await withTopic(
      topic,
      {
        fetchLanding: async ({ slice }) => {
          if (slice === 0) {
            throw ApplicationFailure.nonRetryable(
              'every record is bad; answer `--accept all-bad`',
              'contract-broken',
            )
          }
          try {
            for (;;) {
              heartbeat()
              await sleep(20)
            }
          } finally {
            stopped = true
          }
        },
      },
      async () => {
        const handle = await land()
        const error: unknown = await handle.result().catch((failure: unknown) => failure)
        expect(error instanceof WorkflowFailedError && rootCause(error.cause)).toContain('--accept all-bad')
        expect(stopped).toBe(true)
      },
    )
    expect(topic.committed).toEqual([])
  })

  it('uses an answer up: losing offsets is accepted once, not for what is lost after it', async () => {
    const topic = fakeTopic({ partitions: 1, maxRecords: 2 })
    topic.produce(0, 1, 2, 3, 4, 5)
    let asked = 0
    await withTopic(
      topic,
      {
        planLanding: async (input) => {
          const plan = await topic.activities.planLanding(input)
          if (plan.kind !== 'topic') return plan
          if (!(input.accept ?? []).includes('lost-offsets')) {
            asked += 1
            return asked === 1 ? failWith('offsets-lost', { final: true }) : plan
          }
          return { ...plan, gaps: [{ partition: 0, first: 0, end: 0, reason: 'retention' }] }
        },
      },
      async () => {
        await expect((await land()).result()).rejects.toThrow()
        const result = await landed(await land({ accept: ['lost-offsets', 'all-bad'] }))
        expect(result.records).toBe(5)
      },
    )
    expect(topic.plans.map(({ accept }) => accept)).toEqual([
      undefined,
      ['lost-offsets', 'all-bad'],
      ['all-bad'],
      ['all-bad'],
    ])
  })
})
