import { WorkflowFailedError, type WorkflowHandle } from '@temporalio/client'
import { heartbeat, sleep } from '@temporalio/activity'
import { CancelledFailure, rootCause, type ApplicationFailure } from '@temporalio/common'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { MaintenanceReport, NightlyResult } from '../../schemas/messages.js'
import { TASK_QUEUES, workflowIds, type RunStatus } from '../../schemas/workflow-names.js'
import { startOrJoin } from '../../workers/start-or-join.js'
import {
  attribute,
  failWith,
  landed,
  startTestServer,
  withFakeLake,
  type Call,
  type TestServer,
} from './support/fake-lake.js'

let test: TestServer
beforeAll(async () => {
  // So that a long-lived workflow is told soon that its history has grown long.
  const extraArguments = ['--dynamic-config-value', 'limit.historyCount.suggestContinueAsNew=60']
  test = await startTestServer({ extraArguments })
})
afterAll(() => test.close())

let runs = 0
function start(
  workflow: string,
  input: unknown,
  workflowId = `test-${(runs += 1)}`,
): Promise<WorkflowHandle> {
  return test.client.workflow.start(workflow, { workflowId, taskQueue: TASK_QUEUES.control, args: [input] })
}
async function execute<T>(workflow: string, input: unknown): Promise<T> {
  return (await (await start(workflow, input)).result()) as T
}
async function failureOf(handle: WorkflowHandle): Promise<Error> {
  const error: unknown = await handle.result().catch((failure: unknown) => failure)
  if (!(error instanceof WorkflowFailedError)) throw new Error(`the workflow did not fail: ${String(error)}`)
  return error.cause ?? error
}
const names = (calls: readonly Call[]): string[] => calls.map((call) => call.name)
const withFakes = <T>(
  fakes: Parameters<typeof withFakeLake>[1],
  run: (calls: Call[]) => Promise<T>,
): Promise<T> => withFakeLake(test.connection, fakes, run)

const BATCH = '20260701T020000Z'
const landedNothing = () => {
  const about = { pipeline: 'quantum', source: 'experiments', batch: BATCH, from: '/data', incarnation: 'i' }
  return landed({ ...about, files: 0, bytes: 0, first: 3, end: 3 }, [])
}

describe('nightly', () => {
  it('lands, builds, scores and maintains in order, each step on its own queue', () =>
    withFakes({}, async (calls) => {
      const handle = await start('nightly', { pipeline: 'quantum', from: '/data', date: '2026-07-01' })
      const result = (await handle.result()) as NightlyResult
      expect(calls.map(({ name, queue }) => `${name} ${queue}`)).toEqual([
        'lookAtNight firn-data',
        'resolveBatch firn-control',
        'planLanding firn-data',
        'fetchLanding firn-data',
        'commitLanding firn-control',
        'planBuild firn-control',
        'buildTables firn-data',
        'buildTables firn-data',
        'runChecks firn-data',
        'publishBatch firn-control',
        'listReadyModels firn-control',
        'scoreBatch firn-data',
        'listDueTrainings firn-control',
        'settleVersions firn-control',
        'sweepScratch firn-control',
        'listMaintainable firn-control',
        'maintainTable firn-data',
        'maintainTable firn-data',
        'recordMaintenance firn-control',
      ])
      expect(result.batch).toBe(BATCH)
      expect(result.land.records).toBe(3)
      expect(result.build).toMatchObject({ status: 'published', publish: { tag: `v_${BATCH}` } })
      expect(result.scores).toMatchObject([{ model: 'convergence', featuresTag: `v_${BATCH}`, batch: BATCH }])
      expect(result.maintenance?.tables.map((table) => table.table)).toEqual(['q.a', 'q.b'])
      expect(calls[2]?.input).toEqual({ pipeline: 'quantum', from: '/data', batch: BATCH })

      const status = await handle.query<RunStatus>('status')
      expect(status).toMatchObject({ status: 'done', pipeline: 'quantum', batch: BATCH })
      expect(status.steps.map(({ name, state, workflowId }) => [name, state, workflowId])).toEqual([
        ['land', 'done', 'land-quantum'],
        ['build', 'done', 'build-quantum'],
        ['score', 'done', 'score-quantum-convergence'],
        ['train', 'done', undefined],
        ['maintain', 'done', 'maintain-lake'],
      ])
      const description = await handle.describe()
      expect(attribute(description, 'FirnPipeline')).toBe('quantum')
      expect(attribute(description, 'FirnBatch')).toBe(BATCH)
      expect(attribute(description, 'FirnStage')).toBe('maintain')
      expect(attribute(description, 'FirnStatus')).toBe('done')
    }))

  it('does nothing more where nothing is new', () =>
    withFakes(
      {
        planLanding: ({ batch }) =>
          Promise.resolve({
            pipeline: 'quantum',
            source: 'experiments',
            batch,
            from: '/data',
            incarnation: 'i',
            files: 0,
            bytes: 0,
            first: 3,
            end: 3,
          }),
        planBuild: ({ pipeline, batch }) =>
          Promise.resolve({ kind: 'nothing-new', pipeline, batch, inputTo: 3 }),
      },
      async (calls) => {
        const result = await execute<NightlyResult>('nightly', { pipeline: 'quantum', batch: BATCH })
        expect(names(calls)).toEqual(['lookAtNight', 'planLanding', 'commitLanding', 'planBuild'])
        expect(result).toMatchObject({
          land: { files: 0, rowNumberEnd: 3 },
          build: { status: 'no_changes' },
          scores: [],
        })
        expect(result.maintenance).toBeUndefined()
      },
    ))

  it('is one activity where a look finds nothing new, and tells what else that found', async () => {
    const land = landedNothing()
    const missed = [{ batch: '20260630T020000Z', why: 'no night was started' }]
    const late = [{ source: 'experiments', lateAfter: '26h' }]
    const lookAtNight = () => Promise.resolve({ batch: BATCH, missed, nothing: { land, late } })
    await withFakes({ lookAtNight }, async (calls) => {
      const handle = await start('nightly', { pipeline: 'quantum' })
      expect(await handle.result()).toEqual({
        ...{ batch: BATCH, land, missed, scores: [], trainings: [] },
        build: { status: 'no_changes', batch: BATCH },
      })
      expect(names(calls)).toEqual(['lookAtNight', 'raiseAlerts', 'raiseAlerts'])
      const { status, steps } = await handle.query<RunStatus>('status')
      expect([status, ...steps.map(({ state, note }) => `${state}: ${note}`)]).toEqual([
        'no_changes',
        'done: nothing new',
        'done: no_changes',
        ...Array<string>(3).fill('skipped: nothing new'),
      ])
    })
  })

  it('ends failed, without scores, where a blocking check failed', () =>
    withFakes(
      {
        runChecks: () =>
          Promise.resolve({
            passed: false,
            results: [{ name: 'no_nulls', severity: 'blocking', passed: false, failingRows: 2 }],
          }),
      },
      async (calls) => {
        const handle = await start('nightly', { pipeline: 'quantum', batch: BATCH })
        const result = (await handle.result()) as NightlyResult
        expect(result.build).toMatchObject({ status: 'failed', checks: { passed: false } })
        expect(names(calls)).toContain('publishBatch')
        expect(names(calls)).not.toContain('scoreBatch')
        expect((await handle.query<RunStatus>('status')).status).toBe('failed')
      },
    ))

  it('run twice at once stands in line: no step of one runs beside the same step of the other', async () => {
    let publishing = 0
    let most = 0
    await withFakes(
      {
        publishBatch: async ({ plan }) => {
          publishing += 1
          most = Math.max(most, publishing)
          await sleep(700)
          publishing -= 1
          return {
            status: 'published',
            alreadyCommitted: false,
            batch: plan.batch,
            tag: plan.tag,
            tables: [],
            inputFrom: 0,
            inputTo: 3,
            duplicates: 0,
          }
        },
      },
      async (calls) => {
        const input = { pipeline: 'quantum', batch: BATCH }
        const nights = await Promise.all([start('nightly', input), start('nightly', input)])
        for (const night of nights) await night.result()
        // Told by the server when the other one ends, not by looking again and again.
        expect(names(calls)).toContain('awaitEnd')
        const histories = await Promise.all(nights.map((night) => night.fetchHistory()))
        const events = histories.flatMap((history) => history.events ?? [])
        expect(events.filter((event) => event.timerStartedEventAttributes)).toEqual([])
        expect(names(calls).filter((name) => name === 'publishBatch')).toHaveLength(2)
        expect(most).toBe(1)
      },
    )
  })

  it('takes its batch from the time that its schedule was due at', () =>
    withFakes({}, async () => {
      const schedule = await test.client.schedule.create({
        scheduleId: 'past-night',
        spec: { cronExpressions: ['30 1 * * *'] },
        state: { paused: true },
        action: {
          type: 'startWorkflow',
          workflowType: 'nightly',
          workflowId: 'past-night',
          taskQueue: TASK_QUEUES.control,
          args: [{ pipeline: 'quantum', maintain: false }],
        },
      })
      await schedule.backfill({
        start: new Date('2026-03-01T00:00:00Z'),
        end: new Date('2026-03-01T12:00:00Z'),
        overlap: 'BUFFER_ALL',
      })
      const handle = test.client.workflow.getHandle('past-night-2026-03-01T01:30:00Z')
      await expect
        .poll(() =>
          handle.describe().then(
            (d) => d.status.name,
            () => 'none',
          ),
        )
        .not.toBe('none')
      expect(((await handle.result()) as NightlyResult).batch).toBe('20260301T013000Z')
      await schedule.delete()
    }))

  it('passes a cancel on to the step that runs and waits until it has stopped', () => {
    let stopped = false
    return withFakes(
      {
        buildTables: async () => {
          try {
            for (;;) {
              heartbeat()
              await sleep(50)
            }
          } finally {
            stopped = true
          }
        },
      },
      async (calls) => {
        const handle = await start('nightly', { pipeline: 'quantum', batch: BATCH })
        await expect.poll(() => names(calls), { timeout: 30_000 }).toContain('buildTables')
        await handle.cancel()
        expect(await failureOf(handle)).toBeInstanceOf(CancelledFailure)
        expect(stopped).toBe(true)
        expect(attribute(await handle.describe(), 'FirnStatus')).toBe('cancelled')
        const child = test.client.workflow.getHandle(workflowIds.build('quantum'))
        expect((await child.describe()).status.name).toBe('CANCELLED')
      },
    )
  })
})

describe('buildFeatures', () => {
  it.each(['rebuild-needed', 'stage-expired'])('plans and builds again when publish says %s', (kind) => {
    let refused = 0
    return withFakes(
      {
        publishBatch: ({ plan }) => {
          refused += 1
          if (refused <= 2) failWith(kind)
          return Promise.resolve({
            status: 'published',
            alreadyCommitted: false,
            batch: plan.batch,
            tag: plan.tag,
            tables: [],
            inputFrom: 0,
            inputTo: 3,
            duplicates: 0,
          })
        },
      },
      async (calls) => {
        await execute('buildFeatures', { pipeline: 'quantum', batch: BATCH })
        const once = ['planBuild', 'buildTables', 'buildTables', 'runChecks', 'publishBatch']
        expect(names(calls)).toEqual([...once, ...once, ...once])
      },
    )
  })

  it('gives up after six plans, with the kind that stopped it', () =>
    withFakes({ publishBatch: () => failWith('rebuild-needed') }, async (calls) => {
      const handle = await start('buildFeatures', { pipeline: 'quantum', batch: BATCH })
      const failure = await failureOf(handle)
      expect((failure.cause as ApplicationFailure).type).toBe('rebuild-needed')
      expect(names(calls).filter((name) => name === 'planBuild')).toHaveLength(6)
    }))

  it('tries an activity again on a passing failure, and not on a final one', async () => {
    let tries = 0
    await withFakes(
      {
        planBuild: () => {
          tries += 1
          return failWith(tries === 1 ? 'io' : 'not-found', { final: tries > 1 })
        },
      },
      async () => {
        const failure = await failureOf(await start('buildFeatures', { pipeline: 'quantum', batch: BATCH }))
        expect((failure.cause as ApplicationFailure).type).toBe('not-found')
        expect(tries).toBe(2)
      },
    )
  })
})

describe('landSource', () => {
  it('plans anew when the ledger has moved', () => {
    let commits = 0
    return withFakes(
      {
        commitLanding: ({ plan, fetched }) => {
          commits += 1
          if (commits === 1) failWith('stale-range')
          return Promise.resolve(landed(plan, fetched))
        },
      },
      async (calls) => {
        await execute('landSource', { pipeline: 'quantum', from: '/data' })
        const once = ['planLanding', 'fetchLanding', 'commitLanding']
        expect(names(calls)).toEqual([...once, ...once])
      },
    )
  })
})

describe('starting what may run already', () => {
  it('joins a run with the same input, and waits for one with another', () =>
    withFakes(
      {
        planBuild: async ({ pipeline, batch }) => {
          await sleep(600)
          return { kind: 'nothing-new', pipeline, batch, inputTo: 3 }
        },
      },
      async (calls) => {
        const build = (batch: string, onWait?: () => void) =>
          startOrJoin(
            test.client,
            {
              workflow: 'buildFeatures',
              workflowId: workflowIds.build('quantum'),
              input: { pipeline: 'quantum', batch },
              summary: 'build',
            },
            onWait,
          )
        let waits = 0
        const first = await build(BATCH)
        const same = await build(BATCH, () => (waits += 1))
        expect(waits).toBe(0)
        const other = await build('20260702T020000Z', () => (waits += 1))
        expect(waits).toBe(1)
        expect(await Promise.all([first.result(), same.result(), other.result()])).toMatchObject([
          { batch: BATCH },
          { batch: BATCH },
          { batch: '20260702T020000Z' },
        ])
        expect(calls).toHaveLength(2)
      },
    ))
})

describe('maintainLake', () => {
  it('maintains the other tables when one fails, and tells which', () =>
    withFakes(
      {
        maintainTable: ({ table }) =>
          table === 'q.a' ? failWith('data-invalid', { final: true }) : Promise.resolve(emptyReport(table)),
      },
      async () => {
        const handle = await start('maintainLake', { dryRun: true })
        const report = (await handle.result()) as MaintenanceReport
        expect(report.dryRun).toBe(true)
        expect(report.tables.map(({ table, error }) => [table, error])).toEqual([
          ['q.a', 'it failed: data-invalid'],
          ['q.b', undefined],
        ])
        expect((await handle.query<RunStatus>('status')).status).toBe('failed')
      },
    ))
})

function emptyReport(table: string): MaintenanceReport['tables'][number] {
  return {
    table,
    compactedFiles: 0,
    writtenFiles: 0,
    expiredSnapshots: 0,
    droppedTags: [],
    deletedFiles: 0,
    deletedBytes: 0,
    orphans: 0,
    taggedBytes: 0,
    notes: [],
  }
}

describe('bad input', () => {
  it('ends every workflow at once with the field, the value and what to do', () =>
    withFakes({}, async (calls) => {
      const cases: readonly (readonly [string, unknown, RegExp])[] = [
        ['nightly', undefined, /takes exactly one object.*nothing/],
        ['nightly', 'quantum', /takes exactly one object.*"quantum"/],
        ['nightly', { pipeline: '../x' }, /`pipeline` must be a name .*"\.\.\/x"/],
        ['nightly', { pipeline: 'quantum', date: '2026-02-30' }, /`date` must be a calendar date/],
        ['nightly', { pipeline: 'quantum', date: '2026-07-01', batch: BATCH }, /either `date` or `batch`/],
        ['buildFeatures', { pipeline: 'quantum', batch: '2026-07-01' }, /`batch` must be a batch id/],
        ['landSource', { pipeline: 'quantum', form: '/data' }, /no field `form`; known are pipeline, source/],
        ['trainModel', { pipeline: 'quantum', model: 'm', seed: -1 }, /`seed` must be a whole number/],
        ['scoreBatch', { pipeline: 'quantum', model: "m'; drop" }, /`model` must be a name/],
        ['trainer', { pipeline: 'quantum' }, /`model` must be a name/],
        ['maintainLake', { dryRun: 'yes' }, /`dryRun` must be true or false/],
      ]
      for (const [workflow, input, message] of cases) {
        const failure = await failureOf(await start(workflow, input))
        expect(failure).toMatchObject({ type: 'invalid-input', nonRetryable: true })
        expect(rootCause(failure)).toMatch(message)
        expect(rootCause(failure)).toMatch(/Correct the input and start it again\.$/)
      }
      expect(calls).toEqual([])
    }))
})
