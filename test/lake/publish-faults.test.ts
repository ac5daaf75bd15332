import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { headOf } from '../../iceberg/spec/refs.js'
import { buildTables } from '../../lake/features/build-tables.js'
import { publishBatch } from '../../lake/publish/publish-batch.js'
import type { PublishResult } from '../../schemas/publish.js'
import { auditRows, build, contents, labPipeline, land, planned, RUN, stage } from './support/batches.js'
import { Crash } from './support/crashing.js'
import { restorableLake, type RestorableLake } from './support/restorable-lake.js'

const DAY_1 = '20260701T020000Z'
const DAY_2 = '20260702T020000Z'

let saved: RestorableLake
beforeEach(async () => {
  saved = restorableLake([labPipeline])
  await land(saved.lake, DAY_1, [{ id: 'a', grp: 'x', values: [1, 2], note: 'hot' }])
  await build(saved.lake.deps, DAY_1)
  await land(saved.lake, DAY_2, [{ id: 'b', grp: 'y', values: [3] }])
})
afterEach(() => saved.lake.close())

/** Which tables show the second batch on main, by the summary of their heads. */
async function showing(): Promise<Set<boolean>> {
  const names = ['results', 'points', 'summaries', 'groups', 'runs_ids', 'processing_metadata']
  const loaded = await saved.lake.catalog.loadTables(
    names.map((name) => ({ namespace: 'lab_features', name })),
  )
  return new Set(loaded.map(({ metadata }) => headOf(metadata)?.summary?.['firn.batch-id'] === DAY_2))
}

/** All but what is drawn anew each time. */
function comparable(result: PublishResult) {
  const tables = result.tables.map((table) => ({ ...table, snapshotId: null }))
  return { ...result, alreadyCommitted: false, tables }
}

// Dying after a call is dying before the next one: nothing happens in between.
describe('a process that ends after any call', { timeout: 180_000 }, () => {
  it('of a publish: all tables show the batch or none, and once it is done again there is one', async () => {
    const plan = await planned(saved.lake.deps, DAY_2)
    const input = { plan, checks: await stage(saved.lake.deps, plan), run: RUN }
    saved.save()
    saved.lake.crash.revive()
    const expected = await publishBatch(saved.lake.deps, input)
    const { calls } = saved.lake.crash
    const rows = await contents(saved.lake)
    expect(calls).toBeGreaterThan(40)
    const found = new Set<boolean>()
    for (let at = 1; at <= calls; at += 1) {
      saved.restore()
      saved.lake.crash.set(at, 'after')
      await publishBatch(saved.lake.deps, input).catch(() => undefined)
      saved.lake.crash.revive()
      const shown = await showing()
      expect(shown.size, `tables that differ after call ${at}`).toBe(1)
      const again = await publishBatch(saved.lake.deps, input)
      expect(comparable(again)).toEqual(comparable(expected))
      expect(again.alreadyCommitted, `whether it was found after call ${at}`).toBe(shown.has(true))
      expect(await showing()).toEqual(new Set([true]))
      const audit = await auditRows(saved.lake)
      expect(audit.map((row) => row['status'])).toEqual(['published', 'published'])
      if (at % 7 === 0) expect(await contents(saved.lake)).toEqual(rows)
      found.add(again.alreadyCommitted)
    }
    expect(found).toEqual(new Set([true, false]))
  })

  it('of a build: it goes on with what is staged, and gives the rows of an undisturbed one', async () => {
    const plan = await planned(saved.lake.deps, DAY_2)
    saved.save()
    saved.lake.crash.revive()
    await buildTables(saved.lake.deps, plan, plan.groups.flat())
    const { calls } = saved.lake.crash
    await build(saved.lake.deps, DAY_2)
    const rows = await contents(saved.lake)
    expect(calls).toBeGreaterThan(10)
    // Every other call, since each takes two builds.
    for (let at = 1; at <= calls; at += 2) {
      saved.restore()
      saved.lake.crash.set(at, 'after')
      await expect(buildTables(saved.lake.deps, plan, plan.groups.flat())).rejects.toSatisfy(isCrash)
      saved.lake.crash.revive()
      await build(saved.lake.deps, DAY_2)
      expect(await contents(saved.lake)).toEqual(rows)
      expect(await auditRows(saved.lake)).toHaveLength(2)
    }
  })
})

function isCrash(error: unknown): boolean {
  return error instanceof Crash || (error instanceof Error && error.cause instanceof Crash)
}
