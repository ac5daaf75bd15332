import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { refreshWindows } from '../../lake/windows/refresh-windows.js'
import { publishWindows } from '../../lake/windows/publish-windows.js'
import type { Pipeline, WindowDefinition } from '../../schemas/pipeline.js'
import { landEvents, type LandedEvent } from './support/landed-events.js'
import { testLake, type TestLake } from './support/lake.js'

const MINUTE = 60_000
const T0 = Date.UTC(2026, 5, 28, 23, 50)

function clicksPipeline(window: WindowDefinition): Pipeline {
  return {
    name: 'shop',
    namespace: 'shop_features',
    directory: '/nowhere',
    sources: {
      clicks: {
        kind: 'json',
        topic: 'clicks',
        schema: { user: 'string', price: 'long' },
        identity: ['user'],
      },
    },
    tables: {
      per_user: {
        sql: 'per_user.sql',
        schema: { user: 'string!', window_end: 'timestamptz!', clicks: 'long', spent: 'long' },
        key: ['user', 'window_end'],
        partition: ['day(window_end)'],
        write: 'overwrite-partitions',
        window,
      },
      hourly: {
        sql: 'hourly.sql',
        schema: { window_end: 'timestamptz!', users: 'long' },
        key: ['window_end'],
        partition: ['day(window_end)'],
        write: 'overwrite-partitions',
        window: { size: '1h', lateness: '1h' },
      },
    },
    sqlTexts: {
      'per_user.sql': `SELECT "user", _window_end AS window_end, count(*) AS clicks, sum(price) AS spent FROM clicks GROUP BY ALL`,
      'hourly.sql': `SELECT _window_end AS window_end, count(DISTINCT "user") AS users FROM clicks GROUP BY ALL`,
    },
  }
}

let ids = 0
const click = (user: string, timeMs: number, price = 1, id = `e${++ids}`): LandedEvent => ({
  id,
  timeMs,
  document: { user, price },
})
const at = (minutes: number): number => T0 + minutes * MINUTE
let batches = 0
const nextBatch = (): string =>
  new Date(Date.UTC(2026, 6, 1) + ++batches * 30_000).toISOString().slice(0, 19).replace(/[-:]/g, '') + 'Z'

describe.each(['copy-on-write', 'merge-on-read'] as const)('windows, %s', (mode) => {
  let lake: TestLake
  beforeEach(() => (lake = testLake([clicksPipeline({ size: '5m', lateness: '10m', mode })])))
  afterEach(() => lake.close())

  const refresh = (watermarkMs?: number, batch = nextBatch()) =>
    refreshWindows(lake.deps, {
      pipeline: 'shop',
      batch,
      ...(watermarkMs === undefined ? {} : { watermarkMs }),
    })
  /** User, end in minutes, clicks, spent. */
  const perUser = async () =>
    (await lake.rows('shop_features.per_user', 'window_end, "user"')).map(
      (row) =>
        `${row['user'] as string} ${(Number(row['window_end']) / 1000 - T0) / MINUTE} ${row['clicks'] as bigint} ${row['spent'] as bigint}`,
    )

  it('are one row a key and window, of event time', async () => {
    await landEvents(lake.deps, 'clicks', [[click('a', at(0)), click('a', at(4.99), 5), click('b', at(5))]])
    const result = await refresh(at(5))
    expect(await perUser()).toEqual(['a 5 2 6', 'b 10 1 1'])
    expect(result).toMatchObject({ status: 'refreshed', rowEnd: 1, watermarkMs: at(5) })
    expect(result.tables).toMatchObject([
      { table: 'shop_features.hourly', windows: 1, rows: 1, late: 0 },
      { table: 'shop_features.per_user', windows: 2, rows: 2, late: 0 },
    ])
  })

  it('take records as long as they are open, and tell of those that come later', async () => {
    await landEvents(lake.deps, 'clicks', [[click('a', at(0)), click('a', at(16))]])
    await refresh(at(14.9))
    await landEvents(lake.deps, 'clicks', [[click('a', at(1)), click('a', at(-1))]])
    expect((await refresh(at(15))).tables[1]).toMatchObject({ windows: 1, late: 1 })
    await landEvents(lake.deps, 'clicks', [[click('a', at(1)), click('a', at(15))]])
    expect((await refresh()).tables[1]).toMatchObject({ windows: 1, late: 1 })
    expect(await perUser()).toEqual(['a 5 2 2', 'a 20 2 2'])
  })

  it('count the first landed of records with one id', async () => {
    await landEvents(lake.deps, 'clicks', [[click('a', at(0), 1, 'x')], [click('a', at(0), 7, 'x')]])
    await refresh()
    await landEvents(lake.deps, 'clicks', [[click('a', at(1), 9, 'x'), click('a', at(1), 2, 'y')]])
    await refresh()
    expect(await perUser()).toEqual(['a 5 2 3'])
  })

  it('write nothing where nothing is new, and give the recorded result of the same refresh', async () => {
    await landEvents(lake.deps, 'clicks', [[click('a', at(0))]])
    const batch = nextBatch()
    const first = await refresh(at(0), batch)
    expect(await refresh(at(1), batch)).toEqual(first)
    const snapshots = (await lake.catalog.loadTable({ namespace: 'shop_features', name: 'per_user' }))
      .metadata.snapshots
    expect(await refresh(at(9))).toMatchObject({ status: 'nothing-new', rowEnd: 1, watermarkMs: at(0) })
    expect(
      (await lake.catalog.loadTable({ namespace: 'shop_features', name: 'per_user' })).metadata.snapshots,
    ).toEqual(snapshots)
  })

  it('are tagged once an hour with an audit row', async () => {
    const run = { workflowId: 'w', runId: 'r', startedAtMs: 0 }
    const publish = (batch: string) => publishWindows(lake.deps, { pipeline: 'shop', batch, run })
    expect(await publish('20260701T000000Z')).toEqual({ status: 'no_changes', batch: '20260701T000000Z' })
    await landEvents(lake.deps, 'clicks', [[click('a', at(0))]])
    await refresh(at(2))
    const first = await publish('20260701T010000Z')
    expect(first).toMatchObject({
      status: 'published',
      publish: { tag: 'v_20260701T010000Z', inputFrom: 0, inputTo: 1 },
    })
    expect(await publish('20260701T010000Z')).toMatchObject({
      publish: { alreadyCommitted: true, tables: first.publish!.tables },
    })
    expect((await publish('20260701T020000Z')).status).toBe('no_changes')
    await landEvents(lake.deps, 'clicks', [[click('a', at(1))]])
    await refresh(at(3))
    expect(await publish('20260701T020000Z')).toMatchObject({
      publish: { tag: 'v_incr_20260701T020000Z', inputFrom: 1, inputTo: 2 },
    })
    const audit = await lake.rows('shop_features.processing_metadata', 'input_to')
    expect(audit.map((row) => [row['processing_name'], row['table_names'], row['record_counts']])).toEqual([
      ['shop.windows.clicks', ['shop_features.hourly', 'shop_features.per_user'], [1n, 1n]],
      ['shop.windows.clicks', ['shop_features.hourly', 'shop_features.per_user'], [1n, 1n]],
    ])
  })
})
