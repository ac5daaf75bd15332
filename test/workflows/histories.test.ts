import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { activityInfo } from '@temporalio/activity'
import { temporal } from '@temporalio/proto'
import { Worker } from '@temporalio/worker'
import { beforeAll, describe, expect, it } from 'vitest'
import type { PlannedBuild } from '../../schemas/messages.js'
import { TASK_QUEUES } from '../../schemas/workflow-names.js'
import { installRuntime } from '../../workers/runtime.js'
import { workflowBundlePath } from '../../workers/workflow-bundle.js'
import {
  failWith,
  plannedBuild,
  startTestServer,
  withFakeLake,
  type FakeActivities,
  type TestServer,
} from './support/fake-lake.js'
import { historiesFolder, isRecorded, readHistory, recordHistory } from './support/histories.js'
import { endless } from './support/run-workflows.js'

/**
 * What the recorded histories hold, beyond that they replay: an attempt that failed, a failure and a cancel of every workflow,
 * small payloads; and that workers that trace replay them too. To record those that are missing:
 * FIRN_RECORD_HISTORIES=1 npx vitest run test/workflows/histories.test.ts
 */

/** Workflows with the activity, their own or a child's, in whose hands they are retried, fail and are cancelled. */
const ONES: readonly (readonly [string, object, keyof FakeActivities])[] = [
  ['nightly', { pipeline: 'quantum', batch: '20260701T020000Z' }, 'planLanding'],
  ['landSource', { pipeline: 'quantum', batch: '20260701T020000Z' }, 'fetchLanding'],
  ['buildFeatures', { pipeline: 'quantum', batch: '20260701T020000Z' }, 'runChecks'],
  ['scoreBatch', { pipeline: 'quantum', model: 'convergence' }, 'scoreBatch'],
  ['searchModel', { pipeline: 'quantum', model: 'convergence' }, 'startSearch'],
  ['reproduceModel', { uri: 'models:/convergence/1' }, 'rebuildDataset'],
]
/** Plans that are built by other activities, with the one in whose hands they are retried, fail and are cancelled. */
const PLANS: readonly (readonly [string, Partial<PlannedBuild>, keyof FakeActivities])[] = [
  ['spark', { engine: 'spark' }, 'buildTablesOnSpark'],
  ['parts', { parts: 3 }, 'buildPart'],
]
/** Those whose histories are recorded by replay.test.ts, and what of the four does not apply to them. */
const ELSEWHERE: Readonly<Record<string, string>> = {
  backfill: 'a date that fails is told and the backfill goes on; retried is its own signal',
  maintainLake: 'a table that fails is told and the others go on',
  rebuildBatch: 'retried as buildFeatures, whose steps it runs',
  rebuildInTurn: 'its child is what is retried and cancelled',
  streamSource: 'pauses and retries instead of failing; drains, goes on as new',
  trainModel: 'the plain one holds a retry',
  trainer: 'outlives the failures of its trainings; its end is a cancel; goes on as new',
}
const HOWS = ['retried', 'failed', 'cancelled'] as const

beforeAll(async () => {
  if (process.env['FIRN_RECORD_HISTORIES'] === '1') await record()
  else installRuntime({ level: 'error', shutdownSignals: [] })
}, 300_000)

describe('the recorded histories', () => {
  const files = readdirSync(historiesFolder).sort()

  it('are of every workflow that there is', () => {
    const index = readFileSync(join(historiesFolder, '..', '..', 'workflows', 'index.ts'), 'utf8')
    const workflows = [...index.matchAll(/^export \{ ([^}]+) \}/gm)].flatMap(([, names = '']) =>
      names.split(', '),
    )
    expect(workflows.length).toBeGreaterThan(9)
    expect(workflows.toSorted()).toEqual(
      [...ONES.map(([name]) => name), ...Object.keys(ELSEWHERE)].toSorted(),
    )
    for (const name of Object.keys(ELSEWHERE)) expect(files.join()).toMatch(new RegExp(`\\b${name}[.-]`))
  })

  it('hold every workflow, retried, failed and cancelled', () => {
    const missing = ONES.flatMap(([workflow]) =>
      HOWS.map((how) => `${workflow}-${how}.binpb`).filter((file) => !files.includes(file)),
    )
    expect(missing).toEqual([])
    for (const workflow of [
      ...ONES.map(([name]) => name),
      ...PLANS.map(([plan]) => `buildFeatures-${plan}`),
    ]) {
      const ends = (how: string) => readHistory(`${workflow}-${how}.binpb`).events.at(-1)
      expect(ends('retried')?.workflowExecutionCompletedEventAttributes).toBeTruthy()
      expect(ends('failed')?.workflowExecutionFailedEventAttributes).toBeTruthy()
      expect(ends('cancelled')?.workflowExecutionCanceledEventAttributes).toBeTruthy()
    }
  })

  it('hold builds and nights on Spark and in parts', () => {
    const scheduled = (file: string): readonly (string | null | undefined)[] =>
      readHistory(file).events.flatMap(({ activityTaskScheduledEventAttributes: one }) =>
        one == null ? [] : [one.activityType?.name],
      )
    const count = (file: string, name: string) => scheduled(file).filter((one) => one === name).length
    expect(count('buildFeatures-spark-retried.binpb', 'buildTablesOnSpark')).toBe(plannedBuild.groups.length)
    expect(count('buildFeatures-spark-retried.binpb', 'buildTables')).toBe(0)
    expect(count('buildFeatures-parts-retried.binpb', 'buildPart')).toBe(6)
    expect(count('buildFeatures-parts-retried.binpb', 'mergeParts')).toBe(2)
    for (const [plan] of PLANS) expect(files).toContain(`nightly-${plan}.binpb`)
  })

  it('replay on workers that trace, though they were recorded on workers that do not', async () => {
    const sinks = { exporter: { export: { fn: () => undefined } } }
    const options = { workflowBundle: { codePath: workflowBundlePath('traced') }, sinks }
    for (const file of files)
      await Worker.runReplayHistory(options, readHistory(file), file.replace('.binpb', ''))
  }, 120_000)

  it('hold small messages only: inputs and results are names, counts and locations', () => {
    for (const file of files)
      for (const event of readHistory(file).events) {
        const { length } = temporal.api.history.v1.HistoryEvent.encode(event).finish()
        expect({ file, event: Number(event.eventId), kilobytes: Math.ceil(length / 1024) }).toMatchObject({
          kilobytes: expect.toSatisfy((size: number) => size < 256),
        })
      }
  })

  it('schedule every activity with an end to its attempts', () => {
    for (const file of files)
      for (const { activityTaskScheduledEventAttributes: scheduled } of readHistory(file).events)
        if (scheduled != null)
          expect({
            file,
            name: scheduled.activityType?.name,
            attempts: scheduled.retryPolicy?.maximumAttempts,
          }).toMatchObject({ attempts: expect.toSatisfy((most: number) => most > 0 && most <= 10) })
  })
})

async function record(): Promise<void> {
  const test = await startTestServer()
  try {
    for (const [workflow, input, activity] of ONES)
      for (const how of HOWS) await recordOne(test, `${workflow}-${how}`, { workflow, input, activity, how })
    const input = { pipeline: 'quantum', batch: '20260701T020000Z' }
    for (const [label, plan, activity] of PLANS) {
      const of = { input, plan, activity }
      await recordOne(test, `nightly-${label}`, { ...of, workflow: 'nightly', how: 'retried' })
      for (const how of HOWS)
        await recordOne(test, `buildFeatures-${label}-${how}`, { ...of, workflow: 'buildFeatures', how })
    }
  } finally {
    await test.close()
  }
}

interface Recorded {
  readonly workflow: string
  readonly input: object
  readonly activity: keyof FakeActivities
  readonly how: (typeof HOWS)[number]
  readonly plan?: Partial<PlannedBuild>
}

async function recordOne(
  test: TestServer,
  name: string,
  { workflow, input, activity, how, plan = {} }: Recorded,
): Promise<void> {
  if (isRecorded(name)) return
  let begun = false
  const fake = (good: (given: never) => unknown) => (given: never) => {
    begun = true
    if (how === 'cancelled') return endless()
    if (how === 'failed') return failWith('config', { final: true })
    if (activityInfo().attempt === 1) return failWith('io')
    return good(given)
  }
  await withFakeLake(
    test.connection,
    { planBuild: ({ batch }) => Promise.resolve({ ...plannedBuild, ...plan, batch, tag: `v_${batch}` }) },
    async () => {
      const handle = await test.client.workflow.start(workflow, {
        workflowId: name,
        taskQueue: TASK_QUEUES.control,
        args: [input],
      })
      if (how === 'cancelled') {
        while (!begun) await sleep(50)
        await handle.cancel()
      }
      await handle.result().catch(() => undefined)
      await recordHistory(name, handle)
    },
    { wrap: { [activity]: fake } },
  )
}
