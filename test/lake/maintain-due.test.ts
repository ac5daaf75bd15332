import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openTable } from '../../engine/table/open-table.js'
import type { Catalog } from '../../iceberg/catalog/catalog.js'
import { parseIdentifier } from '../../iceberg/catalog/catalog.js'
import type { FileIO } from '../../iceberg/io/file-io.js'
import { headOf } from '../../iceberg/spec/refs.js'
import { planScan } from '../../iceberg/scan/plan-scan.js'
import { closedPartitions } from '../../lake/maintain/closed-partitions.js'
import { listMaintainable, maintainTable } from '../../lake/maintain/maintain-lake.js'
import { DEFAULT_TRIGGERS, planMaintenance, type TableState } from '../../lake/maintain/plan-maintenance.js'
import { stagedPartitions } from '../../lake/maintain/staged-partitions.js'
import { readTriggers } from '../../lake/maintain/table-state.js'
import { listLeases } from '../../lake/staging/stage.js'
import type { LakeDeps } from '../../schemas/lake-deps.js'
import { MAINTENANCE_STEPS, type MaintenanceStep } from '../../schemas/maintenance.js'
import type { TableMaintenance } from '../../schemas/messages.js'
import { build, contents, labPipeline, land, planned, stage } from './support/batches.js'
import { testLake, type TestLake } from './support/lake.js'

const DAY_MS = 86_400_000
const count = (max: number) => fc.integer({ min: 0, max })

const mark = fc.record(
  {
    atMs: count(1000 * DAY_MS),
    sequenceNumber: count(500),
    files: count(1000),
    bytes: count(1e12),
    deleteFiles: count(100),
  },
  { requiredKeys: ['atMs', 'sequenceNumber'] },
)
const state: fc.Arbitrary<TableState> = fc.record(
  {
    nowMs: count(1000 * DAY_MS),
    sequenceNumber: count(500),
    files: count(1000),
    bytes: count(1e12),
    deleteFiles: count(100),
    manifests: fc.constantFrom('too-many' as const, 'badly-clustered' as const),
    overdueSnapshots: count(300),
    overdueRefs: count(3),
    versions: count(40),
    isLedger: fc.boolean(),
    mayDelete: fc.boolean(),
    mayRewrite: fc.boolean(),
    done: fc.record(
      Object.fromEntries(MAINTENANCE_STEPS.map((step) => [step, mark])) as Record<
        MaintenanceStep,
        typeof mark
      >,
      { requiredKeys: [] },
    ),
  },
  {
    requiredKeys: [
      ...(['nowMs', 'sequenceNumber', 'overdueSnapshots', 'overdueRefs', 'versions'] as const),
      ...(['isLedger', 'mayDelete', 'mayRewrite', 'done'] as const),
    ],
  },
)

function dueIn(of: TableState): readonly MaintenanceStep[] {
  return planMaintenance(of, DEFAULT_TRIGGERS).map(({ step }) => step)
}

describe('what is due', () => {
  it('is not due any more once it is done, and the rest is as it was', () => {
    fc.assert(
      fc.property(state, (of) => {
        const { nowMs, sequenceNumber, files, bytes, deleteFiles } = of
        const now = {
          ...{ atMs: nowMs, sequenceNumber },
          ...{ ...(files !== undefined && { files }), ...(bytes !== undefined && { bytes }) },
          ...(deleteFiles !== undefined && { deleteFiles }),
        }
        const due = dueIn(of)
        const done = { ...of.done, ...Object.fromEntries(due.map((step) => [step, now])) }
        // Snapshots that expired are gone, and manifests that were rewritten lie well.
        const after = {
          ...{ ...of, done },
          ...(due.includes('expire') && { overdueSnapshots: 0, overdueRefs: 0 }),
        }
        expect(dueIn(after)).toEqual([])
      }),
    )
  })

  it('comes for everything that there is to do: nothing waits longer than a week', () => {
    fc.assert(
      fc.property(state, (of) => {
        const later = { ...of, nowMs: of.nowMs + 1000 * DAY_MS + DEFAULT_TRIGGERS.everyMs }
        const due = dueIn(later)
        const isNew = (step: MaintenanceStep) => of.sequenceNumber > (of.done[step]?.sequenceNumber ?? 0)
        const expected: readonly (readonly [MaintenanceStep, boolean])[] = [
          ['expire', of.mayDelete && of.overdueSnapshots + of.overdueRefs > 0],
          ['metadata', of.mayDelete && of.versions >= DEFAULT_TRIGGERS.versions],
          ['compact', of.mayRewrite && isNew('compact')],
          ['rewriteDeletes', of.mayRewrite && isNew('rewriteDeletes') && of.deleteFiles !== 0],
          ['rewriteManifests', of.mayRewrite && isNew('rewriteManifests') && of.manifests !== undefined],
          ['orphans', of.mayDelete],
          ['raw', of.mayDelete && of.isLedger],
        ]
        expect(due).toEqual(expected.filter(([, wanted]) => wanted).map(([step]) => step))
      }),
    )
  })

  it('never goes away by waiting or by more commits', () => {
    fc.assert(
      fc.property(state, count(30 * DAY_MS), count(50), (of, ms, commits) => {
        // A mark from the future is one of a clock that was set back: it says nothing.
        const past = Object.values(of.done).every(({ atMs }) => atMs <= of.nowMs)
        fc.pre(past)
        const later = { ...of, nowMs: of.nowMs + ms, sequenceNumber: of.sequenceNumber + commits }
        expect(dueIn(later)).toEqual(expect.arrayContaining([...dueIn(of)]))
      }),
    )
  })

  it('is said by the table before the lake, and what is no number is told', () => {
    const { triggers, notes } = readTriggers(
      { maintenance: { commits: 4, files: 7 } },
      { 'firn.maintenance.commits': '2', 'firn.maintenance.every-ms': 'often' },
    )
    expect(triggers).toEqual({ ...DEFAULT_TRIGGERS, commits: 2, files: 7 })
    expect(notes).toEqual([expect.stringContaining('firn.maintenance.every-ms is "often"')])
  })
})

let lake: TestLake
beforeEach(() => (lake = testLake([labPipeline])))
afterEach(() => lake.close())

let hours = 0
async function night(deps: LakeDeps = lake.deps, values: readonly number[] = [1, 2]): Promise<void> {
  hours += 1
  const batch = `20260701T${String(hours % 24).padStart(2, '0')}${String(Math.floor(hours / 24)).padStart(2, '0')}00Z`
  await land(lake, batch, [{ id: `run ${hours}`, grp: hours % 2 === 0 ? 'x' : 'y', values }])
  await build(deps, batch)
}

function daysOn(days: number): LakeDeps {
  return { ...lake.deps, now: () => Math.max(lake.deps.now(), Date.now()) + days * DAY_MS }
}

async function maintainAll(deps: LakeDeps, due: boolean): Promise<readonly TableMaintenance[]> {
  const reports: TableMaintenance[] = []
  for (const table of await listMaintainable(deps, {}))
    reports.push(await maintainTable(deps, table, { dryRun: false, due }))
  return reports
}

/** The same lake, with what is done to its files written down. */
function watched(deps: LakeDeps): { readonly deps: LakeDeps; readonly calls: string[] } {
  const calls: string[] = []
  const told = <T extends object>(of: T, replace: Partial<Record<keyof T, unknown>> = {}): T =>
    new Proxy(of, {
      get(target, key) {
        if (key in replace) return replace[key as keyof T]
        const value: unknown = Reflect.get(target, key)
        if (typeof value !== 'function') return value
        return (...args: unknown[]): unknown => {
          calls.push(String(key))
          return (value as (...given: unknown[]) => unknown).apply(target, args)
        }
      },
    })
  const io = told<FileIO>(deps.catalog.io)
  return { deps: { ...deps, catalog: told<Catalog>(deps.catalog, { io }) }, calls }
}

describe('a run of what is due', () => {
  it('writes nothing after a full one, reads each table once and lists no folder', async () => {
    for (let i = 0; i < 3; i += 1) await night()
    await maintainAll(daysOn(8), false)
    const tables = await listMaintainable(lake.deps, {})
    const before = await Promise.all(tables.map((table) => lake.catalog.loadTable(parseIdentifier(table))))
    const { deps, calls } = watched(daysOn(8))
    const reports: TableMaintenance[] = []
    for (const table of tables) reports.push(await maintainTable(deps, table, { dryRun: false, due: true }))
    expect(new Set(reports.map(({ outcome }) => outcome))).toEqual(new Set(['nothing-due']))
    expect(new Set(calls)).toEqual(new Set(['loadTable']))
    expect(calls).toHaveLength(2 * tables.length)
    const after = await Promise.all(tables.map((table) => lake.catalog.loadTable(parseIdentifier(table))))
    expect(after.map((table) => table.metadataLocation)).toEqual(
      before.map((table) => table.metadataLocation),
    )
  })

  it('comes again after as many commits as the table says', async () => {
    const identifier = parseIdentifier('lab_features.points')
    await night()
    await lake.catalog.commit([
      {
        ...{ identifier, requirements: [] },
        updates: [{ action: 'set-properties', updates: { 'firn.maintenance.commits': '2' } }],
      },
    ])
    const due = async () =>
      (await maintainTable(lake.deps, 'lab_features.points', { dryRun: false, due: true })).due
    expect((await due())?.map(({ step }) => step)).toEqual(['compact', 'orphans'])
    await night()
    expect(await due()).toEqual([])
    await night()
    expect(await due()).toEqual([{ step: 'compact', why: '2 commits since the last time' }])
    expect(await due()).toEqual([])
  })

  it('costs as much after 90 kept tags as after 20, but for the weekly look at all that is kept', async () => {
    await night()
    const identifier = parseIdentifier('lab_features.summaries')
    const nights: { readonly due: string; readonly calls: number }[] = []
    for (let day = 1; day <= 90; day += 1) {
      const at = daysOn(day)
      const row = { sql: `SELECT 'run of day ${day}' AS run_id, 1.0 AS total, 1 AS size` }
      await openTable({ ...at, identifier }).append(row)
      const head = headOf((await lake.catalog.loadTable(identifier)).metadata)!
      const tag = { 'ref-name': `day-${day}`, type: 'tag', 'snapshot-id': head['snapshot-id'] } as const
      const updates = [{ action: 'set-snapshot-ref', ...tag } as const]
      await lake.catalog.commit([{ identifier, requirements: [], updates }])
      const { deps, calls } = watched(at)
      const options = { dryRun: false, due: true }
      const { due = [] } = await maintainTable(deps, 'lab_features.summaries', options)
      nights.push({ due: due.map(({ step }) => step).join(), calls: calls.length })
    }
    const isWeekly = ({ due }: (typeof nights)[number]) => /expire|orphans/.test(due)
    const most = (of: typeof nights) =>
      Math.max(...of.filter((one) => !isWeekly(one)).map(({ calls }) => calls))
    expect(most(nights.slice(60))).toBeLessThanOrEqual(most(nights.slice(0, 20)))
    expect(nights.filter(({ due }) => due.includes('orphans'))).toHaveLength(13)
    expect(nights.filter(({ due }) => due.includes('expire')).length).toBeLessThanOrEqual(13)
    for (const [tags, { calls }] of nights.entries()) expect(calls).toBeLessThanOrEqual(3 * tags + 100)
  })

  it('does only the steps that are named', async () => {
    for (let i = 0; i < 6; i += 1) await night()
    const report = await maintainTable(daysOn(8), 'lab_features.results', { dryRun: false, only: ['expire'] })
    expect(report.due?.map(({ step }) => step)).toEqual(['expire'])
    expect(report.expiredSnapshots).toBeGreaterThan(0)
    expect(report).toMatchObject({ compactedFiles: 0, orphans: 0, outcome: 'done' })
  })
})

describe('maintenance beside writers', () => {
  it('gives way to a writer that is first, twice and no more, and the table is due again', async () => {
    for (let i = 0; i < 6; i += 1) await night()
    for (const batch of ['20260705T020000Z', '20260706T020000Z']) {
      await land(lake, batch, [{ id: `run of ${batch}`, grp: 'x', values: [1] }])
      await build(lake.deps, batch)
    }
    const table = 'lab_features.points'
    const identifier = parseIdentifier(table)
    let rewrites = 0
    const rewriter: LakeDeps['rewriter'] = {
      rewrite: async (request) => {
        const files = await lake.deps.rewriter.rewrite(request)
        rewrites += 1
        // A row of one of the files goes before the compaction commits.
        const [first] = await lake.rows(table, 'processing_date, run_id')
        await openTable({ ...lake.deps, identifier }).delete({
          sql: `run_id = '${first?.['run_id'] as string}'`,
        })
        return files
      },
      rewriteDeletes: (request) => lake.deps.rewriter.rewriteDeletes(request),
    }
    const rows = (await lake.rows(table)).length
    const report = await maintainTable({ ...lake.deps, rewriter }, table, {
      dryRun: false,
      only: ['compact'],
    })
    expect(rewrites).toBe(2)
    expect(report).toMatchObject({ outcome: 'yielded', compactedFiles: 0 })
    expect(await lake.rows(table)).toHaveLength(rows - 4)
    const again = await maintainTable(lake.deps, table, { dryRun: true, due: true })
    expect(again.due?.map(({ step }) => step)).toContain('compact')
  })

  it('leaves the partitions alone that a build under way writes anew', async () => {
    await night()
    hours += 1
    await land(lake, '20260702T020000Z', [{ id: 'staged', grp: 'x', values: [1] }])
    const plan = await planned(lake.deps, '20260702T020000Z')
    await stage(lake.deps, plan)
    const leases = await listLeases(lake.deps)
    const groups = await lake.catalog.loadTable(parseIdentifier('lab_features.groups'))
    const staged = stagedPartitions(lake.deps, groups, leases)
    expect([...staged]).toEqual(['[0,"string:x"]'])
    const { isClosed, notes } = closedPartitions(groups.metadata, staged)
    const group = (grp: string) => ({ specId: 0, partition: [grp], files: 40, newestSequenceNumber: 0 })
    expect([isClosed(group('x')), isClosed(group('y'))]).toEqual([false, true])
    expect(notes()).toEqual(['not compacted: 1 partitions that a build under way writes anew'])
    const points = await lake.catalog.loadTable(parseIdentifier('lab_features.points'))
    // What is only added to may be compacted: the build goes on top.
    expect(stagedPartitions(lake.deps, points, leases).size).toBe(0)
  })

  it('and a night at once both end well: every row once, every tag readable', async () => {
    for (let i = 0; i < 6; i += 1) await night()
    const tables = await listMaintainable(lake.deps, {})
    for (let round = 0; round < 3; round += 1) {
      const maintenance = tables.map((table) => maintainTable(lake.deps, table, { dryRun: false }))
      // A second attempt at the same, as of a worker that was taken for dead.
      const zombie = maintainTable(daysOn(8), 'lab_features.points', { dryRun: false })
      const [, ...reports] = await Promise.all([night(), zombie, ...maintenance])
      for (const { error } of reports) expect(error).toBeUndefined()
    }
    const found = await contents(lake)
    expect(found['results']).toHaveLength(9)
    expect(found['points']).toHaveLength(18)
    expect(found['summaries']).toHaveLength(9)
    for (const table of tables) await expectReadable(table)
  })
})

/** Every file that any retained snapshot reads is there. */
async function expectReadable(table: string): Promise<void> {
  const { metadata } = await lake.catalog.loadTable(parseIdentifier(table))
  const { io } = lake.catalog
  for (const { 'snapshot-id': snapshotId } of metadata.snapshots) {
    const { tasks } = await planScan({ metadata, io, target: { kind: 'snapshot', snapshotId } })
    for (const { file, deletes } of tasks)
      for (const { filePath, fileSizeInBytes } of [file, ...deletes])
        expect((await io.stat(filePath)).sizeBytes).toBe(fileSizeInBytes)
  }
}
