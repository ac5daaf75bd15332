import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Client } from '@temporalio/client'
import { Worker } from '@temporalio/worker'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { compiledEntry } from '../../engine/compiled-entry.js'
import { unpackSample } from '../../pipelines/quantum/sample/unpack-sample.js'
import { TASK_QUEUES, workflowIds } from '../../schemas/workflow-names.js'
import { readConfig } from '../../workers/config.js'
import { connectClient } from '../../workers/connection.js'
import { startWorkers } from '../../workers/start-worker.js'
import { startTracing } from '../../workers/tracing.js'
import { workflowBundlePath } from '../../workers/workflow-bundle.js'
import { failWith, startTestServer, withFakeLake, type Call, type TestServer } from './support/fake-lake.js'
import { trained } from './support/fake-training.js'
import { startReceiver, type ReceivedSpan } from './support/otlp-receiver.js'

const home = mkdtempSync(join(tmpdir(), 'firn-tracing-'))
let test: TestServer
let receiver: Awaited<ReturnType<typeof startReceiver>>
let client: Client
beforeAll(async () => {
  receiver = await startReceiver()
  test = await startTestServer()
  client = await connectClient({
    address: test.server.address,
    namespace: 'default',
    traceEndpoint: receiver.endpoint,
  })
})
afterAll(async () => {
  await client.connection.close()
  await test.close()
  receiver.close()
  rmSync(home, { recursive: true, force: true })
})

describe('traces', () => {
  it('are one from the client through the night, its children and their activities, to the catalog', async () => {
    const folder = join(home, 'documents')
    await unpackSample({ folder, from: 0, count: 3 })
    const config = readConfig({ FIRN_HOME: home, FIRN_THREADS: '2', FIRN_OTLP_ENDPOINT: receiver.endpoint })
    const workers = await startWorkers(config, test.connection, { graceMs: 2000 })
    const input = { pipeline: 'quantum', from: folder, date: '2026-07-01', maintain: false }
    await client.workflow.execute('nightly', {
      workflowId: 'night',
      taskQueue: TASK_QUEUES.control,
      args: [input],
    })
    await workers.stop()

    await expect.poll(() => spanNamed('RunWorkflow:nightly'), { timeout: 20_000 }).toBeDefined()
    const start = spanNamed('StartWorkflow:nightly')
    const way = [
      spanNamed('RunWorkflow:nightly'),
      spanNamed('StartChildWorkflow:buildFeatures'),
      spanNamed('RunWorkflow:buildFeatures'),
      spanNamed('StartActivity:publishBatch'),
      spanNamed('RunActivity:publishBatch'),
    ]
    let parent = start
    for (const span of way) {
      expect(span).toMatchObject({ traceId: start?.traceId, parentSpanId: parent?.spanId })
      parent = span
    }
    expect(parent?.attributes).toMatchObject({ 'firn.pipeline': 'quantum', 'firn.batch': '20260701T020000Z' })
    expect(spanNamed('RunActivity:buildTables')?.attributes['firn.table']).toMatch(/molecules/)
    const commit = receiver.spans.find((span) => span.name === 'catalog.commit' && within(span, parent))
    expect(commit?.attributes['firn.table']).toMatch(/quantum_features\.molecules/)
    expect(new Set(receiver.spans.map(({ traceId }) => traceId)).size).toBe(1)

    // What was recorded with spans replays without them.
    for (const id of ['night', workflowIds.build('quantum'), workflowIds.land('quantum')]) {
      const history = await test.client.workflow.getHandle(id).fetchHistory()
      await Worker.runReplayHistory({ workflowBundle: { codePath: workflowBundlePath() } }, history, id)
    }
  }, 120_000)

  it('may be turned off in the middle of a run: what workflows draw at random stays the same', async () => {
    const { sinks } = await startTracing(receiver.endpoint)
    const control = { workflowBundle: { codePath: workflowBundlePath('traced') }, sinks }
    let handle: Awaited<ReturnType<Client['workflow']['start']>> | undefined
    const first = await withFakeLake(
      test.connection,
      { runTraining: () => failWith('io') },
      async (calls) => {
        handle = await client.workflow.start('trainModel', {
          workflowId: 'train',
          taskQueue: TASK_QUEUES.control,
          args: [{ pipeline: 'quantum', model: 'convergence', seed: 1 }],
        })
        await expect
          .poll(() => calls.some(({ name }) => name === 'runTraining'), { timeout: 20_000 })
          .toBe(true)
        return calls
      },
      { control },
    )
    const second = await withFakeLake(
      test.connection,
      { runTraining: () => Promise.resolve(trained) },
      async (calls) => {
        await handle?.result()
        return calls
      },
    )
    expect(runIdOf(first, 'runTraining')).toBeDefined()
    expect(runIdOf(second, 'registerVersion')).toBe(runIdOf(first, 'runTraining'))
  }, 60_000)

  it('cost nothing where nobody asks for them: OpenTelemetry is neither in the bundle nor loaded', () => {
    expect(readFileSync(workflowBundlePath('traced'), 'utf8')).toMatch(/@opentelemetry\/sdk-trace-base/)
    expect(readFileSync(workflowBundlePath(), 'utf8')).not.toMatch(/opentelemetry\/(api|core|sdk)/)
    const entry = compiledEntry('workers/start-worker').href
    const script = `await import(${JSON.stringify(entry)}); await import(${JSON.stringify(compiledEntry('workers/connection').href)}); const { default: m } = await import('node:module'); console.log(Object.keys(m._cache).filter((name) => name.includes('opentelemetry')).length)`
    const printed = execFileSync(process.execPath, ['--input-type=module', '-e', script], {
      encoding: 'utf8',
    })
    expect(printed.trim()).toBe('0')
  })
})

const spanNamed = (name: string): ReceivedSpan | undefined =>
  receiver.spans.find((span) => span.name === name)

/** Whether a span lies below another one. */
function within(span: ReceivedSpan, above: ReceivedSpan | undefined): boolean {
  const parent = receiver.spans.find(({ spanId }) => spanId === span.parentSpanId)
  return parent !== undefined && (parent.spanId === above?.spanId || within(parent, above))
}

function runIdOf(calls: readonly Call[], name: string): string | undefined {
  const input = calls.find((call) => call.name === name)?.input
  return /"runId":"([0-9a-f]{32})"/.exec(JSON.stringify(input))?.[1]
}
