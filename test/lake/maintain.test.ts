import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { parseIdentifier } from '../../iceberg/catalog/catalog.js'
import { changeRefs } from '../../iceberg/write/refs.js'
import { listMaintainable, maintainTable } from '../../lake/maintain/maintain-lake.js'
import { tableOrphans } from '../../lake/maintain/table-orphans.js'
import { tagsToThin } from '../../lake/maintain/thin-tags.js'
import { planBuild } from '../../lake/features/plan-build.js'
import { publish } from '../../lake/publish/publish.js'
import { publishBatch } from '../../lake/publish/publish-batch.js'
import { runSql } from '../../lake/query/sql.js'
import type { BatchId } from '../../schemas/batch.js'
import type { LakeDeps } from '../../schemas/lake-deps.js'
import type { TableMaintenance } from '../../schemas/messages.js'
import { build, contents, labPipeline, land, planned, RUN, stage } from './support/batches.js'
import type { TestLake } from './support/lake.js'
import { testLake } from './support/lake.js'

const DAY_MS = 86_400_000

let lake: TestLake
beforeEach(() => (lake = testLake([labPipeline])))
afterEach(() => lake.close())

/** The clock so many days on; files on disk are as old as they are, so for orphans it is the machine's. */
function daysOn(days: number): LakeDeps {
  return { ...lake.deps, now: () => Math.max(lake.deps.now(), Date.now()) + days * DAY_MS }
}

async function maintainAll(deps: LakeDeps, dryRun = false): Promise<Map<string, TableMaintenance>> {
  const reports = new Map<string, TableMaintenance>()
  for (const table of await listMaintainable(deps, {})) {
    reports.set(table, await maintainTable(deps, table, { dryRun }))
  }
  return reports
}

async function refs(table: string): Promise<string[]> {
  return Object.keys((await lake.catalog.loadTable(parseIdentifier(table))).metadata.refs).sort()
}

async function filesOf(table: string): Promise<string[]> {
  const { metadata } = await lake.catalog.loadTable(parseIdentifier(table))
  const files: string[] = []
  for await (const file of lake.catalog.io.list(`${metadata.location}/`)) files.push(file.location)
  return files
}

async function batches(count: number): Promise<string[]> {
  const ids: string[] = []
  for (let i = 1; i <= count; i += 1) {
    const hour = String(i).padStart(2, '0')
    const batch = `20260701T${hour}0000Z`
    await land(lake, batch, [{ id: `run ${i}`, grp: i % 2 === 0 ? 'x' : 'y', values: [i, 1] }])
    await build(lake.deps, batch)
    ids.push(batch)
  }
  return ids
}

describe('maintenance', () => {
  it('thins batch tags to the last of a day, on all tables alike, and drops what only they held', async () => {
    const ids = await batches(3)
    await changeRefs({
      ...lake.deps,
      tables: [
        {
          identifier: parseIdentifier('lab_features.groups'),
          changes: [{ kind: 'create-tag', name: 'model-m-1' }],
        },
      ],
    })
    const before = await contents(lake)
    const fresh = await maintainAll(lake.deps)
    expect([...fresh.values()].flatMap((report) => report.droppedTags)).toEqual([])
    const later = daysOn(8)
    const expected = await maintainAll(later, true)
    const reports = await maintainAll(later)
    expect([...reports].map(comparable)).toEqual([...expected].map(comparable))
    for (const table of ['results', 'points', 'groups', 'runs_ids', 'processing_metadata']) {
      const tags = (await refs(`lab_features.${table}`)).filter((name) => name.startsWith('v_'))
      expect(tags, table).toEqual([`v_incr_${ids[2] ?? ''}`])
    }
    expect(await refs('lab_features.groups')).toContain('model-m-1')
    expect(reports.get('lab_features.groups')?.notes).toContainEqual(
      expect.stringContaining('model-m-1: a model was trained on it'),
    )
    expect(reports.get('lab_features.groups')?.expiredSnapshots).toBeGreaterThan(0)
    expect(await contents(lake)).toEqual(before)
    const last = { sql: 'SELECT count(*) AS n FROM lab_features.results', at: `v_incr_${ids[2] ?? ''}` }
    expect((await runSql(lake.deps, last)).rows).toEqual([{ n: 3n }])
  })

  it('done again finds nothing to do', async () => {
    await batches(2)
    await maintainAll(daysOn(8))
    const again = await maintainAll(daysOn(8))
    const done = [...again.values()].map((r) => [
      r.compactedFiles,
      r.expiredSnapshots,
      r.deletedFiles,
      r.orphans,
    ])
    expect(new Set(done.flat())).toEqual(new Set([0]))
  })

  it('merges small files where nobody writes any longer, and no row changes', async () => {
    await batches(6)
    await land(lake, '20260705T020000Z', [{ id: 'later', grp: 'x', values: [1] }])
    await build(lake.deps, '20260705T020000Z')
    await land(lake, '20260706T020000Z', [{ id: 'last', grp: 'x', values: [1] }])
    await build(lake.deps, '20260706T020000Z')
    const before = await contents(lake)
    // A batch is under way meanwhile: its stage goes on top of the merged files.
    await land(lake, '20260707T020000Z', [{ id: 'after', grp: 'x', values: [2] }])
    const plan = await planned(lake.deps, '20260707T020000Z')
    const checks = await stage(lake.deps, plan)
    const report = await maintainTable(lake.deps, 'lab_features.points', { dryRun: false })
    expect(report).toMatchObject({ compactedFiles: 6, writtenFiles: 1 })
    expect(await contents(lake)).toEqual(before)
    const open = await maintainTable(lake.deps, 'lab_features.summaries', { dryRun: true })
    expect(open.compactedFiles).toBe(0)
    expect(open.notes).toContainEqual(expect.stringContaining('still being written to'))
    expect(await publishBatch(lake.deps, { plan, checks, run: RUN })).toMatchObject({ status: 'published' })
    expect(await lake.rows('lab_features.points')).toHaveLength(15)
  })

  it('spares what a live lease names, and removes it when the lease is past', async () => {
    await batches(1)
    await land(lake, '20260702T020000Z', [{ id: 'b', grp: 'x', values: [1] }])
    // Leases are counted by the lake's clock, the age of files by the disk's: here both are the machine's.
    const today: LakeDeps = { ...lake.deps, now: () => Date.now() }
    const plan = await planned(today, '20260702T020000Z')
    const checks = await stage(today, plan)
    const files = await filesOf('lab_features.points')
    const report = await maintainTable(daysOn(4), 'lab_features.points', { dryRun: false })
    expect(report.orphans).toBe(0)
    expect(report.notes).toContainEqual(expect.stringContaining('kept 1 staged files of lab/'))
    expect(await filesOf('lab_features.points')).toEqual(expect.arrayContaining(files))
    const orphans = async (days: number) => {
      const results: string[] = []
      for await (const one of tableOrphans(daysOn(days), 'lab_features.points', {})) results.push(one.result)
      return results
    }
    expect([await orphans(4), await orphans(8)]).toEqual([[], ['would-delete']])
    expect((await maintainTable(daysOn(8), 'lab_features.points', { dryRun: true })).orphans).toBe(1)
    expect(await publishBatch(today, { plan, checks, run: RUN })).toMatchObject({ status: 'published' })
    expect((await maintainTable(daysOn(8), 'lab_features.points', { dryRun: true })).orphans).toBe(0)
  })

  it('removes what a batch left that was never published, and the batch is built again', async () => {
    await land(lake, '20260702T020000Z', [{ id: 'b', grp: 'x', values: [1] }])
    const today: LakeDeps = { ...lake.deps, now: () => Date.now() }
    const plan = await planned(today, '20260702T020000Z')
    const checks = await stage(today, plan)
    const reports = await maintainAll(daysOn(8))
    expect(reports.get('lab_features.points')).toMatchObject({ orphans: 1, deletedFiles: 1 })
    await expect(publishBatch(today, { plan, checks, run: RUN })).rejects.toMatchObject({
      kind: 'stage-expired',
    })
    expect(await build(today, '20260702T020000Z')).toMatchObject({ status: 'published' })
  })

  it('leaves enough to go on from, although the history is gone', async () => {
    const [first = ''] = await batches(2)
    // The newest snapshot of the audit table is then not one of the pipeline's own batches.
    await publish(lake.deps, {
      ...{ namespace: 'lab_features', processingName: 'lab.score.m', batch: '20260701T090000Z' as BatchId },
      ...{ tables: [], tagTables: [], tag: 'score_m_20260701T090000Z', checks: [], run: RUN },
      ...{ inputFrom: 0, inputTo: 0, duplicates: 0, fingerprint: '', sourceDataInfo: '' },
    })
    await maintainAll(daysOn(500))
    const audit = await lake.catalog.loadTable(parseIdentifier('lab_features.processing_metadata'))
    expect(audit.metadata.snapshots).toHaveLength(1)
    expect(await planBuild(lake.deps, { pipeline: 'lab', batch: '20260709T020000Z' })).toMatchObject({
      kind: 'nothing-new',
      inputTo: 2,
    })
    expect(await build(lake.deps, first)).toMatchObject({ alreadyCommitted: true, batch: first, inputTo: 1 })
    await land(lake, first, [{ id: 'more', grp: 'x', values: [1] }])
    expect(await build(lake.deps, first)).toMatchObject({
      ...{ status: 'published', batch: `${first}-2`, tag: `v_incr_${first}-2`, inputFrom: 2, inputTo: 3 },
    })
    expect(await lake.rows('lab_features.results')).toHaveLength(3)
  })

  it('heeds what a table says of itself: a longer retention, or that its files are not to be deleted', async () => {
    await batches(2)
    const set = async (name: string, updates: Readonly<Record<string, string>>) => {
      const identifier = parseIdentifier(`lab_features.${name}`)
      await lake.catalog.commit([
        { identifier, requirements: [], updates: [{ action: 'set-properties', updates }] },
      ])
    }
    await set('groups', { 'history.expire.max-snapshot-age-ms': String(400 * DAY_MS) })
    await set('points', { 'gc.enabled': 'false' })
    const files = await filesOf('lab_features.points')
    const reports = await maintainAll(daysOn(8))
    expect(reports.get('lab_features.results')?.expiredSnapshots).toBeGreaterThan(0)
    expect(reports.get('lab_features.groups')).toMatchObject({ expiredSnapshots: 0 })
    expect(reports.get('lab_features.points')).toMatchObject({ droppedTags: [], deletedFiles: 0 })
    const notes = reports.get('lab_features.points')?.notes
    expect(notes).toContainEqual(expect.stringContaining('gc.enabled is false'))
    expect(notes).toContainEqual(expect.stringContaining('kept 2 batch tags'))
    expect(notes).not.toContainEqual(expect.stringContaining('dropped'))
    expect(await filesOf('lab_features.points')).toEqual(expect.arrayContaining(files))
  })

  it('drops the branch of a failed batch after a week', async () => {
    await batches(1)
    await land(lake, '20260702T020000Z', [{ id: 'b', grp: 'x', values: [-1] }])
    expect(await build(lake.deps, '20260702T020000Z')).toMatchObject({ status: 'failed' })
    await maintainAll(lake.deps)
    expect(await refs('lab_features.points')).toContain('failed_20260702T020000Z')
    const report = await maintainTable(daysOn(8), 'lab_features.points', { dryRun: false })
    expect(report.droppedTags).toEqual(['failed_20260702T020000Z'])
    expect(await refs('lab_features.points')).not.toContain('failed_20260702T020000Z')
  })

  it('names the tables of one pipeline, or of the lake', async () => {
    await batches(1)
    const all = await listMaintainable(lake.deps, {})
    expect(all).toHaveLength(11)
    expect(all.at(-1)).toBe('lab_features.processing_metadata')
    expect(await listMaintainable(lake.deps, { pipeline: 'lab' })).toEqual(all)
    await expect(listMaintainable(lake.deps, { pipeline: 'nix' })).rejects.toMatchObject({
      kind: 'not-found',
    })
  })
})

describe('thinning of tags', () => {
  const nowMs = Date.UTC(2026, 6, 20)
  const tag = (name: string, day: number) => ({ name, taggedAtMs: Date.UTC(2026, 6, day) })

  it('keeps all young ones, then the last of each day; never those of users', () => {
    const tags = [
      tag('v_20260701T020000Z', 1),
      tag('v_incr_20260701T020000Z-2', 1),
      tag('v_incr_20260701T020000Z-10', 1),
      tag('v_incr_20260702T020000Z', 2),
      tag('v_incr_20260719T020000Z', 19),
      tag('v_incr_20260719T030000Z', 19),
      tag('score_convergence_k10_20260701T020000Z', 1),
      tag('score_convergence_k10_20260701T030000Z', 1),
      tag('score_convergence_k50_20260701T020000Z', 1),
      tag('paper', 1),
      tag('model-m-1', 1),
      tag('v_1', 1),
    ]
    expect(tagsToThin(tags, { nowMs, thinAfterMs: 7 * DAY_MS })).toEqual([
      'v_20260701T020000Z',
      'v_incr_20260701T020000Z-2',
      'score_convergence_k10_20260701T020000Z',
    ])
  })
})

/** What a report says was done; a dry run's words and times differ, and it can't know the sizes of what is written. */
function comparable([table, report]: readonly [string, TableMaintenance]) {
  const { detail, raw } = report
  const done = <T extends { readonly result: string }>(files: readonly T[] = []) =>
    files.map((file) => ({ ...file, result: file.result.replace(/^would-(delete|replace)$/, '$1d') }))
  const files = { total: detail?.files.total, shown: done(detail?.files.shown) }
  const times = { startedAtMs: 0, durationMs: 0, bytesWritten: 0 }
  const rest = { ...report, ...times, notes: [], detail: files }
  return [table, { ...rest, ...(raw && { raw: { ...raw, files: done(raw.files) } }) }]
}
