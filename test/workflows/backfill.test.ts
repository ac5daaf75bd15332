import { setTimeout as sleep } from 'node:timers/promises'
import { WorkflowFailedError, type WorkflowHandle } from '@temporalio/client'
import { temporal } from '@temporalio/proto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type {
  BackfillInput,
  BackfillResult,
  BackfillStatus,
  DatesPage,
  DatesQuery,
} from '../../schemas/backfill-messages.js'
import { TASK_QUEUES } from '../../schemas/workflow-names.js'
import { FULL } from '../support/full.js'
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
import { endless, failureOf } from './support/run-workflows.js'

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
const LONG = FULL ? 100_000 : 3000
/** One in so many of these dates has a night to run. */
const EVERY = FULL ? 4000 : 100
const { HistoryEvent } = temporal.api.history.v1
const sizeOf = (event: temporal.api.history.v1.IHistoryEvent): number =>
  HistoryEvent.encode(event).finish().length

let started = 0

async function start(input: object): Promise<WorkflowHandle> {
  started += 1
  return test.client.workflow.start('backfill', {
    workflowId: `backfill-${started}`,
    taskQueue: TASK_QUEUES.control,
    args: [{ pipeline: PIPELINE, ...input }],
  })
}
const resultOf = (handle: WorkflowHandle): Promise<BackfillResult> =>
  handle.result() as Promise<BackfillResult>
const statusOf = (handle: WorkflowHandle): Promise<BackfillStatus> => handle.query<BackfillStatus>('status')
const datesOf = (handle: WorkflowHandle, query?: DatesQuery): Promise<DatesPage> =>
  query === undefined
    ? handle.query<DatesPage>('dates')
    : handle.query<DatesPage, [DatesQuery]>('dates', query)

async function until(
  handle: WorkflowHandle,
  is: (status: BackfillStatus) => boolean,
): Promise<BackfillStatus> {
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
  planBuild: ({ pipeline, batch }) => Promise.resolve({ kind: 'nothing-new', pipeline, batch, inputTo: 0 }),
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
        const range = { from: '2026-06-29', to: '2026-07-03' }
        const handle = await start({ ...range, folder: '/raw/{date}/a', onChange: 'forward' })
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
        const answers = calls.filter(({ name }) => name === 'planBuild').map(({ input }) => input)
        expect(answers).toEqual(Array(3).fill(expect.objectContaining({ onChange: 'forward' })))
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

describe('a date that fails', () => {
  it('is told with its cause, the others go on, and a retry runs it alone', async () => {
    let broken = true
    const lake: FakeActivities = {
      planLanding: (input) =>
        broken && input.batch === nightOf('2026-07-02')
          ? failWith('config', { final: true })
          : quiet.planLanding!(input),
      planBuild: quiet.planBuild!,
    }
    await withFakeLake(test.connection, lake, async (calls) => {
      const range = { from: '2026-07-01', to: '2026-07-04' }
      const handle = await start(range)
      const failed = {
        date: '2026-07-02',
        workflowId: 'nightly-quantum-2026-07-02',
        cause: 'it failed: config',
      }
      expect(await resultOf(handle)).toMatchObject({
        status: 'failed',
        counts: { no_changes: 3, failed: 1 },
        failures: [failed],
      })
      expect(await datesOf(handle, { state: 'failed' })).toEqual({
        total: 1,
        rows: [{ ...failed, state: 'failed' }],
      })

      broken = false
      const before = batchesOf(calls, 'planLanding').length
      const input = await handle.query<BackfillInput>('retryInput')
      expect(input).toMatchObject({ ...range, state: { states: 'nwn2', failures: [] } })
      expect(await resultOf(await start(input))).toMatchObject({
        status: 'no_changes',
        counts: { no_changes: 4 },
      })
      expect(batchesOf(calls, 'planLanding').slice(before)).toEqual([nightOf('2026-07-02')])
    })
  })

  it('pauses the backfill where that is asked for; `retryFailed` goes on with it, `resume` without it', async () => {
    let broken = new Set(['2026-07-01', '2026-07-03'].map(nightOf))
    const lake: FakeActivities = {
      ...quiet,
      planBuild: (input) =>
        broken.has(input.batch) ? failWith('config', { final: true }) : quiet.planBuild!(input),
    }
    await withFakeLake(test.connection, lake, async (calls) => {
      const handle = await start({ from: '2026-07-01', to: '2026-07-04', onFailure: 'pause' })
      const { counts, pause } = await until(handle, ({ status }) => status === 'paused')
      expect(counts).toEqual({ ...NONE, failed: 1, waiting: 3 })
      expect(pause?.reason).toBe('2026-07-01 failed: it failed: config')
      expect(attribute(await handle.describe(), 'FirnStatus')).toBe('paused')
      broken = new Set([nightOf('2026-07-03')])
      await handle.signal('retryFailed')
      await until(handle, ({ status }) => status === 'paused')
      await handle.signal('resume')
      expect(await resultOf(handle)).toMatchObject({ status: 'failed', counts: { no_changes: 3, failed: 1 } })
      expect(batchesOf(calls, 'planLanding')).toEqual(
        ['2026-07-01', '2026-07-01', '2026-07-02', '2026-07-03', '2026-07-04'].map(nightOf),
      )
    })
  })
})

describe('a backfill is steered', () => {
  const stuck: FakeActivities = { ...quiet, planLanding: endless }

  it('a pause lets what runs end and starts nothing; a cancel ends what runs, with the report', async () => {
    await withFakeLake(test.connection, stuck, async () => {
      const handle = await start({ from: '2026-07-01', to: '2026-07-31', parallel: 2 })
      const { running } = await until(handle, ({ counts }) => counts.running === 2)
      expect(running.map(({ date, batch }) => [date, batch])).toEqual([
        ['2026-07-01', nightOf('2026-07-01')],
        ['2026-07-02', nightOf('2026-07-02')],
      ])
      await handle.signal('pause')
      await test.client.workflow.getHandle(running[0]!.workflowId).cancel()
      // Cancelled by somebody else, it has failed; paused, nothing takes its place.
      const { counts, failures } = await until(handle, ({ counts: { failed } }) => failed === 1)
      expect(counts).toEqual({ ...NONE, failed: 1, running: 1, waiting: 29 })
      expect(failures[0]?.cause).toBe('its workflow was cancelled')
      await handle.signal('cancel')
      expect(await resultOf(handle)).toMatchObject({
        status: 'cancelled',
        counts: { ...NONE, failed: 1, cancelled: 1, waiting: 29 },
      })
      for (const { workflowId } of running) {
        expect((await test.client.workflow.getHandle(workflowId).describe()).status.name).toBe('CANCELLED')
      }
      expect(attribute(await handle.describe(), 'FirnStatus')).toBe('cancelled')
    })
  })

  it('a cancel from outside does the same; what ended answers still', async () => {
    await withFakeLake(test.connection, stuck, async () => {
      const handle = await start({ from: '2026-08-01', to: '2026-08-31' })
      const { running } = await until(handle, ({ counts }) => counts.running === 1)
      await handle.cancel()
      await expect(handle.result()).rejects.toThrow(WorkflowFailedError)
      expect((await handle.describe()).status.name).toBe('CANCELLED')
      const child = test.client.workflow.getHandle(running[0]!.workflowId)
      expect((await child.describe()).status.name).toBe('CANCELLED')
      expect(await statusOf(handle)).toMatchObject({
        status: 'cancelled',
        counts: { ...NONE, cancelled: 1, waiting: 30 },
      })
    })
  })
})

describe('a backfill that rebuilds', () => {
  it('computes the batches of each date again, one after another, and goes on after one that fails its checks', async () => {
    const bad = nightOf('2026-07-02')
    await withFakeLake(
      test.connection,
      {
        listBackfill: ({ keys }) =>
          Promise.resolve(
            keys.map((key) => ({ key, state: 'due', batches: [nightOf(key), `${nightOf(key)}-2`] })),
          ),
        checkRebuild: ({ plan }) => Promise.resolve({ passed: plan.rebuilds !== bad, results: [] }),
      },
      async (calls) => {
        const handle = await start({ from: '2026-07-01', to: '2026-07-03', mode: 'rebuild' })
        const ended = await resultOf(handle)
        expect(ended).toMatchObject({ status: 'failed', counts: { ...NONE, published: 2, failed: 1 } })
        expect(ended.failures).toMatchObject([
          {
            date: '2026-07-02',
            cause: expect.stringContaining(bad) as string,
            workflowId: 'rebuild-quantum',
          },
        ])
        const [first, third] = ['2026-07-01', '2026-07-03'].map(nightOf)
        const rebuilt = calls
          .filter(({ name }) => name === 'publishRebuild')
          .map(({ input }) => (input as { plan: { rebuilds: string } }).plan.rebuilds)
        expect(rebuilt).toEqual([first, `${first}-2`, bad, third, `${third}-2`])
      },
    )
  })
})

describe(`${LONG} dates`, () => {
  it('go on as new again and again; no history and no payload grows with them', async () => {
    const isDue = (key: string): boolean => Date.parse(key) % (EVERY * 86_400_000) === 0
    const lake: FakeActivities = {
      ...quiet,
      listBackfill: ({ keys }) =>
        Promise.resolve(
          keys.map((key) => ({
            key,
            state: isDue(key) ? 'due' : 'done',
            batches: isDue(key) ? [nightOf(key)] : [],
          })),
        ),
    }
    const to = new Date(Date.parse('1970-01-01') + (LONG - 1) * 86_400_000).toISOString().slice(0, 10)
    const due = LONG / EVERY
    await withFakeLake(test.connection, lake, async (calls) => {
      const parallel = 5
      const handle = await start({ from: '1970-01-01', to, parallel })
      const { runId: first } = await handle.describe()
      const latest = test.client.workflow.getHandle(handle.workflowId)
      expect(await resultOf(latest)).toMatchObject({
        status: 'no_changes',
        counts: { ...NONE, done: LONG - due, no_changes: due },
      })
      expect(new Set(batchesOf(calls, 'planLanding')).size).toBe(due)
      expect(batchesOf(calls, 'planLanding')).toHaveLength(due)
      let runs = 0
      for (let runId: string | undefined = first; runId !== undefined; runs += 1) {
        const history = await test.client.workflow.getHandle(handle.workflowId, runId).fetchHistory()
        const events: readonly temporal.api.history.v1.IHistoryEvent[] = history.events ?? []
        // Those that are in flight when the server says so end first.
        expect(events.length).toBeLessThan(100 + parallel * 12)
        for (const event of events) expect(sizeOf(event)).toBeLessThan(64 * 1024)
        runId = events.at(-1)?.workflowExecutionContinuedAsNewEventAttributes?.newExecutionRunId ?? undefined
      }
      expect(runs).toBeGreaterThan(1)
    })
  }, 600_000)
})

describe('input that is wrong', () => {
  const one = { dates: ['2026-07-01'] }
  const cases: readonly (readonly [string, object, RegExp])[] = [
    [
      'dates the wrong way round',
      { from: '2026-07-02', to: '2026-07-01' },
      /is after `to`.*earlier date first/,
    ],
    ['no date of any calendar', { from: '2026-02-30', to: '2026-03-01' }, /`from` must be a calendar date/],
    ['more than 100,000', { from: '1700-01-01', to: '2026-07-01' }, /119251 dates, at most 100000/],
    ['two ways at once', { from: '2026-07-01', to: '2026-07-02', dates: ['2026-07-03'] }, /exactly one way/],
    ['half a range', { from: '2026-07-01' }, /give both `from` and `to`/],
    ['a date twice', { dates: ['2026-07-01', '2026-07-01'] }, /must not name one twice/],
    ['parallel rebuilds', { dates: ['2026-07-01'], mode: 'rebuild', parallel: 2 }, /stand in line/],
    ['an answer to a rebuild', { ...one, mode: 'rebuild', onChange: 'forward' }, /leave `onChange` out/],
    ['an answer that is none', { ...one, onChange: 'yes' }, /`onChange` must be one of forward, rebuild/],
    ['a path as a name', { pipeline: '../x', dates: ['2026-07-01'] }, /must be a name/],
    [
      'a state of other dates',
      { dates: ['2026-07-01'], state: { states: 'w9', failures: [] } },
      /`state` is not of these 1 dates/,
    ],
  ]

  it('ends it at once, and says what to do', async () => {
    await withFakeLake(test.connection, {}, async (calls) => {
      for (const [what, input, message] of cases) {
        const { message: why } = await failureOf(await start(input))
        expect(why, what).toMatch(message)
      }
      expect(calls).toEqual([])
    })
  })
})
