import { afterEach, describe, expect, it } from 'vitest'
import { headOf } from '../../iceberg/spec/refs.js'
import { buildTables } from '../../lake/features/build-tables.js'
import { publishBatch } from '../../lake/publish/publish-batch.js'
import type { PublishResult } from '../../schemas/publish.js'
import { auditRows, build, contents, labPipeline, land, planned, RUN, stage } from './support/batches.js'
import { Crash } from './support/crashing.js'
import { testLake, type TestLake } from './support/lake.js'

const DAY_1 = '20260701T020000Z'
const DAY_2 = '20260702T020000Z'
const RUNS = [
  { id: 'a', grp: 'x', values: [1, 2], note: 'hot' },
  { id: 'b', grp: 'y', values: [3] },
]

let lake: TestLake
afterEach(() => lake.close())

/** Which tables show the batch on main, by the summary of their heads. */
async function showing(): Promise<Set<boolean>> {
  const names = ['results', 'points', 'summaries', 'groups', 'runs_ids', 'processing_metadata']
  const loaded = await lake.catalog.loadTables(names.map((name) => ({ namespace: 'lab_features', name })))
  return new Set(loaded.map(({ metadata }) => headOf(metadata)?.summary?.['firn.batch-id'] === DAY_2))
}

async function ready() {
  lake = testLake([labPipeline])
  await land(lake, DAY_1, RUNS.slice(0, 1))
  await build(lake.deps, DAY_1)
  await land(lake, DAY_2, RUNS.slice(1))
  const plan = await planned(lake.deps, DAY_2)
  return { plan, checks: await stage(lake.deps, plan), run: RUN }
}

/** Every call of the publish is where it ends once, before its effect and after it; then it is done again. */
async function crashEverywhere(when: 'before' | 'after'): Promise<number> {
  const undisturbed = await ready()
  lake.crash.set(Infinity, 'before')
  const expected = await publishBatch(lake.deps, undisturbed)
  const calls = lake.crash.calls
  const rows = await contents(lake)
  lake.close()
  for (let at = 1; at <= calls; at += 1) {
    const input = await ready()
    lake.crash.set(at, when)
    await publishBatch(lake.deps, input).catch(() => undefined)
    lake.crash.revive()
    const shown = await showing()
    expect(shown.size, `all tables or none, after call ${at}`).toBe(1)
    const again = await publishBatch(lake.deps, input)
    expect(comparable(again)).toEqual(comparable(expected))
    if (shown.has(true)) expect(again.alreadyCommitted, `found again after call ${at}`).toBe(true)
    expect(await showing()).toEqual(new Set([true]))
    expect((await auditRows(lake)).map((row) => row['status'])).toEqual(['published', 'published'])
    expect(await contents(lake)).toEqual(rows)
    lake.close()
  }
  lake = testLake([labPipeline])
  return calls
}

function comparable({ tables, alreadyCommitted: _, ...result }: PublishResult) {
  return { ...result, tables: tables.map(({ snapshotId: _id, ...table }) => table) }
}

describe('a publish that ends anywhere', () => {
  it('before one of its calls: all tables or none, and once after the retry', async () => {
    expect(await crashEverywhere('before')).toBeGreaterThan(20)
  })

  it('after one of its calls: all tables or none, and once after the retry', async () => {
    expect(await crashEverywhere('after')).toBeGreaterThan(20)
  })
})

describe('a build that ends anywhere', () => {
  it('goes on with what is staged, and gives the rows of an undisturbed one', async () => {
    lake = testLake([labPipeline])
    await land(lake, DAY_1, RUNS)
    const plan = await planned(lake.deps, DAY_1)
    lake.crash.set(Infinity, 'before')
    await buildTables(lake.deps, plan, plan.groups.flat())
    const calls = lake.crash.calls
    await build(lake.deps, DAY_1)
    const rows = await contents(lake)
    lake.close()
    for (let at = 1; at <= calls; at += 1) {
      lake = testLake([labPipeline])
      await land(lake, DAY_1, RUNS)
      const again = await planned(lake.deps, DAY_1)
      lake.crash.set(at, at % 2 === 0 ? 'before' : 'after')
      await expect(buildTables(lake.deps, again, again.groups.flat())).rejects.toSatisfy(isCrash)
      lake.crash.revive()
      await build(lake.deps, DAY_1)
      expect(await contents(lake)).toEqual(rows)
      expect(await auditRows(lake)).toHaveLength(1)
      lake.close()
    }
    lake = testLake([labPipeline])
  })
})

function isCrash(error: unknown): boolean {
  return error instanceof Crash || (error instanceof Error && error.cause instanceof Crash)
}
