import fc from 'fast-check'
import { afterEach, describe, expect, it } from 'vitest'
import { SLICE_ROWS } from '../../engine/add-slices.js'
import { parseIdentifier } from '../../iceberg/catalog/catalog.js'
import { headOf } from '../../iceberg/spec/refs.js'
import { addSplit } from '../../ml/splits/add-split.js'
import { SPLITS } from '../../schemas/lake-tables.js'
import { FULL } from '../support/full.js'
import { setHead } from '../lake/support/set-head.js'
import type { TestLake } from '../lake/support/lake.js'
import {
  addVisits,
  assignments,
  extend,
  SPLITS_OF_VISITS,
  visitsLake,
  visitsPipeline,
  type Visit,
} from './support/split-lake.js'

const DAY = 86_400_000
const JUNE = Date.UTC(2026, 5, 1)
const [ONE, TWO, THREE] = [
  'v_20260702T000000Z',
  'v_incr_20260703T000000Z',
  'v_incr_20260704T000000Z',
] as const

let lake: TestLake
afterEach(() => lake.close())

/** Visit i: some users come more than once, at other times. */
function visit(i: number, changes: Partial<Visit> = {}): Visit {
  return {
    ...{ user: `u${i % 37}`, shop: i % 2, at: JUNE + i * DAY * 0.3, left: i % 4 === 0 },
    ...{ country: `c${(i % 37) % 5}`, ...changes },
  }
}

const visits = (from: number, end: number): readonly Visit[] =>
  Array.from({ length: end - from }, (_, i) => visit(from + i))

async function headId(): Promise<string | undefined> {
  const { metadata } = await lake.deps.catalog.loadTable(SPLITS)
  return headOf(metadata)?.['snapshot-id'].toString()
}

describe('extending a split', () => {
  it.each(Object.keys(SPLITS_OF_VISITS))(
    '%s: assigns each observation once, and none ever moves',
    async (split) => {
      lake = await visitsLake()
      await addVisits(lake, visits(0, 60), ONE)
      const first = await extend(lake.deps, { split })
      expect(first).toMatchObject({ status: 'extended', tag: ONE, added: 60, rows: 60, unassigned: 0 })
      const before = await assignments(lake, split)
      expect(before.size).toBe(60)
      await addVisits(lake, visits(60, 90), TWO)
      const second = await extend(lake.deps, { split })
      expect(second).toMatchObject({ status: 'extended', tag: TWO, added: 30, rows: 90 })
      const after = await assignments(lake, split)
      expect(after.size).toBe(90)
      expect(Object.fromEntries(after)).toMatchObject(Object.fromEntries(before))
      expect(second.snapshotId).toBe(await headId())
    },
  )

  it.each(['by_entity', 'stratified'])(
    '%s: assigns more rows than are handed over at a time',
    async (split) => {
      lake = await visitsLake()
      const count = SLICE_ROWS + 5
      const rows = Array.from({ length: count }, (_, i) => visit(i, { user: `u${i}`, at: JUNE }))
      await addVisits(lake, rows, ONE)
      expect(await extend(lake.deps, { split })).toMatchObject({ added: count, rows: count, unassigned: 0 })
      expect(await extend(lake.deps, { split })).toMatchObject({ status: 'no_changes', rows: count })
    },
  )

  it('assigns only what a training takes: labels that are there and final at the tag', async () => {
    lake = await visitsLake()
    const at = Date.UTC(2026, 6, 2)
    const given = [
      visit(1),
      visit(2, { left: null }),
      visit(3, { at: at - DAY + 1 }),
      visit(4, { at: at - DAY }),
    ]
    await addVisits(lake, given, ONE)
    expect((await extend(lake.deps, { split: 'by_entity' })).added).toBe(2)
  })

  it('takes the snapshots that a training is pinned to, and its tag for tables that it has not pinned', async () => {
    lake = await visitsLake()
    await addVisits(lake, visits(0, 10), ONE)
    const { metadata } = await lake.deps.catalog.loadTable(parseIdentifier('visits_features.visits'))
    const snapshot = headOf(metadata)?.['snapshot-id'].toString() ?? ''
    await addVisits(lake, visits(10, 20), TWO)
    const asOf = '2026-07-02T00:00:00.000Z'
    const pin = { tag: TWO, snapshots: { 'visits_features.visits': snapshot }, asOf }
    expect(await extend(lake.deps, { split: 'by_time', pin })).toMatchObject({ tag: TWO, added: 10 })
    const other = { tag: ONE, snapshots: { 'visits_features.other': '1' }, asOf }
    expect(await extend(lake.deps, { split: 'by_entity', pin: other })).toMatchObject({ tag: ONE, added: 10 })
  })

  it('does nothing where nothing is left to do, and reads an older tag as it was', async () => {
    lake = await visitsLake()
    await addVisits(lake, visits(0, 20), ONE)
    await addVisits(lake, visits(20, 30), TWO)
    expect((await extend(lake.deps, { split: 'stratified', at: ONE })).added).toBe(20)
    const head = await headId()
    const again = await extend(lake.deps, { split: 'stratified', at: ONE })
    expect(again).toMatchObject({ status: 'no_changes', added: 0, rows: 20, snapshotId: head })
    expect(await headId()).toBe(head)
  })

  it('gives the same splits after the table was rolled back', async () => {
    lake = await visitsLake()
    const extendAll = async (): Promise<readonly ReadonlyMap<string, string>[]> => {
      for (const split of Object.keys(SPLITS_OF_VISITS)) await extend(lake.deps, { split })
      return Promise.all(Object.keys(SPLITS_OF_VISITS).map((split) => assignments(lake, split)))
    }
    await addVisits(lake, visits(0, 40), ONE)
    await extendAll()
    const before = await headId()
    await addVisits(lake, visits(40, 70), TWO)
    const first = await extendAll()
    await setHead(lake.catalog, 'ml_datasets.splits', before ?? '')
    expect((await assignments(lake, 'by_time')).size).toBe(40)
    expect(await extendAll()).toEqual(first)
  })

  it('writes an audit row with each extension, and the tag that it was read at', async () => {
    lake = await visitsLake()
    await addVisits(lake, visits(0, 20), ONE)
    const { snapshotId } = await extend(lake.deps, { split: 'by_group' })
    await extend(lake.deps, { split: 'by_group' })
    const audit = await lake.rows('ml_datasets.processing_metadata')
    expect(audit).toHaveLength(1)
    expect(audit[0]).toMatchObject({
      ...{ processing_name: 'visits.split.by_group', processing_batch_id: '20260702T000000Z' },
      ...{ status: 'published', table_names: ['ml_datasets.splits'], record_counts: [20n] },
      snapshot_ids: [BigInt(snapshotId ?? 0)],
    })
    expect(JSON.parse(audit[0]?.['source_data_info'] as string)).toMatchObject({
      labels: 'leaving',
      tag: ONE,
    })
  })

  it('two at once, of one tag or of two, assign each row once', async () => {
    lake = await visitsLake()
    await addVisits(lake, visits(0, 30), ONE)
    await addVisits(lake, visits(30, 50), TWO)
    for (const split of ['by_group', 'stratified']) {
      const results = await Promise.all([
        extend(lake.deps, { split, at: ONE }),
        extend(lake.deps, { split, at: TWO }),
        extend(lake.deps, { split, at: TWO }),
      ])
      expect((await assignments(lake, split)).size).toBe(50)
      expect(results.reduce((sum, { added }) => sum + added, 0)).toBe(50)
    }
  })

  it('killed before or after any call and done again, it ends the same', async () => {
    const { by_entity: definition } = SPLITS_OF_VISITS
    const names = Array.from({ length: 9 }, (_, i) => `kill_${i}`)
    lake = await visitsLake(visitsPipeline(Object.fromEntries(names.map((name) => [name, definition!]))))
    await addVisits(lake, visits(0, 25), ONE)
    lake.crash.revive()
    await extend(lake.deps, { split: 'kill_0' })
    const { calls } = lake.crash
    expect(calls).toBeGreaterThan(8)
    let killed = 0
    for (const [i, split] of names.slice(1).entries()) {
      lake.crash.set(1 + Math.floor((i * calls) / (names.length - 1)), i % 2 === 0 ? 'before' : 'after')
      await extend(lake.deps, { split }).catch(() => (killed += 1))
      lake.crash.revive()
      const result = await extend(lake.deps, { split })
      expect(result).toMatchObject({ rows: 25, unassigned: 0 })
      expect((await assignments(lake, split)).size).toBe(25)
    }
    expect(killed).toBe(names.length - 1)
    const audit = await lake.rows('ml_datasets.processing_metadata')
    expect(new Set(audit.map((row) => row['processing_name'])).size).toBe(names.length)
    expect(audit).toHaveLength(names.length)
  })

  it('history by history: nothing moves, nothing is doubled, nothing promised lies in two splits', async () => {
    const step = fc.record({
      split: fc.constantFrom('by_entity', 'by_group', 'stratified'),
      visits: fc.array(fc.integer({ min: 0, max: 200 }), { maxLength: 12 }),
      rollBack: fc.boolean(),
    })
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 2, maxLength: 4 }), async (steps) => {
        lake = await visitsLake()
        const added = new Set<number>()
        for (const [n, { split, visits: more, rollBack }] of steps.entries()) {
          const fresh = [...new Set(more)].filter((i) => !added.has(i))
          for (const i of fresh) added.add(i)
          await addVisits(lake, fresh.length === 0 ? [visit(1000 + n)] : fresh.map((i) => visit(i)), tagOf(n))
          const before = await assignments(lake, split)
          const head = await headId()
          const first = await extend(lake.deps, { split })
          const after = await assignments(lake, split)
          expect(Object.fromEntries(after)).toMatchObject(Object.fromEntries(before))
          expect(after.size - before.size).toBe(first.added)
          expect(split === 'by_group' ? first.leaks.groups : first.leaks.entities).toBe(0)
          if (!rollBack || head === undefined) continue
          await setHead(lake.catalog, 'ml_datasets.splits', head)
          await extend(lake.deps, { split })
          expect(await assignments(lake, split)).toEqual(after)
        }
        lake.close()
      }),
      { numRuns: FULL ? 10 : 3 },
    )
  })
})

describe('what an extension refuses', () => {
  it('a version that is defined differently than its rows were assigned', async () => {
    lake = await visitsLake()
    await addVisits(lake, visits(0, 20), ONE)
    await extend(lake.deps, { split: 'by_entity' })
    const changed = { ...SPLITS_OF_VISITS['by_entity']!, seed: 2 }
    const deps = { ...lake.deps, pipelines: new Map([['visits', visitsPipeline({ by_entity: changed })]]) }
    await expect(extend(deps, { split: 'by_entity' })).rejects.toMatchObject({
      kind: 'definition-changed',
      message:
        /has rows by hash by entity 0\.5\/0\.25\/0\.25, seed 1, of leaving, but is defined as .*, seed 2/,
    })
  })

  it('a group that would lie in two splits, since its rows changed their group', async () => {
    lake = await visitsLake()
    const moving = Array.from({ length: 9 }, (_, i) => visit(i, { user: `m${i}`, country: `c${i}` }))
    await addVisits(lake, moving, ONE)
    await extend(lake.deps, { split: 'by_group' })
    const { sqlTexts, ...pipeline } = visitsPipeline()
    const merged = { 'leaving.sql': sqlTexts['leaving.sql']!.replace('country', `'all' AS country`) }
    const deps = { ...lake.deps, pipelines: new Map([['visits', { ...pipeline, sqlTexts: merged }]]) }
    await addVisits(lake, visits(20, 30), TWO)
    const rows = (await assignments(lake, 'by_group')).size
    await expect(extend(deps, { split: 'by_group' })).rejects.toMatchObject({
      kind: 'check-failed',
      message: /1 groups would lie in two splits \(.*group all lies in .*Define a new version/,
    })
    expect((await assignments(lake, 'by_group')).size).toBe(rows)
  })

  it('an observation that is there twice', async () => {
    lake = await visitsLake()
    await addVisits(lake, [visit(1), visit(1)], ONE)
    await expect(extend(lake.deps, { split: 'by_time' })).rejects.toThrow(
      /\["u1","1"\] more than once at 2026-06-01T07:12/,
    )
  })

  it('a split, or a tag, that is not there', async () => {
    lake = await visitsLake()
    await addVisits(lake, [visit(1)], ONE)
    await expect(extend(lake.deps, { split: 'v9' })).rejects.toThrow(
      /defines no split "v9"; known are: by_entity/,
    )
    await expect(extend(lake.deps, { split: 'by_time', at: THREE })).rejects.toThrow(/has no tag/)
  })
})

describe('what lies in several splits without a promise', () => {
  it('is told', async () => {
    lake = await visitsLake()
    await addVisits(lake, visits(0, 60), ONE)
    const { leaks } = await extend(lake.deps, { split: 'by_entity' })
    expect(leaks).toMatchObject({ entities: 0, groups: 5 })
    expect(leaks.examples[0]).toMatch(/^group c0 lies in train and/)
  })
})

describe('the rows of one version', () => {
  it('are a relation as of a snapshot, read from its own files', async () => {
    lake = await visitsLake()
    await addVisits(lake, visits(0, 20), ONE)
    const { snapshotId } = await extend(lake.deps, { split: 'by_time' })
    await extend(lake.deps, { split: 'by_entity' })
    await addVisits(lake, visits(20, 40), TWO)
    await extend(lake.deps, { split: 'by_time' })
    const { metadata } = await lake.deps.catalog.loadTable(SPLITS)
    const session = await lake.deps.engine.openSession()
    try {
      const table = { metadata, io: lake.deps.catalog.io, snapshotId: snapshotId ?? undefined }
      await addSplit(session, { name: 'split', split: { pipeline: 'visits', split: 'by_time' }, table })
      const { rows } = await session.query(
        'SELECT split_version, count(*) AS n, count(DISTINCT (entity_key, event_timestamp)) AS keys FROM split GROUP BY ALL',
      )
      expect(rows).toEqual([{ split_version: 'by_time', n: 20n, keys: 20n }])
    } finally {
      await session.close()
    }
  })
})

function tagOf(n: number): string {
  return `v_incr_202607${String(n + 2).padStart(2, '0')}T000000Z`
}
