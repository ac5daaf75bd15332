import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { RaiseAlertsInput } from '../../schemas/alerts.js'
import { batchIdOf } from '../../schemas/batch.js'
import type { NightlyResult } from '../../schemas/messages.js'
import type { Pipeline } from '../../schemas/pipeline.js'
import { workflowIds } from '../../schemas/workflow-names.js'
import { findMissedNights } from '../../workers/missed-nights.js'
import { viewSchedule } from '../../workers/schedule-views.js'
import { applySchedules } from '../../workers/schedules.js'
import { createScheduleActivities } from '../../activities/schedule-activities.js'
import { labPipeline } from '../lake/support/batches.js'
import { testLake, type TestLake } from '../lake/support/lake.js'
import { failWith, startTestServer, withFakeLake, type TestServer } from './support/fake-lake.js'
import { failureOf, inputsOf, namesOf, patient, startOn } from './support/run-workflows.js'

let test: TestServer
let lake: TestLake
beforeAll(async () => {
  lake = testLake([])
  test = await startTestServer()
})
afterAll(async () => {
  await test.close()
  lake.close()
})

const MINUTE = 60_000
/** The last ten minutes of a schedule of every minute. */
const everyMinute = (name: string): Pipeline => ({
  ...labPipeline,
  name,
  schedule: { nightly: '* * * * *', paused: true },
})
const minuteBefore = (nowMs: number, n: number): string =>
  batchIdOf(new Date(Math.floor(nowMs / MINUTE) * MINUTE - n * MINUTE))

describe('dates without a night', () => {
  it('are found by what Temporal knows, whoever started the nights', async () => {
    const pipeline = everyMinute('often')
    await applySchedules(test.client, [pipeline])
    const nowMs = Math.floor(Date.now() / MINUTE) * MINUTE + MINUTE / 2
    const find = async () =>
      (
        await findMissedNights(lake.deps, test.client, pipeline, { nowMs, afterMs: nowMs - 10 * MINUTE })
      ).missed.map(({ batch, why }) => [batch, why])
    const due = [9, 8, 7, 6, 5, 4, 3, 2, 1].map((n) => minuteBefore(nowMs, n))
    expect(await find()).toEqual(due.map((batch) => [batch, 'no night was started']))
    const [first = '', second = '', third = '', fourth = ''] = due
    await withFakeLake(
      test.connection,
      { planBuild: (input) => (input.batch === third ? failWith('config', { final: true }) : failOn(input)) },
      async () => {
        const nights = [first, second, third].map((batch) =>
          startOn(test, 'nightly', { pipeline: 'often', batch }, workflowIds.nightly('often', batch)),
        )
        for (const night of await Promise.all(nights)) await night.result().catch(() => undefined)
      },
    )
    // No worker has taken this one yet; it is known by its schedule alone.
    const handle = test.client.schedule.getHandle(workflowIds.schedule('often'))
    const at = new Date(Math.floor(nowMs / MINUTE) * MINUTE - 6 * MINUTE)
    await handle.backfill({ start: new Date(at.getTime() - 1000), end: at, overlap: 'BUFFER_ONE' })
    const left = due.slice(4).map((batch) => [batch, 'no night was started'])
    await expect.poll(find, patient).toEqual([[third, 'its night failed'], ...left])
    const view = await viewSchedule(
      test.client,
      { ...lake.deps, pipelines: new Map([['often', pipeline]]), now: () => nowMs },
      workflowIds.schedule('often'),
      3,
    )
    expect(view).toMatchObject({ cron: '* * * * *', timezone: 'UTC', paused: true, stale: false, waiting: 0 })
    expect(view.nights).toHaveLength(3)
    expect(view.nights.map(({ batch }) => batch)).toContain(fourth)
    expect(view.running).toEqual([expect.stringContaining('nightly-often-')])
    expect(view.next).toHaveLength(5)
    // A schedule misses nothing before it is made.
    expect(view.missed).toEqual([])
    await test.client.workflow.getHandle(view.running[0] ?? '').terminate()
  })

  it('do not exist where the server has no schedule, or the definition none', async () => {
    const range = { nowMs: Date.now() }
    expect(await findMissedNights(lake.deps, test.client, everyMinute('nobody'), range)).toEqual({
      missed: [],
    })
    expect(await findMissedNights(lake.deps, test.client, labPipeline, range)).toEqual({ missed: [] })
  })
})

function failOn(input: { readonly pipeline: string; readonly batch: string }) {
  return Promise.resolve({ kind: 'nothing-new' as const, ...input, inputTo: 0 })
}

describe('a night', () => {
  const run = async (input: object): Promise<NightlyResult> =>
    (await (await startOn(test, 'nightly', { pipeline: 'quantum', ...input })).result()) as NightlyResult

  it('tells which dates before it have none, and of late sources, once each by their keys', async () => {
    const missed = [{ batch: '20260630T020000Z', why: 'no night was started' }]
    await withFakeLake(
      test.connection,
      {
        findMissedNights: () => Promise.resolve({ missed }),
        findLateSources: () => Promise.resolve([{ source: 'experiments', lateAfter: '26h' }]),
      },
      async (calls) => {
        expect((await run({ maintain: false })).missed).toEqual(missed)
        const alerts = inputsOf(calls, 'raiseAlerts').flatMap((input) => (input as RaiseAlertsInput).alerts)
        expect(alerts.map(({ key }) => key)).toEqual([
          'missed-night/quantum/20260630T020000Z',
          'late-source/quantum/experiments/never',
        ])
        expect(alerts[0]?.message).toContain('firn schedules missed quantum --run')
        calls.length = 0
        // A backfill of a hundred thousand dates doesn't look back a hundred thousand times.
        expect((await run({ batch: '20260701T020000Z', maintain: false })).missed).toBeUndefined()
        expect(namesOf(calls)).not.toContain('findMissedNights')
        expect(namesOf(calls)).not.toContain('raiseAlerts')
      },
    )
  })

  it('tells of a failed batch and of failed maintenance, and of its own failure', async () => {
    const results = [
      { name: 'c', severity: 'blocking' as const, passed: false, failingRows: 3 },
      { name: 'w', severity: 'warning' as const, passed: false, failingRows: 1 },
    ]
    const raised: RaiseAlertsInput[] = []
    const raiseAlerts = (input: RaiseAlertsInput) => {
      raised.push(input)
      return Promise.resolve({ raised: [], webhook: 'none' as const })
    }
    const batch = '20260701T020000Z'
    const failed = { runChecks: () => Promise.resolve({ passed: false, results }), raiseAlerts }
    await withFakeLake(test.connection, failed, () => run({ batch }))
    const broken = { maintainTable: () => failWith('io', { final: true }), raiseAlerts }
    await withFakeLake(test.connection, broken, () => run({ batch }))
    const crashed = { planLanding: () => failWith('config', { final: true }), raiseAlerts }
    await withFakeLake(test.connection, crashed, async () => {
      await failureOf(await startOn(test, 'nightly', { pipeline: 'quantum', batch }, 'crashed'))
    })
    const alerts = raised.flatMap((input) => input.alerts)
    expect(alerts.map(({ kind, subject }) => [kind, subject])).toEqual([
      ['batch-failed', undefined],
      ...['q.a', 'q.b'].map((table) => ['maintenance-failed', table]),
      ['night-failed', 'crashed'],
    ])
    expect(alerts[0]?.message).toContain('c (3 rows)')
    expect(alerts[0]?.message).not.toContain('w (1 rows)')
    expect(alerts.at(-1)?.message).toContain('it failed: config')
  })

  it('goes on where nobody can be told', async () => {
    const mute = {
      findMissedNights: () => failWith('io', { final: true }),
      findLateSources: () => failWith('io', { final: true }),
      raiseAlerts: () => failWith('io', { final: true }),
      runChecks: () => Promise.resolve({ passed: false, results: [] }),
    }
    await withFakeLake(test.connection, mute, async () => {
      expect((await run({})).build.status).toBe('failed')
    })
  })

  it('asks the server itself which dates its schedule had', async () => {
    const pipeline = everyMinute('real')
    await applySchedules(test.client, [pipeline])
    const madeMs = Date.now()
    const later = (n: number): string => minuteBefore(madeMs, -n)
    const deps = { ...lake.deps, now: () => madeMs + 9 * MINUTE, pipelines: new Map([['real', pipeline]]) }
    const { findMissedNights: find } = createScheduleActivities(deps)
    await withFakeLake(
      test.connection,
      { findMissedNights: (input) => find({ ...input, batch: later(4) }) },
      async () => {
        const started = await startOn(test, 'nightly', { pipeline: 'real', maintain: false }, 'real-night')
        const { missed } = (await started.result()) as NightlyResult
        expect(missed).toEqual([1, 2, 3].map((n) => ({ batch: later(n), why: 'no night was started' })))
      },
    )
  })
})
