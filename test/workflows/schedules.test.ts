import { setTimeout as sleep } from 'node:timers/promises'
import type { ScheduleHandle } from '@temporalio/client'
import { msToTs } from '@temporalio/common/lib/time.js'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Pipeline, ScheduleDefinition } from '../../schemas/pipeline.js'
import { scheduledInstants } from '../../schemas/scheduled-instant.js'
import { TASK_QUEUES } from '../../schemas/workflow-names.js'
import { applySchedules } from '../../workers/schedules.js'
import { startTestServer, withFakeLake, type TestServer } from './support/fake-lake.js'
import { patient } from './support/run-workflows.js'

let test: TestServer
beforeAll(async () => {
  test = await startTestServer()
})
afterAll(() => test.close())

function pipeline(name: string, schedule?: ScheduleDefinition): Pipeline {
  return {
    name,
    namespace: `${name}_features`,
    directory: '/p',
    sqlTexts: {},
    sources: {},
    tables: {},
    ...(schedule === undefined ? {} : { schedule }),
  }
}

const nightly: ScheduleDefinition = { nightly: '0 2 * * *', timezone: 'Europe/Berlin' }

describe('schedules apply', () => {
  it('makes one nightly Schedule a pipeline that has one, brings it up to date, and leaves what people did to it', async () => {
    const first = await applySchedules(test.client, [pipeline('quantum', nightly), pipeline('other')])
    const created = { id: 'nightly-quantum', change: 'created', cron: '0 2 * * *', timezone: 'Europe/Berlin' }
    expect(first).toEqual([created])
    const handle = test.client.schedule.getHandle('nightly-quantum')
    await handle.pause('by hand')
    expect((await applySchedules(test.client, [pipeline('quantum', nightly)]))[0]?.change).toBe('unchanged')
    expect((await handle.describe()).info.lastUpdatedAt).toBeUndefined()
    const later = pipeline('quantum', { ...nightly, nightly: '30 3 * * *', jitter: '5m', catchUp: '2d' })
    expect((await applySchedules(test.client, [later], { dryRun: true }))[0]?.change).toBe('updated')
    expect((await handle.describe()).info.lastUpdatedAt).toBeUndefined()
    const [second] = await applySchedules(test.client, [later])
    expect(second?.change).toBe('updated')
    const description = await handle.describe()
    expect(description.state).toMatchObject({ paused: true, note: 'by hand' })
    expect(description.spec.jitter).toBe(300_000)
    expect(description.policies).toMatchObject({
      overlap: 'BUFFER_ONE',
      catchupWindow: 2 * 86_400_000,
      pauseOnFailure: false,
    })
    expect(description.info.nextActionTimes[0]?.toISOString()).toMatch(/T0[12]:3[0-5]:/)
    expect(description.action).toMatchObject({ workflowType: 'nightly', args: [{ pipeline: 'quantum' }] })
  })

  it('pauses at first what says so; shows what is stale and deletes it when asked to', async () => {
    const calm = pipeline('calm', { nightly: '0 2 * * *', paused: true, note: 'not yet' })
    await applySchedules(test.client, [calm])
    const handle = test.client.schedule.getHandle('nightly-calm')
    expect((await handle.describe()).state).toMatchObject({ paused: true, note: 'not yet' })
    const stale = { id: 'nightly-calm', change: 'stale', cron: '0 2 * * *', timezone: 'UTC' }
    const apply = async (prune: boolean, dryRun = false) =>
      (await applySchedules(test.client, [pipeline('quantum', nightly)], { prune, dryRun })).filter(
        ({ id }) => id === 'nightly-calm',
      )
    await expect.poll(() => apply(false), patient).toEqual([stale])
    expect(await apply(true, true)).toEqual([stale])
    expect(await apply(true)).toEqual([{ ...stale, change: 'deleted' }])
    await expect(handle.describe()).rejects.toThrow(/not found/i)
  })
})

describe('the instants of a schedule', () => {
  const spring = ['2026-03-26T00:00:00Z', '2026-04-02T00:00:00Z'] as const
  const autumn = ['2026-10-22T00:00:00Z', '2026-10-29T00:00:00Z'] as const
  const fall = ['2026-10-29T00:00:00Z', '2026-11-04T00:00:00Z'] as const

  it.each([
    ['0 2 * * *', 'Europe/Berlin', spring, 7],
    ['30 2 * * *', 'Europe/Berlin', spring, 6],
    ['0 3 * * *', 'Europe/Berlin', spring, 7],
    ['30 1 * * *', 'Europe/Berlin', autumn, 7],
    ['30 2 * * *', 'Europe/Berlin', autumn, 7],
    ['0 1,3,12 * * *', 'Europe/Berlin', autumn, 22],
    ['30 2 * * *', 'America/New_York', ['2026-03-05T00:00:00Z', '2026-03-12T00:00:00Z'] as const, 6],
    ['30 1 * * *', 'America/New_York', fall, 7],
    ['0 0 * * *', 'Asia/Tokyo', autumn, 7],
    ['15 22 13 * 5', 'UTC', ['2026-01-01T00:00:00Z', '2027-01-01T00:00:00Z'] as const, 3],
    ['*/30 6-8/2 1-15 mar,Apr mon-FRI', 'UTC', spring, 4],
    ['0 4 * * 5-7', 'Australia/Sydney', ['2026-04-01T00:00:00Z', '2026-04-15T00:00:00Z'] as const, 6],
  ])('are those that the server has: %s in %s from %s', async (cron, timezone, [from, to], count) => {
    const scheduleId = `instants-${cron}-${timezone}-${from}`
    const handle = await scheduleOf(scheduleId, { cronExpressions: [cron], timezone }, true)
    const { startTime } = await test.client.workflowService.listScheduleMatchingTimes({
      ...{
        namespace: 'default',
        scheduleId,
        startTime: msToTs(Date.parse(from)),
        endTime: msToTs(Date.parse(to)),
      },
    })
    await handle.delete()
    const ours = scheduledInstants(
      { nightly: cron, timezone },
      { after: Date.parse(from), until: Date.parse(to) },
    )
    expect(ours.map((instant) => instant.getTime() / 1000)).toEqual(
      startTime.map((instant) => Number(instant.seconds)),
    )
    expect(ours).toHaveLength(count)
  })
})

function scheduleOf(
  scheduleId: string,
  spec: { readonly cronExpressions: string[]; readonly timezone: string; readonly jitter?: string },
  paused = false,
): Promise<ScheduleHandle> {
  return test.client.schedule.create({
    ...{ scheduleId, spec, state: { paused }, policies: { overlap: 'ALLOW_ALL', catchupWindow: '1h' } },
    action: {
      type: 'startWorkflow',
      workflowType: 'nightly',
      workflowId: scheduleId,
      taskQueue: TASK_QUEUES.control,
      args: [{ pipeline: 'quantum' }],
    },
  })
}

/** The batches of the nights that a schedule has started, which have all ended well. */
async function batchesOf(handle: ScheduleHandle, count: number): Promise<readonly string[]> {
  const started = async () => (await handle.describe()).info.recentActions
  await expect.poll(async () => (await started()).length, patient).toBeGreaterThanOrEqual(count)
  const results = (await started()).map(async ({ action: { workflow } }) => {
    const night = test.client.workflow.getHandle(workflow.workflowId, workflow.firstExecutionRunId)
    return ((await night.result()) as { readonly batch: string }).batch
  })
  return await Promise.all(results)
}

describe('the batch of a night', () => {
  const nothingNew = {
    planBuild: (input: { readonly pipeline: string; readonly batch: string }) =>
      Promise.resolve({ kind: 'nothing-new' as const, ...input, inputTo: 0 }),
  }
  const spring = { start: new Date('2026-03-28T00:00:00Z'), end: new Date('2026-03-30T23:00:00Z') }
  const autumn = { start: new Date('2026-10-24T00:00:00Z'), end: new Date('2026-10-26T23:00:00Z') }
  const inTurn = { overlap: 'BUFFER_ALL' as const }
  const spec = { cronExpressions: ['30 2 * * *'], timezone: 'Europe/Berlin' }

  it('is the instant that the schedule was due at, over changes of the clock', async () => {
    await withFakeLake(test.connection, nothingNew, async () => {
      const handle = await scheduleOf('plain', spec, true)
      await handle.backfill([
        { ...spring, ...inTurn },
        { ...autumn, ...inTurn },
      ])
      expect([...(await batchesOf(handle, 5))].sort()).toEqual([
        '20260328T013000Z',
        // There is no 02:30 on March 29.
        '20260330T003000Z',
        '20261024T003000Z',
        // There are two on October 25, the later one counts.
        '20261025T013000Z',
        '20261026T013000Z',
      ])
    })
  })

  it('is that instant also where jitter starts it later', async () => {
    await withFakeLake(test.connection, nothingNew, async () => {
      const handle = await scheduleOf('jittered', { ...spec, jitter: '20h' }, true)
      await handle.backfill({ ...spring, ...inTurn })
      expect([...(await batchesOf(handle, 2))].sort()).toEqual(['20260328T013000Z', '20260330T003000Z'])
      const { info } = await handle.describe()
      expect(info.recentActions.some(({ scheduledAt }) => scheduledAt.getUTCMinutes() !== 30)).toBe(true)
    })
  })

  it('is the second of a trigger by hand in Temporal; two within one second are one night', async () => {
    await withFakeLake(test.connection, nothingNew, async () => {
      const handle = await scheduleOf('by-hand', { cronExpressions: ['0 2 * * *'], timezone: 'UTC' })
      // Early in a second, so that both fall into it.
      await sleep(1000 - (Date.now() % 1000))
      await Promise.all([handle.trigger(), handle.trigger()])
      const batches = await batchesOf(handle, 1)
      const { info } = await handle.describe()
      const started = new Set(info.recentActions.map(({ action }) => action.workflow.workflowId))
      expect(started.size).toBe(new Set(batches).size)
      for (const { action } of info.recentActions) {
        const instant = action.workflow.workflowId.slice('by-hand-'.length)
        expect(batches).toContain(instant.replace(/[-:]/g, ''))
        expect(instant).not.toMatch(/T02:00:00Z$/)
      }
    })
  })
})
