import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { compactTable } from '../../iceberg/maintain/compact.js'
import { parseIdentifier } from '../../iceberg/catalog/catalog.js'
import { headOf } from '../../iceberg/spec/refs.js'
import { publishBatch } from '../../lake/publish/publish-batch.js'
import { checkRebuild } from '../../lake/rebuild/check-rebuild.js'
import { planRebuild } from '../../lake/rebuild/plan-rebuild.js'
import { publishRebuild } from '../../lake/rebuild/publish-rebuild.js'
import { rebuildTables } from '../../lake/rebuild/rebuild-tables.js'
import type { PublishRebuildInput } from '../../schemas/rebuild-messages.js'
import { auditRows, land, planned, RUN, stage } from './support/batches.js'
import {
  buildOf,
  changedPipeline,
  rebuild,
  rebuildPipeline,
  rowsOf,
  withPipeline,
} from './support/rebuilds.js'
import { FULL } from '../support/full.js'
import { restorableLake, type RestorableLake } from './support/restorable-lake.js'

const DAY_1 = '20260701T020000Z'
const DAY_2 = '20260702T020000Z'
const DAY_3 = '20260703T020000Z'

let saved: RestorableLake
beforeEach(async () => {
  saved = restorableLake([rebuildPipeline])
  await land(saved.lake, DAY_1, [
    { id: 'a', grp: 'x', values: [1, 2], note: 'hot' },
    { id: 'e', grp: 'v', values: [4] },
  ])
  await buildOf(saved.lake.deps, DAY_1)
  await land(saved.lake, DAY_2, [{ id: 'b', grp: 'y', values: [3, 4], note: 'cold' }])
  await buildOf(saved.lake.deps, DAY_2)
})
afterEach(() => saved.lake.close())

const changed = () => withPipeline(saved.lake, changedPipeline)

async function staged(): Promise<PublishRebuildInput> {
  const plan = await planRebuild(changed(), { pipeline: 'lab', batch: DAY_1 })
  await rebuildTables(changed(), plan)
  return { plan, checks: await checkRebuild(changed(), plan), run: RUN }
}

/** Which tables show the rebuild on main, by the summary of their heads. */
async function showing(): Promise<Set<boolean>> {
  const names = ['results', 'points', 'summaries', 'notes', 'journal', 'latest', 'processing_metadata']
  const loaded = await saved.lake.catalog.loadTables(
    names.map((name) => ({ namespace: 'lab_features', name })),
  )
  return new Set(loaded.map(({ metadata }) => headOf(metadata)?.summary?.['firn.batch-id'] === `${DAY_1}-2`))
}

it(
  'killed after any call of its publish, a rebuild is there whole or not at all, and is there once when done again',
  { timeout: 240_000 },
  async () => {
    const input = await staged()
    const before = await rowsOf(saved.lake)
    saved.save()
    saved.lake.crash.revive()
    await publishRebuild(changed(), input)
    const { calls } = saved.lake.crash
    const after = await rowsOf(saved.lake)
    expect(after).not.toEqual(before)
    expect(calls).toBeGreaterThan(40)
    const found = new Set<boolean>()
    // Reads outnumber all else; the commit is among the last calls.
    const points = Array.from({ length: calls }, (_, i) => i + 1).filter(
      (at) => at % (FULL ? 8 : 12) === 0 || at > calls - 14,
    )
    for (const at of points) {
      saved.restore()
      saved.lake.crash.set(at, 'after')
      await publishRebuild(changed(), input).catch(() => undefined)
      saved.lake.crash.revive()
      const shown = await showing()
      expect(shown.size, `tables that differ after call ${at}`).toBe(1)
      const again = await publishRebuild(changed(), input)
      expect(again.alreadyCommitted, `whether it was found after call ${at}`).toBe(shown.has(true))
      expect(await showing()).toEqual(new Set([true]))
      if (at % 12 === 0) expect(await rowsOf(saved.lake)).toEqual(after)
      found.add(again.alreadyCommitted)
    }
    expect(found).toEqual(new Set([true, false]))
    expect((await auditRows(saved.lake)).map((row) => row['status'])).toEqual([
      'published',
      'rebuilt',
      'published',
    ])
  },
)

describe('beside others', { timeout: 120_000 }, () => {
  it('a compaction between changes no row: the rebuild is published', async () => {
    await rebuild(saved.lake.deps, DAY_1)
    const input = await staged()
    const { deps } = saved.lake
    for (const name of ['results', 'points', 'notes']) {
      await compactTable({
        ...deps,
        identifier: parseIdentifier(`lab_features.${name}`),
        minInputFiles: 2,
      })
    }
    const { metadata } = await saved.lake.catalog.loadTable(parseIdentifier('lab_features.notes'))
    expect(headOf(metadata)?.summary?.operation).toBe('replace')
    expect(await publishRebuild(changed(), input)).toMatchObject({ status: 'published', batch: `${DAY_1}-3` })
    const rows = (await rowsOf(saved.lake))['results']
    expect(rows).toEqual([
      expect.objectContaining({ grp: 'X', processing_batch_id: DAY_1 }),
      expect.objectContaining({ grp: 'y', processing_batch_id: DAY_2 }),
    ])
  })

  it('a batch that is published between makes it plan anew', async () => {
    const input = await staged()
    await land(saved.lake, DAY_3, [{ id: 'c', grp: 'x', values: [9, 9], note: 'hot' }])
    await buildOf(saved.lake.deps, DAY_3)
    const between = await rowsOf(saved.lake)
    await expect(publishRebuild(changed(), input)).rejects.toMatchObject({ kind: 'rebuild-needed' })
    expect(await rowsOf(saved.lake)).toEqual(between)
    expect(await rebuild(changed(), DAY_1, { tables: ['results', 'notes'] })).toMatchObject({
      status: 'published',
    })
  })

  it('makes a batch that was staged before it plan anew', async () => {
    await land(saved.lake, DAY_3, [{ id: 'c', grp: 'x', values: [9, 9], note: 'hot' }])
    const plan = await planned(saved.lake.deps, DAY_3)
    const checks = await stage(saved.lake.deps, plan)
    await rebuild(saved.lake.deps, DAY_1)
    await expect(publishBatch(saved.lake.deps, { plan, checks, run: RUN })).rejects.toMatchObject({
      kind: 'stale-range',
    })
    expect(await buildOf(saved.lake.deps, DAY_3)).toMatchObject({ batch: DAY_3, inputFrom: 3 })
  })

  it('of two at once one is published and the other says so, or plans anew', async () => {
    const input = await staged()
    const results = await Promise.allSettled([
      publishRebuild(changed(), input),
      publishRebuild(changed(), input),
    ])
    const published = results.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []))
    expect(published.filter(({ alreadyCommitted }) => !alreadyCommitted)).toHaveLength(1)
    expect((await auditRows(saved.lake)).filter((row) => row['status'] === 'rebuilt')).toHaveLength(1)
  })

  it('a failed check leaves main as it is, and the rows on a branch', async () => {
    const broken = withPipeline(saved.lake, {
      ...changedPipeline,
      checks: { never: { severity: 'blocking', sql: 'SELECT run_id FROM all_results WHERE size = 2' } },
    })
    const before = await rowsOf(saved.lake)
    expect(await rebuild(broken, DAY_1)).toMatchObject({ status: 'failed', tag: `failed_${DAY_1}-2` })
    expect(await rowsOf(saved.lake)).toEqual(before)
    const { metadata } = await saved.lake.catalog.loadTable(parseIdentifier('lab_features.results'))
    expect(Object.keys(metadata.refs)).toContain(`failed_${DAY_1}-2`)
    expect(await rebuild(changed(), DAY_1)).toMatchObject({ status: 'published', batch: `${DAY_1}-3` })
  })
})
