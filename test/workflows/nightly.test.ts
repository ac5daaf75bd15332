import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { WorkflowFailedError } from '@temporalio/client'
import { rootCause } from '@temporalio/common'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { runSql } from '../../lake/query/sql.js'
import { unpackSample } from '../../pipelines/quantum/sample/unpack-sample.js'
import type { MaintenanceReport, NightlyInput, NightlyResult } from '../../schemas/messages.js'
import type { TrainModelInput, TrainModelResult } from '../../schemas/model-messages.js'
import { TASK_QUEUES } from '../../schemas/workflow-names.js'
import { readConfig } from '../../workers/config.js'
import { createLakeDeps, type Lake } from '../../workers/create-deps.js'
import { startWorkers, type RunningWorkers } from '../../workers/start-worker.js'
import { startTestServer, type TestServer } from './support/fake-lake.js'

/** The real pipeline on a real server: documents in, tables, tags and audit rows out. */
const home = mkdtempSync(join(tmpdir(), 'firn-nightly-'))
const config = readConfig({ FIRN_HOME: home, FIRN_THREADS: '2' })
const folder = join(home, 'documents')
let test: TestServer
let lake: Lake
let workers: RunningWorkers

beforeAll(async () => {
  await unpackSample({ folder, from: 0, count: 3 })
  test = await startTestServer()
  lake = await createLakeDeps(config)
  workers = await startWorkers(config, test.connection, { lake, graceMs: 2000 })
})
afterAll(async () => {
  await workers.stop()
  await test.close()
  lake.close()
  rmSync(home, { recursive: true, force: true })
})

let runs = 0
async function execute<Result>(workflow: string, input: object): Promise<Result> {
  const workflowId = `run-${(runs += 1)}`
  const taskQueue = TASK_QUEUES.control
  return (await test.client.workflow.execute(workflow, { workflowId, taskQueue, args: [input] })) as Result
}
function night(input: Omit<NightlyInput, 'pipeline'>): Promise<NightlyResult> {
  return execute('nightly', { pipeline: 'quantum', ...input })
}

async function count(table: string, where = 'true'): Promise<number> {
  const { rows } = await runSql(lake.deps, { sql: `SELECT count(*) AS n FROM ${table} WHERE ${where}` })
  return Number(rows[0]?.['n'])
}
const audited = (): Promise<number> =>
  count('quantum_features.processing_metadata', `status = 'published' AND processing_name = 'quantum'`)

describe('the night of the quantum pipeline', () => {
  it('lands three documents and publishes them whole, under the batch of the date', async () => {
    const result = await night({ from: folder, date: '2026-07-01' })
    expect(result).toMatchObject({
      batch: '20260701T020000Z',
      land: { files: 3, records: 3, deadLetters: 0 },
      build: { status: 'published', publish: { tag: 'v_20260701T020000Z', alreadyCommitted: false } },
    })
    expect(result.build.checks?.passed).toBe(true)
    expect(await count('quantum_features.vqe_results')).toBe(3)
    expect(await audited()).toBe(1)
    expect(result.maintenance?.tables.filter((table) => table.error !== undefined)).toEqual([])
  }, 120_000)

  it('done again gives the recorded result; a later date with nothing new writes nothing', async () => {
    const again = await night({ from: folder, date: '2026-07-01' })
    expect(again).toMatchObject({
      land: { files: 0 },
      build: { status: 'published', publish: { alreadyCommitted: true } },
    })
    const later = await night({ from: folder, date: '2026-07-02' })
    expect(later).toMatchObject({ land: { files: 0 }, build: { status: 'no_changes' }, scores: [] })
    // One look at the lake, no child.
    const { events } = await test.client.workflow.getHandle(`run-${runs}`).fetchHistory()
    const activities = (events ?? []).flatMap(
      ({ activityTaskScheduledEventAttributes: scheduled }) => scheduled?.activityType?.name ?? [],
    )
    expect(activities).toEqual(['lookAtNight'])
    expect(
      (events ?? []).filter((event) => event.startChildWorkflowExecutionInitiatedEventAttributes),
    ).toEqual([])
    expect(await audited()).toBe(1)
  })

  it('two nights at once on new documents publish them once', async () => {
    await unpackSample({ folder, from: 3, count: 2 })
    const results = await Promise.all([
      night({ from: folder, date: '2026-07-03' }),
      night({ from: folder, date: '2026-07-03' }),
    ])
    expect(results.map((result) => result.build.publish?.tag)).toEqual(
      Array(2).fill('v_incr_20260703T020000Z'),
    )
    expect(await count('quantum_features.vqe_results')).toBe(5)
    expect(await audited()).toBe(2)
  })

  it('a model is trained on a batch, again with the same weights, and the next night scores with it', async () => {
    await unpackSample({ folder, from: 5, count: 15 })
    const before = await night({ from: folder, date: '2026-07-04', maintain: false })
    expect(before).toMatchObject({ build: { status: 'published' }, scores: [] })
    const input: TrainModelInput = { pipeline: 'quantum', model: 'convergence_k20', seed: 7 }
    const first = await execute<TrainModelResult>('trainModel', input)
    expect(first).toMatchObject({ version: 1, pin: { tag: 'v_incr_20260704T020000Z', seed: 7 } })
    const second = await execute<TrainModelResult>('trainModel', input)
    expect(second).toMatchObject({
      version: 1,
      dataset: { digest: first.dataset.digest },
      trained: { weightsDigest: first.trained.weightsDigest },
    })

    await unpackSample({ folder, from: 20, count: 2 })
    const scored = await night({ from: folder, date: '2026-07-05', maintain: false })
    expect(scored.scores).toMatchObject([
      { status: 'published', model: 'convergence_k20', version: 1, featuresTag: 'v_incr_20260705T020000Z' },
    ])
    const predictions = await count('quantum_features.predictions')
    expect(predictions).toBeGreaterThan(0)
    const again = await night({ from: folder, date: '2026-07-05', maintain: false })
    expect(again.scores).toHaveLength(1)
    expect(await count('quantum_features.predictions')).toBe(predictions)
  }, 120_000)

  it('maintenance in a dry run changes nothing', async () => {
    const before = await lake.deps.catalog.loadTable({ namespace: 'quantum_features', name: 'vqe_results' })
    const report = await execute<MaintenanceReport>('maintainLake', { pipeline: 'quantum', dryRun: true })
    expect(report.dryRun).toBe(true)
    expect(report.tables.length).toBeGreaterThan(10)
    expect(report.tables.filter((table) => table.error !== undefined)).toEqual([])
    const after = await lake.deps.catalog.loadTable(before.identifier)
    expect(after.metadataLocation).toBe(before.metadataLocation)
  })

  it.each([
    ['an unknown pipeline', { pipeline: 'nope' }, /no pipeline "nope".*quantum/],
    ['a folder that is not there', { pipeline: 'quantum', from: '/no/such/folder' }, /\/no\/such\/folder/],
  ])('%s ends with what to do', async (_, input, message) => {
    const error: unknown = await execute('landSource', input).catch((failure: unknown) => failure)
    expect(error).toBeInstanceOf(WorkflowFailedError)
    expect(rootCause((error as WorkflowFailedError).cause)).toMatch(message)
  })
})
