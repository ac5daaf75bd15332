import { afterEach, beforeEach, expect, it } from 'vitest'
import { runSql } from '../../lake/query/sql.js'
import { dropBranch, showBranch } from '../../lake/tables/branches.js'
import { listRefs } from '../../lake/tables/list-refs.js'
import { createTag, dropTag } from '../../lake/tables/tags.js'
import { build, labPipeline, land } from './support/batches.js'
import { testLake, type TestLake } from './support/lake.js'

const [DAY_1, DAY_2] = ['20260701T020000Z', '20260702T020000Z']

let lake: TestLake
beforeEach(async () => {
  lake = testLake([labPipeline])
  await land(lake, DAY_1, [{ id: 'a', grp: 'x', values: [1], note: 'hot' }])
  await build(lake.deps, DAY_1)
  await land(lake, DAY_2, [{ id: 'b', grp: 'y', values: [-1, 2] }])
  await build(lake.deps, DAY_2)
})
afterEach(() => lake.close())

const failed = { pipeline: 'lab', name: `failed_${DAY_2}` }

it('a failed batch can be looked at on its branch, and the branch dropped', async () => {
  const shown = await showBranch(lake.deps, failed)
  expect(shown.reason).toBe('blocking checks failed: values_not_negative (1 rows)')
  expect(shown.failedChecks[0]).toMatchObject({
    check: 'values_not_negative',
    severity: 'blocking',
    failingRows: 1,
  })
  expect(shown.tables.find(({ table }) => table === 'lab_features.points')).toMatchObject({
    ...{ rows: 3, rowsOnMain: 1, addedRows: 2 },
  })
  // The batch gave no notes: its branch reads them on main.
  expect(shown.tables.map(({ table }) => table)).not.toContain('lab_features.notes')
  const sql =
    'SELECT (SELECT count(*) FROM lab_features.points) AS p, (SELECT count(*) FROM lab_features.notes) AS n'
  expect((await runSql(lake.deps, { sql, at: failed.name })).rows).toEqual([{ p: 3n, n: 1n }])
  const all = shown.tables.map(({ table }) => table)
  expect(await dropBranch(lake.deps, { ...failed, dryRun: true })).toEqual(all)
  expect((await showBranch(lake.deps, failed)).tables).toHaveLength(all.length)
  expect(await dropBranch(lake.deps, failed)).toEqual(all)
  await expect(showBranch(lake.deps, failed)).rejects.toThrow(
    'has a branch "failed_20260702T020000Z"; there are none',
  )
  await expect(runSql(lake.deps, { sql, at: failed.name })).rejects.toMatchObject({ kind: 'not-found' })
})

it('main and what belongs to a running batch are not dropped', async () => {
  for (const name of ['main', 'stage_20260703T020000Z'])
    await expect(dropBranch(lake.deps, { pipeline: 'lab', name })).rejects.toThrow("can't be dropped")
  await expect(dropBranch(lake.deps, { pipeline: 'lab', name: '../x' })).rejects.toMatchObject({
    kind: 'not-found',
  })
})

it('a list of refs says what each holds and until when', async () => {
  const mine = { pipeline: 'lab', name: 'mine' }
  const planned = await createTag(lake.deps, { ...mine, dryRun: true })
  expect(await createTag(lake.deps, mine)).toEqual(planned)
  await createTag(lake.deps, { pipeline: 'lab', name: 'week', retainMs: 7 * 86_400_000 })
  const refs = await listRefs(lake.deps)
  expect(refs.map(({ name, type, holds }) => [name, type, holds])).toEqual([
    ['mine', 'tag', 'a tag of your own'],
    [`v_${DAY_1}`, 'tag', 'a published batch'],
    ['week', 'tag', 'a tag of your own'],
    [failed.name, 'branch', 'a batch that failed its checks'],
  ])
  const ends = new Map(refs.map(({ name, expiresAt }) => [name, expiresAt]))
  expect(ends.get('mine')).toBeNull()
  expect(ends.get('week')).toMatch(/^2026-07-08T/)
  for (const name of ['rolled_back_x', 'score_m_x', `v_${DAY_1}`, 'stage_x'])
    await expect(createTag(lake.deps, { pipeline: 'lab', name })).rejects.toThrow('choose another one')
  await dropTag(lake.deps, { ...mine, dryRun: true })
  expect((await listRefs(lake.deps, 'tag')).map(({ name }) => name)).toContain('mine')
  await dropTag(lake.deps, mine)
  expect((await listRefs(lake.deps, 'tag')).map(({ name }) => name)).toEqual([`v_${DAY_1}`, 'week'])
})
