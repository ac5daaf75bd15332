import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { formatIdentifier, parseIdentifier } from '../../iceberg/catalog/catalog.js'
import { toLocalPath } from '../../iceberg/io/location.js'
import { changeRefs } from '../../iceberg/write/refs.js'
import { listRuns } from '../../lake/maintain/list-runs.js'
import { listMaintainable, maintainTable } from '../../lake/maintain/maintain-lake.js'
import { recordRuns } from '../../lake/maintain/record-runs.js'
import { readFullDetail } from '../../lake/maintain/report-detail.js'
import type { LakeDeps } from '../../schemas/lake-deps.js'
import { MAINTENANCE_RUNS } from '../../schemas/lake-tables.js'
import type { MaintenanceStep } from '../../schemas/maintenance.js'
import type { TableMaintenance } from '../../schemas/messages.js'
import { boundReport } from '../../workflows/bound-report.js'
import { build, labPipeline, land } from './support/batches.js'
import { testLake, type TestLake } from './support/lake.js'

const DAY_MS = 86_400_000
const GROUPS = 'lab_features.groups'

let lake: TestLake
beforeEach(() => (lake = testLake([labPipeline])))
afterEach(() => lake.close())

function daysOn(days: number): LakeDeps {
  return { ...lake.deps, now: () => Math.max(lake.deps.now(), Date.now()) + days * DAY_MS }
}

async function nights(count: number): Promise<void> {
  for (let i = 1; i <= count; i += 1) {
    const batch = `20260701T${String(i).padStart(2, '0')}0000Z`
    await land(lake, batch, [{ id: `run ${i}`, grp: 'x', values: [i, 1] }])
    await build(lake.deps, batch)
  }
}

async function tag(name: string): Promise<void> {
  const identifier = parseIdentifier(GROUPS)
  await changeRefs({ ...lake.deps, tables: [{ identifier, changes: [{ kind: 'create-tag', name }] }] })
}

async function strays(table: string, count: number): Promise<void> {
  const { metadata } = await lake.catalog.loadTable(parseIdentifier(table))
  const folder = join(toLocalPath(metadata.location), 'data')
  mkdirSync(folder, { recursive: true })
  for (let i = 0; i < count; i += 1) writeFileSync(join(folder, `stray-${i}.parquet`), 'x')
}

describe('a dry run', () => {
  it('tells of each file with which snapshot it goes, and of each snapshot and byte who keeps it', async () => {
    await nights(1)
    await tag('model-k10-3-data')
    await nights(3)
    await tag('paper')
    const later = daysOn(8)
    const dry = await maintainTable(later, GROUPS, { dryRun: true })
    const { files, snapshots, refs, at } = dry.detail ?? {}
    expect(at).toBeUndefined()
    expect(snapshots?.shown.map(({ because }) => [...because].sort())).toEqual([
      ["main's newest", 'tag paper', 'tag v_incr_20260701T030000Z'],
      ['models:/k10/3 (tag model-k10-3-data)'],
    ])
    const model = refs?.shown.find(({ ref }) => ref === 'model-k10-3-data')
    expect(model).toMatchObject({ model: 'models:/k10/3' })
    expect(model?.bytes).toBe(dry.taggedBytes)
    expect(dry.expiredSnapshots).toBe(2)
    const { metadata } = await lake.catalog.loadTable(parseIdentifier(GROUPS))
    const [, second, third] = metadata.snapshots
    expect(new Set(files?.shown.map(({ snapshotId, why }) => `${why} ${snapshotId ?? ''}`))).toEqual(
      new Set([second, third].map((one) => `expired ${String(one?.['snapshot-id'])}`)),
    )
    for (const { location, result } of files?.shown ?? []) {
      expect(result).toBe('would-delete')
      await expect(lake.catalog.io.stat(location)).resolves.toBeDefined()
    }
    const done = await maintainTable(later, GROUPS, { dryRun: false })
    expect(done.detail?.files.shown.map(({ location, result }) => [location, result])).toEqual(
      files?.shown.map(({ location }) => [location, 'deleted']),
    )
    for (const { location } of files?.shown ?? [])
      await expect(lake.catalog.io.stat(location)).rejects.toMatchObject({ kind: 'not-found' })
    // The bytes that the model alone keeps are those that its tag frees.
    const { detail } = await maintainTable(later, GROUPS, { dryRun: true })
    await changeRefs({
      ...lake.deps,
      tables: [
        { identifier: parseIdentifier(GROUPS), changes: [{ kind: 'drop', name: 'model-k10-3-data' }] },
      ],
    })
    const freed = await maintainTable(later, GROUPS, { dryRun: false, only: ['expire'] })
    const data = freed.detail?.files.shown.filter(({ location }) => location.endsWith('.parquet')) ?? []
    expect(data.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)).toBe(
      detail?.refs?.shown.find(({ ref }) => ref === 'model-k10-3-data')?.bytes,
    )
    expect(data).not.toHaveLength(0)
  })

  it('of 10,000 files stays small, and names each in a list beside the tables', async () => {
    await nights(1)
    await strays(GROUPS, 10_000)
    const dry = await maintainTable(daysOn(4), GROUPS, { dryRun: true, runId: 'dry' })
    expect(dry).toMatchObject({ orphans: 10_000, detail: { files: { total: 10_000 } } })
    expect(JSON.stringify(dry).length).toBeLessThan(16_000)
    const full = await readFullDetail(lake.deps, dry.detail ?? { files: { total: 0, shown: [] } })
    expect(new Set(full.files.shown.map(({ location }) => location)).size).toBe(10_000)
    const done = await maintainTable(daysOn(4), GROUPS, { dryRun: false, runId: 'real' })
    expect(done).toMatchObject({ orphans: 10_000, failedFiles: 0 })
    expect((await maintainTable(daysOn(4), GROUPS, { dryRun: true })).orphans).toBe(0)
    // Lists of a month ago go with the next run that is recorded.
    const run = { runId: 'r', workflowId: 'maintain-lake', tables: [done] }
    await recordRuns(daysOn(31), run)
    await expect(lake.catalog.io.stat(`${dry.detail?.at ?? ''}-0.jsonl`)).rejects.toMatchObject({
      kind: 'not-found',
    })
  })

  it('of a lake of very many tables fits through Temporal', async () => {
    await nights(1)
    await strays(GROUPS, 30)
    const one = await maintainTable(daysOn(8), GROUPS, { dryRun: true })
    const notes = Array.from({ length: 30 }, (_, i) => `kept tag ${'x'.repeat(100)}-${i}: it never expires`)
    const tables = boundReport(Array.from({ length: 500 }, () => ({ ...one, notes })))
    expect(JSON.stringify(tables).length).toBeLessThan(1_000_000)
    expect(tables[0]?.detail?.files.shown).toHaveLength(10)
    expect(tables.at(-1)).toMatchObject({
      orphans: 30,
      detail: { files: { total: one.detail?.files.total } },
    })
    expect(tables.at(-1)?.notes).toHaveLength(4)
  })
})

describe('audit.maintenance_runs', () => {
  it('has the rows of a run that compacts the record itself', async () => {
    await nights(2)
    const record = formatIdentifier(MAINTENANCE_RUNS)
    const runOf = async (runId: string, only: MaintenanceStep, names: readonly string[]) => {
      const tables: TableMaintenance[] = []
      for (const table of names)
        tables.push(await maintainTable(lake.deps, table, { dryRun: false, only: [only], runId }))
      return { tables, recorded: await recordRuns(lake.deps, { runId, workflowId: 'w', tables }) }
    }
    // A table of one partition is open up to 30 files.
    for (let run = 1; run <= 32; run += 1) await runOf(`run ${run}`, 'expire', [GROUPS])
    const { tables, recorded } = await runOf('compacts', 'compact', [GROUPS, record])
    expect(tables[1]?.compactedFiles).toBeGreaterThan(0)
    expect(recorded).toBe(2)
  })

  it('has a row a table that had anything to do, once, whatever became of it', async () => {
    await nights(2)
    const maintainAll = async (): Promise<TableMaintenance[]> => {
      const reports: TableMaintenance[] = []
      for (const table of await listMaintainable(lake.deps, {}))
        reports.push(await maintainTable(daysOn(8), table, { dryRun: false, due: true }))
      return reports
    }
    const tables = await maintainAll()
    const [first, ...rest] = tables
    if (first === undefined) throw new Error('there are tables')
    const broken = { ...first, outcome: 'failed' as const, error: 'the disk is full' }
    const run = { runId: 'one', workflowId: 'maintain-lake', tables: [broken, ...rest] }
    expect(await recordRuns(lake.deps, run)).toBe(tables.length)
    expect(await recordRuns(lake.deps, run)).toBe(0)
    const { total, runs } = await listRuns(lake.deps, { limit: 3 })
    expect([total, runs.length]).toEqual([tables.length, 3])
    const [failed] = (await listRuns(lake.deps, { table: first.table, limit: 9 })).runs
    expect(failed).toMatchObject({
      outcome: 'failed',
      error: 'the disk is full',
      workflowId: 'maintain-lake',
    })
    const [groups] = (await listRuns(lake.deps, { table: GROUPS, limit: 9 })).runs
    const report = tables.find(({ table }) => table === GROUPS)
    expect(groups).toMatchObject({
      ...{ outcome: 'done', deletedFiles: report?.deletedFiles, deletedBytes: report?.deletedBytes },
      ...{ expiredSnapshots: report?.expiredSnapshots, droppedRefs: report?.droppedTags },
      startedAt: new Date(report?.startedAtMs ?? 0).toISOString(),
      steps: report?.due?.map(({ step, why }) => `${step}: ${why}`),
    })
    expect(groups?.deletedFiles).toBeGreaterThan(0)
    // Next only the record itself is due, and its upkeep is not recorded: else it would never come to rest.
    const next = await maintainAll()
    const due = next.filter(({ outcome }) => outcome !== 'nothing-due')
    expect(due.map(({ table }) => table)).toEqual(['audit.maintenance_runs'])
    expect(await recordRuns(lake.deps, { runId: 'two', workflowId: 'maintain-lake', tables: next })).toBe(0)
    await expect(listRuns(lake.deps, { table: 'lab_features.grups', limit: 1 })).rejects.toMatchObject({
      kind: 'not-found',
      message: expect.stringContaining('lab_features.groups') as string,
    })
  })
})
