import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { activityInfo } from '@temporalio/activity'
import { Runtime } from '@temporalio/worker'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { METRICS } from '../../schemas/metrics.js'
import { TASK_QUEUES, workflowIds } from '../../schemas/workflow-names.js'
import { readConfig } from '../../workers/config.js'
import { createLakeDeps } from '../../workers/create-deps.js'
import { measureEventLoop } from '../../workers/event-loop-lag.js'
import { observedLake } from '../../workers/observed-lake.js'
import { failWith, startTestServer, withFakeLake, type TestServer } from './support/fake-lake.js'
import { freePort } from './support/free-port.js'
import { fakeTopic } from './support/fake-topic.js'

let test: TestServer
let metricsAddress: string
beforeAll(async () => {
  metricsAddress = `127.0.0.1:${await freePort()}`
  test = await startTestServer({}, { metricsAddress })
})
afterAll(() => test.close())

/** Lines of our own metrics: name, labels, value. */
async function scrape(): Promise<string[]> {
  const response = await fetch(`http://${metricsAddress}/metrics`)
  const text = await response.text()
  return text.split('\n').filter((line) => line.startsWith('firn_'))
}

describe('metrics', () => {
  it('say what was landed, what failed, what waits, and why a stream stands still', async () => {
    const topic = fakeTopic({ partitions: 2, maxRecords: 3 })
    topic.produce(0, 1_700_000_000_000, undefined)
    topic.produce(1, 1_700_000_001_000, 1_700_000_002_000)
    let commits = 0
    await withFakeLake(
      test.connection,
      {
        ...topic.activities,
        commitLanding: (landing) => {
          commits += 1
          if (commits === 1) failWith('stale-range')
          if (commits === 3) failWith('contract-broken', { final: true })
          return topic.activities.commitLanding(landing)
        },
      },
      async () => {
        const handle = await test.client.workflow.start('streamSource', {
          workflowId: workflowIds.stream('churn', 'events'),
          taskQueue: TASK_QUEUES.control,
          args: [{ pipeline: 'churn', source: 'events', maxAgeMs: 100 }],
        })
        const about = 'pipeline="churn",source="events"'
        const value = async (name: string, ...labels: readonly string[]): Promise<number | undefined> => {
          const line = (await scrape()).find(
            (one) => one.startsWith(`${name}{`) && [about, ...labels].every((label) => one.includes(label)),
          )
          return line === undefined ? undefined : Number(line.split(' ').at(-1))
        }
        await expect.poll(() => value('firn_stream_paused'), { timeout: 45_000 }).toBe(1)
        expect(await value('firn_landed_records_total')).toBe(2)
        expect(await value('firn_landed_bytes_total')).toBe(3)
        expect(await value('firn_landings_total')).toBe(1)
        expect(await value('firn_dead_letters_total', 'kind="malformed-json"')).toBe(1)
        expect(await value('firn_landing_failures_total', 'step="commit"', 'kind="stale-range"')).toBe(1)
        expect(await value('firn_landing_failures_total', 'step="commit"', 'kind="contract-broken"')).toBe(1)
        expect(await value('firn_landing_seconds_count', 'step="commit"')).toBe(3)
        expect(await value('firn_lag_records', 'partition="0"')).toBe(0)
        expect(await value('firn_lag_records', 'partition="1"')).toBe(1)
        expect(await value('firn_watermark_seconds')).toBe(1_700_000_000)
        expect(await value('firn_stream_retries')).toBe(0)
        await handle.cancel()
        await handle.result().catch(() => undefined)
      },
    )
    await withFakeLake(
      test.connection,
      {
        runChecks: () => {
          if (activityInfo().attempt === 1) failWith('io')
          return Promise.resolve({
            passed: false,
            results: [{ name: 'rows_exist', severity: 'blocking', passed: false, failingRows: 3 }],
          })
        },
      },
      async () => {
        const run = (workflow: string, input: object): Promise<unknown> =>
          test.client.workflow.execute(workflow, {
            workflowId: workflow,
            taskQueue: TASK_QUEUES.control,
            args: [input],
          })
        await run('buildFeatures', { pipeline: 'quantum', batch: '20260701T020000Z' })
        await run('scoreBatch', { pipeline: 'quantum', model: 'convergence', batch: '20260701T020000Z' })
      },
    )
    await commitOnce()
    const found = await scrape()
    const shows = (name: string, ...labels: readonly string[]): boolean =>
      found.some((line) => line.startsWith(`${name}{`) && labels.every((label) => line.includes(label)))
    expect(shows('firn_built_rows_total', 'pipeline="quantum"', 'table="a"')).toBe(true)
    expect(shows('firn_check_failures_total', 'check="rows_exist"', 'severity="blocking"')).toBe(true)
    expect(shows('firn_batches_total', 'pipeline="quantum"', 'status="failed"')).toBe(true)
    expect(shows('firn_scored_rows_total', 'pipeline="quantum"', 'model="convergence"')).toBe(true)
    expect(shows('firn_commits_total', 'outcome="committed"')).toBe(true)
    expect(shows('firn_commits_total', 'outcome="conflict"')).toBe(true)
    expect(shows('firn_activity_failures_total', 'activity="runChecks"', 'kind="io"')).toBe(true)
    expect(shows('firn_activity_retries_total', 'activity="runChecks"')).toBe(true)
    const seen = new Set(found.map((line) => line.replace(/[{ ].*/, '')))
    const named = [...seen].map((name) => name.replace(/_(total|bucket|sum|count)$/, ''))
    expect([...new Set(named)].toSorted()).toEqual(Object.keys(METRICS).toSorted())
  })

  it('are all in docs/metrics.md, with their labels and words', () => {
    const page = readFileSync(join(import.meta.dirname, '..', '..', 'docs', 'metrics.md'), 'utf8')
    const rows = page.split('\n').filter((line) => line.startsWith('| `firn_'))
    const cells = rows.map((row) =>
      row
        .split('|')
        .slice(1, -1)
        .map((cell) => cell.trim()),
    )
    expect(cells).toEqual(
      Object.entries(METRICS).map(([name, { kind, labels, description }]) => [
        `\`${name}${kind === 'counter' ? '_total' : ''}\``,
        kind,
        labels.map((label) => `\`${label}\``).join(', '),
        description,
      ]),
    )
  })

  it('need an address that is one', () => {
    expect(readConfig({ FIRN_METRICS_ADDRESS: '127.0.0.1:9464' }).worker.metricsAddress).toBe(
      '127.0.0.1:9464',
    )
    expect(readConfig({}).worker.metricsAddress).toBeUndefined()
    for (const wrong of ['9464', 'localhost', 'http://127.0.0.1:9464', '127.0.0.1:x'])
      expect(() => readConfig({ FIRN_METRICS_ADDRESS: wrong })).toThrow(
        /FIRN_METRICS_ADDRESS: give an IP address/,
      )
  })
})

/** One commit that goes well and one that comes too late, on a lake as workers have it. */
async function commitOnce(): Promise<void> {
  const home = mkdtempSync(join(tmpdir(), 'firn-metrics-'))
  const meter = Runtime.instance().metricMeter
  const lake = observedLake(await createLakeDeps(readConfig({ FIRN_HOME: home })), meter)
  try {
    measureEventLoop(meter)()
    const identifier = { namespace: 'n', name: 't' }
    await lake.deps.catalog.createNamespace('n')
    await lake.deps.catalog.createTable({
      identifier,
      schema: { type: 'struct', fields: [], 'schema-id': 0 },
    })
    const commit = (uuid: string | undefined) =>
      lake.deps.catalog.commit([
        {
          identifier,
          requirements: uuid === undefined ? [] : [{ type: 'assert-table-uuid', uuid }],
          updates: [{ action: 'set-properties', updates: { a: 'b' } }],
        },
      ])
    await commit(undefined)
    await expect(commit('another')).rejects.toThrow()
  } finally {
    lake.close()
    rmSync(home, { recursive: true, force: true })
  }
}
