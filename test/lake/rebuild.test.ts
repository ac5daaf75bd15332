import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { parseIdentifier } from '../../iceberg/catalog/catalog.js'
import { planRebuild } from '../../lake/rebuild/plan-rebuild.js'
import { auditRows, land } from './support/batches.js'
import { testLake, type TestLake } from './support/lake.js'
import {
  buildOf,
  changedPipeline,
  rebuild,
  rebuildForward,
  rebuildPipeline,
  rowsOf,
  withPipeline,
} from './support/rebuilds.js'

const DAY_1 = '20260701T020000Z'
const DAY_2 = '20260702T020000Z'
const DAY_3 = '20260703T020000Z'

const A = { id: 'a', grp: 'x', values: [1, 2], note: 'hot' }
const B = { id: 'b', grp: 'y', values: [3], note: 'cold' }
const C = { id: 'c', grp: 'x', values: [5, 6], note: 'hot' }
const D = { id: 'd', grp: 'z', values: [7, 8], note: 'hat' }

let lake: TestLake
beforeEach(async () => {
  lake = testLake([rebuildPipeline])
  await land(lake, DAY_1, [A, B])
  await buildOf(lake.deps, DAY_1)
  await land(lake, DAY_2, [A, C])
  await buildOf(lake.deps, DAY_2)
})
afterEach(() => lake.close())

describe('a batch that is built again', () => {
  it('with the same definition holds the same rows, under a tag and an audit row of its own', async () => {
    const before = await rowsOf(lake)
    const result = await rebuild(lake.deps, DAY_2)
    expect(await rowsOf(lake)).toEqual(before)
    expect(result).toMatchObject({ batch: `${DAY_2}-2`, tag: `v_incr_${DAY_2}-2`, inputFrom: 2, inputTo: 4 })
    const rows = await auditRows(lake)
    expect(rows.map((row) => [row['processing_batch_id'], row['status']])).toEqual([
      [DAY_1, 'published'],
      [DAY_2, 'published'],
      [`${DAY_2}-2`, 'rebuilt'],
    ])
    const { metadata } = await lake.catalog.loadTable(parseIdentifier('lab_features.results'))
    expect(Object.keys(metadata.refs)).toContain(`v_incr_${DAY_2}-2`)
    // The next batch goes on where the last one ended, and a second rebuild finds the rows by the batch's own id.
    await land(lake, DAY_3, [D])
    expect(await buildOf(lake.deps, DAY_3)).toMatchObject({ inputFrom: 4, inputTo: 5 })
    const built = await rowsOf(lake)
    expect((await rebuild(lake.deps, DAY_2)).batch).toBe(`${DAY_2}-3`)
    expect(await rowsOf(lake)).toEqual(built)
  })

  it('by another definition leaves the rows of other batches as they are', async () => {
    const before = await rowsOf(lake)
    await rebuild(withPipeline(lake, changedPipeline), DAY_2, { tables: ['results', 'notes'] })
    const after = await rowsOf(lake)
    const others = (rows: readonly object[] | undefined) =>
      (rows ?? []).filter((row) => (row as Record<string, unknown>)['processing_batch_id'] !== DAY_2)
    for (const table of ['results', 'points', 'notes', 'journal'])
      expect(others(after[table])).toEqual(others(before[table]))
    expect(after['runs_ids']).toEqual(before['runs_ids'])
    expect(after['results']).toContainEqual(expect.objectContaining({ grp: 'X', processing_batch_id: DAY_2 }))
  })
})

it('all batches built again by another definition are a lake that was built by it from the start', async () => {
  await land(lake, DAY_3, [D, B])
  await buildOf(lake.deps, DAY_3)
  await rebuildForward(withPipeline(lake, changedPipeline), DAY_1)
  const rebuilt = await rowsOf(lake)
  const other = testLake([changedPipeline])
  await land(other, DAY_1, [A, B])
  await buildOf(other.deps, DAY_1)
  await land(other, DAY_2, [A, C])
  await buildOf(other.deps, DAY_2)
  await land(other, DAY_3, [D, B])
  await buildOf(other.deps, DAY_3)
  expect(rebuilt).toEqual(await rowsOf(other))
  other.close()
})

it('says before what it would do', async () => {
  const plan = await planRebuild(lake.deps, {
    pipeline: 'lab',
    batch: DAY_1,
    tables: ['notes'],
    dryRun: true,
  })
  expect(plan).toMatchObject({
    rebuilds: DAY_1,
    mode: 'alone',
    tables: [
      { table: 'notes', because: [], rows: 2 },
      { table: 'journal', because: ['notes'], rows: 2 },
    ],
  })
  expect(plan.notes.join()).toContain('--forward')
})

describe('what cannot be built again says why', () => {
  it.each<[string, string, object, string]>([
    ['an unknown batch', '20260801T020000Z', {}, 'is unknown: the last published ones are'],
    [
      'a table that nobody knows',
      DAY_1,
      { tables: ['nothing'] },
      'builds a table nothing; there are results',
    ],
    ['no batch at all', '../x', {}, 'is no batch id'],
  ])('%s', async (_, batch, more, words) => {
    await expect(planRebuild(lake.deps, { pipeline: 'lab', batch, ...more })).rejects.toThrow(words)
  })

  it('a rebuild itself, rows that do not say their batch, and partitions that later batches have written', async () => {
    await rebuild(lake.deps, DAY_2)
    const again = planRebuild(lake.deps, { pipeline: 'lab', batch: `${DAY_2}-2` })
    await expect(again).rejects.toThrow(`is itself a rebuild; say ${DAY_2}`)
    const schema = Object.fromEntries(
      Object.entries(rebuildPipeline.tables['notes']!.schema).filter(
        ([column]) => column !== 'processing_batch_id',
      ),
    )
    const tables = { ...rebuildPipeline.tables, notes: { ...rebuildPipeline.tables['notes']!, schema } }
    const unmarked = withPipeline(lake, { ...rebuildPipeline, tables })
    await expect(planRebuild(unmarked, { pipeline: 'lab', batch: DAY_1 })).rejects.toThrow('nobody can tell')
    const before = await rowsOf(lake)
    await expect(rebuild(lake.deps, DAY_1)).rejects.toThrow(
      /latest: partitions .* have been written by later batches/,
    )
    expect(await rowsOf(lake)).toEqual(before)
  })
})
