import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { runSql } from '../../lake/query/sql.js'
import type { LandResult } from '../../schemas/messages.js'
import type { StreamResult, StreamStatus } from '../../schemas/stream-messages.js'
import { STREAM_SIGNALS, TASK_QUEUES, workflowIds } from '../../schemas/workflow-names.js'
import { readConfig } from '../../workers/config.js'
import { createLakeDeps, type Lake } from '../../workers/create-deps.js'
import { startWorkers, type RunningWorkers } from '../../workers/start-worker.js'
import { MemoryTopics } from '../support/memory-topics.js'
import { startTestServer, type TestServer } from './support/fake-lake.js'

/** The real pipeline and the real lake on a real server; only the broker is in memory. */
const home = mkdtempSync(join(tmpdir(), 'firn-stream-lake-'))
const config = readConfig({ FIRN_HOME: home, FIRN_THREADS: '2' })
const topics = new MemoryTopics()
const START_MS = Date.UTC(2026, 6, 1)
let test: TestServer
let lake: Lake
let workers: RunningWorkers

beforeAll(async () => {
  topics.create('payment-events', 2)
  test = await startTestServer()
  lake = await createLakeDeps(config)
  workers = await startWorkers(config, test.connection, {
    lake: { ...lake, deps: { ...lake.deps, topics } },
    graceMs: 2000,
  })
})
afterAll(async () => {
  await workers.stop()
  await test.close()
  lake.close()
  rmSync(home, { recursive: true, force: true })
})

let sent = 0
function send(count: number): void {
  for (let i = 0; i < count; i += 1, sent += 1) {
    const event_time = START_MS + sent * 1000
    const record = {
      txn_id: `t${sent}`,
      user_token: `u${sent % 5}`,
      amount: '1.50',
      merchant_id: 'm',
      status: 'approved',
      event_time,
    }
    topics.send('payment-events', sent % 2, record, { timestampMs: event_time })
  }
}

async function one(sql: string): Promise<Record<string, unknown>> {
  const { rows } = await runSql(lake.deps, { sql })
  return Object.fromEntries(Object.entries(rows[0] ?? {}).map(([name, value]) => [name, Number(value)]))
}

describe('a stream on the real lake', () => {
  it('lands everything once beside a bounded landing of the same topic, and keeps the windows', async () => {
    send(100)
    const stream = await test.client.workflow.start('streamSource', {
      workflowId: workflowIds.stream('churn', 'payment_events'),
      taskQueue: TASK_QUEUES.control,
      args: [{ pipeline: 'churn', maxAgeMs: 300 }],
    })
    const status = (): Promise<StreamStatus> => stream.query<StreamStatus>('status')
    await expect.poll(async () => (await status()).landed.records, { timeout: 60_000 }).toBe(100)
    send(200)
    topics.send('payment-events', 0, '{broken')
    const landing = test.client.workflow.execute('landSource', {
      workflowId: workflowIds.land('churn'),
      taskQueue: TASK_QUEUES.control,
      args: [{ pipeline: 'churn' }],
    }) as Promise<LandResult>
    send(300)
    const bounded = await landing
    await stream.signal(STREAM_SIGNALS.drain)
    const result = (await stream.result()) as StreamResult
    const ledger = `SELECT sum(records) AS records, sum(next_offset - first) AS offsets, max(next_offset) AS "end",
      sum(dead_letters) AS letters FROM raw.payment_events`
    expect(await one(ledger)).toEqual({ records: 600, offsets: 601, end: 301, letters: 1 })
    // Both may have planned the same offsets: whoever comes second finds them landed, and says so too.
    expect(result.landed.records + bounded.records).toBeGreaterThanOrEqual(600)
    expect(bounded.lag).toBeDefined()
    expect(await status()).toMatchObject({ status: 'done', windows: { batches: result.landed.batches } })
    const windows = 'SELECT sum(txn_count_5min) AS transactions FROM ml_features.realtime_user_features'
    expect(await one(windows)).toEqual({ transactions: 600 })
  }, 180_000)
})
