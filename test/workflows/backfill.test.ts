import { setTimeout as sleep } from 'node:timers/promises'
import { WorkflowFailedError, type WorkflowHandle } from '@temporalio/client'
import { rootCause } from '@temporalio/common'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type {
  BackfillInput,
  BackfillResult,
  BackfillStatus,
  DatesPage,
  DatesQuery,
} from '../../schemas/backfill-messages.js'
import { TASK_QUEUES, workflowIds } from '../../schemas/workflow-names.js'
import {
  attribute,
  failWith,
  nightOf,
  startTestServer,
  withFakeLake,
  type Call,
  type FakeActivities,
  type TestServer,
} from './support/fake-lake.js'
import { endless } from './support/run-workflows.js'

/**
 * The backfill workflow itself, its nights on a lake of fakes. The server says early that a history has grown long, so that
 * short ranges go on as new.
 */
let test: TestServer
beforeAll(async () => {
  test = await startTestServer({
    extraArguments: ['--dynamic-config-value', 'limit.historyCount.suggestContinueAsNew=100'],
  })
})
afterAll(() => test.close())

const PIPELINE = 'quantum'
let started = 0

async function start(input: Omit<BackfillInput, 'pipeline'>): Promise<WorkflowHandle> {
  started += 1
  return test.client.workflow.start('backfill', {
    workflowId: `backfill-${started}`,
    taskQueue: TASK_QUEUES.control,
    args: [{ pipeline: PIPELINE, ...input }],
  })
}
const resultOf = (handle: WorkflowHandle): Promise<BackfillResult> => handle.result() as Promise<BackfillResult>
const statusOf = (handle: WorkflowHandle): Promise<BackfillStatus> => handle.query<BackfillStatus>('status')
const datesOf = (handle: WorkflowHandle, query?: DatesQuery): Promise<DatesPage> =>
  query === undefined
    ? handle.query<DatesPage>('dates')
    : handle.query<DatesPage, [DatesQuery]>('dates', query)

async function until(handle: WorkflowHandle, is: (status: BackfillStatus) => boolean): Promise<BackfillStatus> {
  for (;;) {
    const status = await statusOf(handle)
    if (is(status)) return status
    await sleep(20)
  }
}

/** Nights that land nothing and build nothing: few events. */
const quiet: FakeActivities = {
  planLanding: ({ batch, pipeline }) =>
    Promise.resolve({
      ...{ pipeline, source: 'experiments', batch, from: '/landing', incarnation: 'i' },
      ...{ files: 0, bytes: 0, first: 0, end: 0 },
    }),
  planBuild: ({ pipeline, batch }) =>
    Promise.resolve({ kind: 'nothing-new', pipeline, batch, inputTo: 0 }),
}

function batchesOf(calls: readonly Call[], name: string): string[] {
  return calls.filter((call) => call.name === name).map(({ input }) => (input as { batch: string }).batch)
}

describe('a range of dates', () => {
  it('runs what is due in order, passes the rest over, and maintains once at the end', async () => {
    await withFakeLake(
      test.connection,
      {
        listBackfill: ({ keys }) =>
          Promise.resolve(
            keys.map((key) => {
              if (key === '2026-06-30') return { key, state: 'done', batches: [] }
              if (key === '2026-07-02') return { key, state: 'none', batches: [] }
              return { key, state: 'due', batches: [nightOf(key)] }
            }),
          ),
      },
      async (calls) => {
        const handle = await start({ from: '2026-06-29', to: '2026-07-03', folder: '/raw/{date}/a' })
        expect(await resultOf(handle)).toEqual({
          status: 'done',
          pipeline: PIPELINE,
          mode: 'missing',
          from: '2026-06-29',
          to: '2026-07-03',
          total: 5,
          counts: { ...NONE, published: 3, done: 1, none: 1 },
          failures: [],
        })
        const landed = calls.filter(({ name }) => name === 'planLanding').map(({ input }) => input)
        expect(landed).toMatchObject([
          { batch: '20260629T020000Z', from: '/raw/2026-06-29/a' },
          { batch: '20260701T020000Z', from: '/raw/2026-07-01/a' },
          { batch: '20260703T020000Z', from: '/raw/2026-07-03/a' },
        ])
        expect(calls.filter(({ name }) => name === 'listMaintainable')).toHaveLength(1)
        expect(await datesOf(handle)).toEqual({
          total: 5,
          rows: [
            { date: '2026-06-29', state: 'published', workflowId: 'nightly-quantum-2026-06-29' },
            { date: '2026-06-30', state: 'done' },
            { date: '2026-07-01', state: 'published', workflowId: 'nightly-quantum-2026-07-01' },
            { date: '2026-07-02', state: 'none' },
            { date: '2026-07-03', state: 'published', workflowId: 'nightly-quantum-2026-07-03' },
          ],
        })
        expect(attribute(await handle.describe(), 'FirnStatus')).toBe('done')
      },
    )
  })
})

const NONE = {
  ...{ waiting: 0, running: 0, published: 0, no_changes: 0, done: 0, none: 0, failed: 0, cancelled: 0 },
}
