import { afterAll, beforeAll, expect, it } from 'vitest'
import { commitLanding } from '../../../lake/land/commit-landing.js'
import { fetchLanding } from '../../../lake/land/fetch-landing.js'
import { planLanding } from '../../../lake/land/plan-landing.js'
import { planBuild } from '../../../lake/features/plan-build.js'
import { publishBatch } from '../../../lake/publish/publish-batch.js'
import { loadPipeline } from '../../../lake/define/load-pipeline.js'
import { refreshWindows } from '../../../lake/windows/refresh-windows.js'
import { PaymentSimulation, type PaymentEvent } from '../../../pipelines/churn/simulate.js'
import type { LakeDeps } from '../../../schemas/lake-deps.js'
import { MemoryTopics } from '../../support/memory-topics.js'
import { RUN, stage } from '../../lake/support/batches.js'
import { testLake, type TestLake } from '../../lake/support/lake.js'

const TOPIC = 'payment-events'
const START = Date.UTC(2026, 4, 1)
const SIZE = 300_000

let lake: TestLake
let deps: LakeDeps
let topics: MemoryTopics
const events: PaymentEvent[] = []

beforeAll(async () => {
  lake = testLake([await loadPipeline('pipelines/churn')])
  topics = new MemoryTopics()
  topics.create(TOPIC, 3)
  deps = { ...lake.deps, topics }
})
afterAll(() => lake.close())

async function land(batch: string): Promise<void> {
  const plan = await planLanding(deps, { pipeline: 'churn', batch })
  if (plan.kind !== 'topic') throw new Error('expected a landing from the topic')
  const fetched = await Promise.all(plan.slices.map((_, slice) => fetchLanding(deps, plan, slice)))
  await commitLanding(deps, plan, fetched)
}

it('simulated payments become the windows that a loop over them counts, amounts to the cent', async () => {
  const simulation = new PaymentSimulation({ seed: 5, users: 20, startMs: START })
  for (const event of simulation.events()) {
    if (events.push(event) === 300) break
  }
  expect(new Set(events.map((event) => typeof event.amount + typeof event.event_time)).size).toBeGreaterThan(
    2,
  )
  for (const [part, batch] of ['20260601T000000Z', '20260601T000030Z', '20260601T000100Z'].entries()) {
    for (const event of events.slice(part * 100, part * 100 + 100)) topics.send(TOPIC, part, event)
    topics.send(TOPIC, part, events[part * 100])
    await land(batch)
    await refreshWindows(deps, { pipeline: 'churn', batch })
  }
  const rows = await lake.rows('ml_features.realtime_user_features', 'user_token, window_end')
  const windows = rows.map((row) => ({
    user: row['user_token'],
    endMs: Number(row['window_end']) / 1000,
    count: Number(row['txn_count_5min']),
    cents: Math.round(Number(row['total_amount_5min']) * 100),
    merchants: Number(row['unique_merchants_5min']),
  }))
  expect(windows).toEqual(expected())
})

it('the batch builds every transaction once, and leaves the windows to the stream', async () => {
  const planned = await planBuild(deps, { pipeline: 'churn', batch: '20260602T020000Z' })
  if (planned.kind !== 'build') throw new Error(planned.kind)
  const checks = await stage(deps, planned)
  expect(checks.passed).toBe(true)
  const built = await publishBatch(deps, { plan: planned, checks, run: RUN })
  expect(built.tables.map(({ table, rows }) => [table, rows])).toEqual([
    ['ml_features.raw_transactions', 300],
    ['ml_features.payment_events_ids', 0],
    ['ml_features.realtime_user_features', 0],
  ])
  const transactions = await lake.rows('ml_features.raw_transactions', 'txn_id')
  expect(transactions).toHaveLength(300)
  const byId = new Map(events.map((event) => [event.txn_id, event]))
  for (const row of transactions) {
    const event = byId.get(row['txn_id'] as string)!
    expect(Number(row['event_timestamp']) / 1000).toBe(timeOf(event))
    expect(Number(row['amount'])).toBe(Number(event.amount))
  }
})

function expected() {
  const groups = new Map<string, PaymentEvent[]>()
  for (const event of events) {
    const endMs = Math.floor(timeOf(event) / SIZE) * SIZE + SIZE
    const key = `${event.user_token} ${endMs}`
    groups.set(key, [...(groups.get(key) ?? []), event])
  }
  return [...groups]
    .map(([key, group]) => ({
      user: key.split(' ')[0],
      endMs: Number(key.split(' ')[1]),
      count: group.length,
      cents: group.reduce((sum, event) => sum + Math.round(Number(event.amount) * 100), 0),
      merchants: new Set(group.map((event) => event.merchant_id)).size,
    }))
    .sort((a, b) => (a.user! < b.user! ? -1 : a.user! > b.user! ? 1 : a.endMs - b.endMs))
}

function timeOf(event: PaymentEvent): number {
  return typeof event.event_time === 'number' ? event.event_time : Date.parse(event.event_time)
}
