import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openTable } from '../../engine/table/open-table.js'
import { changeRefs } from '../../iceberg/write/refs.js'
import { RAW_KEPT_FROM } from '../../lake/land/raw-kept-from.js'
import { maintainTable } from '../../lake/maintain/maintain-lake.js'
import { publishWindows } from '../../lake/windows/publish-windows.js'
import type { LakeDeps } from '../../schemas/lake-deps.js'
import { keepOneSnapshot } from './support/keep-one-snapshot.js'
import { click, MINUTE, shopPipeline, T0, WINDOW_TABLES, WindowModel } from './support/window-model.js'

let model: WindowModel
beforeEach(() => (model = new WindowModel()))
afterEach(() => model.lake.close())

const at = (minutes: number): number => T0 + minutes * MINUTE
const windowsOf = (result: Awaited<ReturnType<WindowModel['refresh']>>): readonly number[] =>
  result.tables.map(({ windows }) => windows)

/** Four windows of per_user, two of visits, in two refreshes. */
async function fill(): Promise<void> {
  await model.land([[click('1', 'a', at(0)), click('2', 'a', at(6))]])
  await model.refresh(at(5))
  await model.land([[click('3', 'b', at(12)), click('4', 'b', at(24))]])
  await model.refresh(at(20))
  await model.noteWatermarks()
}

async function landOneMore(): Promise<readonly number[]> {
  await model.land([[click('5', 'a', at(25))]])
  const windows = windowsOf(await model.refresh(at(25)))
  for (const name of WINDOW_TABLES)
    expect(await model.read(name)).toEqual(model.expected(name, model.rows.length))
  return windows
}

describe('a window table that does not say how far it is', () => {
  it('is computed anew from the ledger where somebody else wrote to it', async () => {
    await fill()
    const { catalog, engine, now, newUuid, newSnapshotId } = model.deps
    const table = openTable({
      catalog,
      engine,
      now,
      newUuid,
      newSnapshotId,
      identifier: 'shop_features.per_user',
    })
    await table.delete({ kind: 'compare', op: 'eq', column: 'user', value: 'b' })
    expect(await model.read('per_user')).not.toEqual(model.expected('per_user', 2))
    // Four windows that had records, one of the new record: all of them.
    expect(await landOneMore()).toEqual([5, 1])
  })

  it('is known from the audit row of its last publish where another compacted it and its history has expired', async () => {
    await fill()
    const run = { workflowId: 'w', runId: 'r', startedAtMs: 0 }
    await publishWindows(model.deps, { pipeline: 'shop', batch: '20260701T010000Z', run })
    for (const name of WINDOW_TABLES) await model.compact(name)
    await dropTags(model.deps, 'v_20260701T010000Z')
    await model.expire()
    expect((await model.metadataOf('per_user')).snapshots.map(({ summary }) => summary?.operation)).toEqual([
      'replace',
    ])
    expect(await landOneMore()).toEqual([1, 1])
  })

  it('without such a row it is computed anew', async () => {
    await fill()
    await model.compact('per_user')
    await model.expire()
    expect((await model.metadataOf('per_user')).snapshots.map(({ summary }) => summary?.operation)).toEqual([
      'replace',
    ])
    expect(await landOneMore()).toEqual([5, 1])
  })

  it('is said again by the next refresh, before the history beneath the compaction expires', async () => {
    await fill()
    for (const name of WINDOW_TABLES) await model.compact(name)
    expect(await model.refresh(at(20))).toMatchObject({ status: 'refreshed', rowEnd: 2 })
    expect(await model.refresh(at(20))).toMatchObject({ status: 'nothing-new', rowEnd: 2 })
    await model.expire()
    await model.expire()
    // A record of a window that is closed to it stays late, one of an open window counts.
    await model.land([[click('late', 'a', at(1)), click('5', 'a', at(25))]])
    expect(windowsOf(await model.refresh(at(25)))).toEqual([1, 1])
    for (const name of WINDOW_TABLES)
      expect(await model.read(name)).toEqual(model.expected(name, model.rows.length))
  })

  it("is known after Firn's own compaction, which repeats what it was made from", async () => {
    await fill()
    for (const n of [0, 1, 2, 3, 4, 5]) {
      await model.land([[click(`6.${n}`, 'a', at(30 + n * 5))]])
      await model.refresh(at(25))
    }
    for (const n of [0, 1, 2]) {
      await model.land([[click(`7.${n}`, 'a', at(60 * 24 * (n + 2)))]])
      await model.refresh(at(25))
    }
    await model.noteWatermarks()
    await keepOneSnapshot(model.deps.catalog, 'shop_features.per_user')
    await maintainTable(model.deps, 'shop_features.per_user', { dryRun: false })
    await maintainTable(model.deps, 'shop_features.per_user', { dryRun: false })
    const { snapshots } = await model.metadataOf('per_user')
    expect(snapshots.map(({ summary }) => summary?.operation)).toEqual(['replace'])
    expect(await landOneMore()).toEqual([1, 1])
  })
})

it('a table that was rolled back takes again what it had taken, and refuses again what was late', async () => {
  await fill()
  await model.land([[click('5', 'a', at(1)), click('6', 'a', at(24))]])
  const before = windowsOf(await model.refresh(at(30)))
  await model.land([[click('7', 'a', at(13)), click('8', 'b', at(31))]])
  await model.refresh(at(31))
  await model.noteWatermarks()
  const was = await model.read('per_user')
  expect(was).toEqual(model.expected('per_user', 4))
  await model.rollBack('per_user', 3)
  expect(await model.read('per_user')).toEqual(model.expected('per_user', 1))
  await model.refresh(at(40))
  expect(await model.read('per_user')).toEqual(was)
  expect(before).toEqual([1, 1])
})

it('a window that retention has taken raw objects of stays as it is, and what comes for it is told as late', async () => {
  await fill()
  const identifier = { namespace: 'raw', name: 'clicks' }
  const { metadata } = await model.lake.catalog.loadTable(identifier)
  await model.lake.catalog.commit([
    {
      identifier,
      requirements: [{ type: 'assert-table-uuid', uuid: metadata['table-uuid'] }],
      updates: [{ action: 'set-properties', updates: { [RAW_KEPT_FROM]: '1' } }],
    },
  ])
  const [removed] = await model.lake.rows('raw.clicks', 'row_number')
  await model.lake.catalog.io.delete(removed!['path'] as string)
  const before = await model.lake.rows('shop_features.per_user', 'window_end')
  const { per_user } = shopPipeline.tables
  const patient = { ...per_user!, window: { size: '5m', lateness: '1h' } }
  const grown = { ...shopPipeline, tables: { per_user: patient, again: per_user! } }
  const deps = { ...model.deps, pipelines: new Map([['shop', grown]]) }
  await model.land([[click('5', 'a', at(1)), click('6', 'b', at(13))]])
  const { tables } = await model.refresh(at(24), { deps })
  expect(tables).toMatchObject([
    { table: 'shop_features.again', windows: 2, late: 1 },
    { table: 'shop_features.per_user', windows: 1, late: 1 },
  ])
  const after = await model.lake.rows('shop_features.per_user', 'window_end')
  expect(after.map((row) => row['clicks'])).toEqual([1n, 1n, 2n, 1n])
  expect(after.filter((_, i) => i !== 2)).toEqual(before.filter((_, i) => i !== 2))
})

it('a window table that is new begins with all that was landed', async () => {
  await fill()
  const { per_user, ...others } = shopPipeline.tables
  const grown = { ...shopPipeline, tables: { ...others, per_user: per_user!, again: per_user! } }
  const deps = { ...model.deps, pipelines: new Map([['shop', grown]]) }
  const result = await model.refresh(undefined, { deps })
  expect(result.tables.map(({ table, windows }) => [table, windows])).toEqual([
    ['shop_features.again', 4],
    ['shop_features.per_user', 0],
    ['shop_features.visits', 0],
  ])
  const rows = await model.lake.rows('shop_features.again', 'window_end')
  expect(rows).toEqual(await model.lake.rows('shop_features.per_user', 'window_end'))
})

it.each([
  [
    'two rows of a key',
    `SELECT "user", _window_end AS window_end, 1 AS clicks, price AS spent FROM clicks`,
    /keys .* more than once/,
  ],
  [
    'a window of its own',
    `SELECT "user", _window_start AS window_end, count(*) AS clicks, 0 AS spent FROM clicks GROUP BY ALL`,
    /not the _window_end/,
  ],
  [
    'no key',
    `SELECT NULL::VARCHAR AS "user", _window_end AS window_end, count(*) AS clicks, 0 AS spent FROM clicks GROUP BY ALL`,
    /no value in a column of the key/,
  ],
])('SQL that gives %s is refused, and nothing is written', async (_, sql, message) => {
  const wrong = { ...shopPipeline, sqlTexts: { ...shopPipeline.sqlTexts, 'per_user.sql': sql } }
  const deps = { ...model.deps, pipelines: new Map([['shop', wrong]]) }
  await model.land([[click('1', 'a', at(0)), click('2', 'a', at(1))]])
  const refreshed = model.refresh(at(0), { deps })
  await expect(refreshed).rejects.toMatchObject({ kind: 'check-failed' })
  await expect(refreshed).rejects.toThrow(message)
  for (const name of WINDOW_TABLES) expect((await model.metadataOf(name)).snapshots).toEqual([])
})

async function dropTags(deps: LakeDeps, name: string): Promise<void> {
  const { catalog, now, newUuid } = deps
  const tables = WINDOW_TABLES.map((table) => ({
    identifier: { namespace: 'shop_features', name: table },
    changes: [{ kind: 'drop' as const, name }],
  }))
  await changeRefs({ catalog, now, newUuid, tables })
}
