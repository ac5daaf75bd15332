import { afterEach, beforeEach, expect, it } from 'vitest'
import type { FileIO } from '../../iceberg/io/file-io.js'
import { commitLanding } from '../../lake/land/commit-landing.js'
import { fetchLanding } from '../../lake/land/fetch-landing.js'
import { planLanding } from '../../lake/land/plan-landing.js'
import { maintainTable } from '../../lake/maintain/maintain-lake.js'
import { listLeases } from '../../lake/staging/stage.js'
import { refreshWindows } from '../../lake/windows/refresh-windows.js'
import type { LakeDeps } from '../../schemas/lake-deps.js'
import type { TopicLandingPlan } from '../../schemas/messages.js'
import type { Pipeline } from '../../schemas/pipeline.js'
import { MemoryTopics } from '../support/memory-topics.js'
import { testLake, type TestLake } from './support/lake.js'

const TOPIC = 'shop.clicks'
const MINUTE = 60_000
const TABLES = ['raw.clicks', 'raw.dead_letters', 'shop_features.per_user']
const T0 = Date.UTC(2026, 5, 1)
const pipeline: Pipeline = {
  name: 'shop',
  namespace: 'shop_features',
  directory: '/nowhere',
  sources: {
    clicks: {
      kind: 'json',
      topic: TOPIC,
      schema: { id: 'string', user: 'string', at: 'long' },
      identity: ['id'],
      eventTime: 'at',
    },
  },
  tables: {
    per_user: {
      sql: 'per_user.sql',
      schema: { user: 'string!', window_end: 'timestamptz!', clicks: 'long' },
      key: ['user', 'window_end'],
      partition: ['day(window_end)'],
      write: 'overwrite-partitions',
      window: { size: '1m', lateness: '1m' },
    },
  },
  sqlTexts: {
    'per_user.sql': `SELECT "user", _window_end AS window_end, count(*) AS clicks FROM clicks GROUP BY ALL`,
  },
}

let lake: TestLake
let topics: MemoryTopics
let deps: LakeDeps
let batches: number

beforeEach(() => {
  topics = new MemoryTopics()
  topics.create(TOPIC, 2)
  lake = testLake([pipeline])
  deps = { ...lake.deps, topics }
  batches = 0
})
afterEach(() => lake.close())

type Cost = Record<string, Record<string, number>>

/** One micro-batch of a stream, bad records among it, and a refresh of its windows; what each step asked the store for. */
async function microBatch(): Promise<Cost> {
  const n = batches++
  for (const partition of [0, 1]) {
    topics.send(TOPIC, partition, { id: `${n}-${partition}`, user: 'a', at: T0 + n * MINUTE })
    topics.send(TOPIC, partition, '{')
  }
  const batch = `${new Date(T0 + n * 5000).toISOString().slice(0, 19).replace(/[-:]/g, '')}Z`
  const cost: Cost = {}
  const step = async <T>(name: string, work: (counted: LakeDeps) => Promise<T>): Promise<T> => {
    const calls: Record<string, number> = {}
    cost[name] = calls
    return await work({ ...deps, catalog: countingCatalog(deps.catalog, calls) })
  }
  const plan = (await step('plan', (d) => planLanding(d, { pipeline: 'shop', batch }))) as TopicLandingPlan
  const fetched = await step('fetch', (d) => Promise.all(plan.slices.map((_, i) => fetchLanding(d, plan, i))))
  await step('commit', (d) => commitLanding(d, plan, fetched))
  await step('refresh', (d) => refreshWindows(d, { pipeline: 'shop', batch, watermarkMs: T0 + n * MINUTE }))
  return cost
}

/** As two hours later. */
async function maintain(): Promise<void> {
  const later = { ...deps, now: () => deps.now() + 120 * MINUTE }
  for (const table of TABLES) await maintainTable(later, table, { dryRun: false })
}

function countingCatalog<C extends { readonly io: FileIO }>(catalog: C, calls: Record<string, number>): C {
  const io = counting(catalog.io, calls)
  const counted = counting(catalog, calls)
  return new Proxy(counted, {
    get: (target, key) => (key === 'io' ? io : (Reflect.get(target, key) as unknown)),
  })
}

function counting<T extends object>(target: T, calls: Record<string, number>): T {
  return new Proxy(target, {
    get(_, key) {
      const value = Reflect.get(target, key, target) as unknown
      if (typeof value !== 'function') return value
      const bound = value.bind(target) as (...args: unknown[]) => unknown
      return (...args: unknown[]) => {
        const name = String(key)
        calls[name] = (calls[name] ?? 0) + 1
        return bound(...args)
      }
    },
  })
}

it('a micro-batch and its refresh ask the store for as much after ten times the history, and maintenance clears up', async () => {
  const costs: Cost[] = []
  for (const history of [8, 80]) {
    while (batches < history) await microBatch()
    await maintain()
    expect(await listLeases(deps)).toEqual([])
    await microBatch()
    await microBatch()
    costs.push(await microBatch())
    expect(await listLeases(deps)).toHaveLength(3)
  }
  const [short, long] = costs
  for (const step of ['plan', 'fetch', 'commit']) expect(long![step], step).toEqual(short![step])
  expect(short!['commit']!['write']).toBeGreaterThan(2)
  for (const [call, times] of Object.entries(long!['refresh']!))
    expect(times, `${call} of a refresh`).toBeLessThanOrEqual(short!['refresh']![call] ?? 0)
}, 300_000)
