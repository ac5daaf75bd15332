import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { parseIdentifier } from '../../iceberg/catalog/catalog.js'
import { compactTable } from '../../iceberg/maintain/compact.js'
import { headOf } from '../../iceberg/spec/refs.js'
import { openTable } from '../../engine/table/open-table.js'
import { writeTableRows } from '../../lake/tables/write-table-rows.js'
import { publish } from '../../lake/publish/publish.js'
import { publishBatch } from '../../lake/publish/publish-batch.js'
import { publishedState } from '../../lake/publish/audit.js'
import { planRollback } from '../../lake/rollback/plan-rollback.js'
import { runRollback } from '../../lake/rollback/run-rollback.js'
import { isNothing } from '../../lake/rollback/rollback-plan.js'
import { publishWindows } from '../../lake/windows/publish-windows.js'
import { parseBatchId } from '../../schemas/batch.js'
import { changeRefs } from '../../iceberg/write/refs.js'
import {
  auditRows,
  build,
  contents,
  labPipeline,
  land,
  plan,
  planned,
  RUN,
  stage,
} from './support/batches.js'
import { testLake, type TestLake } from './support/lake.js'
import { click, MINUTE, T0, WINDOW_TABLES, WindowModel } from './support/window-model.js'

const DAY_1 = '20260701T020000Z'
const DAY_2 = '20260702T020000Z'
const DAY_3 = '20260703T020000Z'
const DAY_4 = '20260704T020000Z'

const A = { id: 'a', grp: 'x', values: [1, 2] }
const B = { id: 'b', grp: 'y', values: [0.5], note: 'hot' }
const C = { id: 'c', grp: 'x', values: [5], note: 'cold' }
const BROKEN = { id: 'broken', grp: 'z', values: [-1] }

let lake: TestLake
beforeEach(() => (lake = testLake([labPipeline])))
afterEach(() => lake.close())

const rollBack = async (to: string) =>
  await runRollback(lake.deps, await planRollback(lake.deps, { pipeline: 'lab', to }))

async function loadTable(table: string) {
  return await lake.catalog.loadTable(parseIdentifier(`lab_features.${table}`))
}

async function headsOf() {
  const tables = await lake.catalog.loadTables(await lake.catalog.listTables('lab_features'))
  return tables.map(({ identifier, metadata }) => [identifier.name, headOf(metadata)?.['snapshot-id']])
}

/** Predictions as a scoring publishes them. */
async function score(batch: string, run: string, value: number) {
  const loaded = await loadTable('predictions')
  const file = await writeTableRows(lake.deps, loaded, [{ run_id: run, score: value }])
  return await publish(lake.deps, {
    namespace: 'lab_features',
    processingName: 'lab.score.m',
    batch: parseBatchId(batch),
    tables: [
      {
        table: 'lab_features.predictions',
        write: 'append',
        files: [file],
        rows: 1,
        basisSnapshotId: headOf(loaded.metadata)?.['snapshot-id'].toString() ?? null,
      },
    ],
    tag: `score_m_${batch}`,
    tagTables: [],
    ...{ inputFrom: 0, inputTo: 0, duplicates: 0, fingerprint: 'w' },
    sourceDataInfo: JSON.stringify({ version: 1, featuresTag: `v_incr_${batch}`, snapshots: {} }),
    checks: [],
    run: RUN,
  })
}

async function threeNights(): Promise<Record<string, unknown>> {
  await land(lake, DAY_1, [A])
  await build(lake.deps, DAY_1)
  await score(DAY_1, 'a', 1)
  const first = await contents(lake)
  await land(lake, DAY_2, [B])
  await build(lake.deps, DAY_2)
  await score(DAY_2, 'b', 2)
  await land(lake, DAY_3, [C, A])
  await build(lake.deps, DAY_3)
  return first
}

describe('a rollback', () => {
  it('takes all tables back in one transaction; the next build takes their records again', async () => {
    const first = await threeNights()
    const before = { ...(await contents(lake)), predictions: null }
    expect(await rollBack(DAY_1)).toBe(true)
    expect(await contents(lake)).toEqual(first)
    expect(
      (await auditRows(lake)).map((row) => [row['processing_name'], row['status'], row['reason']]),
    ).toEqual([
      ['lab.score.m', 'published', null],
      ['lab.score.m', 'rolled_back', `rolled back to batch ${DAY_1}`],
      ['lab', 'published', null],
      ['lab', 'rolled_back', `rolled back to batch ${DAY_1}`],
      ['lab', 'rolled_back', `rolled back to batch ${DAY_1}`],
    ])
    // The notes came with the second batch: main can't point to nothing, so their table is emptied.
    expect(headOf((await loadTable('notes')).metadata)?.summary?.operation).toBe('delete')
    const { refs } = (await loadTable('results')).metadata
    expect(Object.keys(refs).sort()).toEqual([
      'main',
      `rolled_back_v_incr_${DAY_2}`,
      `rolled_back_v_incr_${DAY_3}`,
      `v_${DAY_1}`,
    ])
    expect(await build(lake.deps, DAY_4)).toMatchObject({
      batch: DAY_4,
      inputFrom: 1,
      inputTo: 4,
      duplicates: 1,
    })
    const after = await contents(lake)
    expect(withoutBatch({ ...after, predictions: null })).toEqual(withoutBatch(before))
    // A scoring that was taken back is made again under its own batch.
    expect(await score(DAY_2, 'b', 2)).toMatchObject({ status: 'published', alreadyCommitted: false })
  })

  it('done twice changes nothing, and keeps what was scored on the batch that it goes back to', async () => {
    await threeNights()
    await rollBack(DAY_2)
    expect(await lake.rows('lab_features.predictions', 'run_id')).toEqual([
      { run_id: 'a', score: 1 },
      { run_id: 'b', score: 2 },
    ])
    const heads = await headsOf()
    expect(isNothing(await planRollback(lake.deps, { pipeline: 'lab', to: DAY_2 }))).toBe(true)
    expect(await rollBack(DAY_2)).toBe(false)
    expect(await headsOf()).toEqual(heads)
    // The same night again is another batch: its old id stands in the audit table.
    expect(await plan(lake.deps, DAY_3)).toMatchObject({ kind: 'build', batch: `${DAY_3}-2`, inputFrom: 2 })
  })

  it('goes back through compaction and expiry, and twice in a row', async () => {
    const first = await threeNights()
    const { catalog, rewriter, now, newUuid, newSnapshotId } = lake.deps
    for (const name of ['results', 'groups', 'runs_ids', 'processing_metadata']) {
      const identifier = parseIdentifier(`lab_features.${name}`)
      const common = { catalog, identifier, rewriter, now, newUuid, newSnapshotId }
      await compactTable({ ...common, isClosed: () => true, rewriteAll: true })
    }
    await rollBack(DAY_2)
    await build(lake.deps, DAY_3)
    await rollBack(DAY_1)
    expect(await contents(lake)).toEqual(first)
    const audit = await lake.catalog.loadTable(parseIdentifier('lab_features.processing_metadata'))
    expect(await publishedState(lake.deps, audit, 'lab')).toEqual({ end: 1, published: true })
    const rows = await auditRows(lake)
    expect(rows.map((row) => [row['processing_batch_id'], row['status']])).toContainEqual([
      `${DAY_3}-2`,
      'rolled_back',
    ])
  })

  it('says what is no batch to go back to', async () => {
    await expect(rollBack(DAY_1)).rejects.toThrow('pipeline lab has no published batch yet')
    await threeNights()
    await expect(rollBack('20200101T000000Z')).rejects.toThrow(
      `pipeline lab has no batch 20200101T000000Z. Published are ${DAY_1}, ${DAY_2}, ${DAY_3}.`,
    )
    await expect(rollBack("'; DROP TABLE x")).rejects.toMatchObject({ kind: 'invalid-input' })
    await land(lake, DAY_4, [BROKEN])
    await build(lake.deps, DAY_4)
    await expect(rollBack(DAY_4)).rejects.toThrow('failed its checks and was never published')
    await rollBack(DAY_2)
    await expect(rollBack(DAY_3)).rejects.toThrow('was taken back by a rollback itself')
    await dropEverywhere(`v_${DAY_1}`)
    await keepHeadsOnly()
    await expect(rollBack(DAY_1)).rejects.toThrow(
      `batch ${DAY_1} of lab can't be gone back to: its tag is gone`,
    )
  })

  it('takes back a skip as well, so that its range is due again', async () => {
    await land(lake, DAY_1, [A])
    await build(lake.deps, DAY_1)
    await land(lake, DAY_2, [BROKEN])
    await build(lake.deps, DAY_2)
    await land(lake, DAY_3, [B])
    await build(lake.deps, DAY_3, DAY_2)
    await rollBack(DAY_1)
    expect(await plan(lake.deps, DAY_4)).toMatchObject({ inputFrom: 1, inputTo: 3 })
    expect(await build(lake.deps, DAY_4)).toMatchObject({ status: 'failed' })
    await build(lake.deps, DAY_4, DAY_4)
    expect((await auditRows(lake)).map((row) => row['status'])).toContain('skipped')
  })

  it('lists what models and users hold of the rows that go', async () => {
    await threeNights()
    const changes = [{ kind: 'create-tag', name: 'model-m-1-data' }] as const
    const identifier = parseIdentifier('lab_features.results')
    await changeRefs({ ...lake.deps, tables: [{ identifier, changes }] })
    const { kept } = await planRollback(lake.deps, { pipeline: 'lab', to: DAY_2 })
    expect(kept).toEqual([{ ref: 'model-m-1-data', tables: ['lab_features.results'] }])
    await rollBack(DAY_2)
    expect((await loadTable('results')).metadata.refs['model-m-1-data']).toBeDefined()
  })
})

describe('what comes between the plan and the commit of a rollback', () => {
  const told = () => planRollback(lake.deps, { pipeline: 'lab', to: DAY_1 })

  it('is left alone where it is a foreign append: nothing changes, and the next plan tells of it', async () => {
    await threeNights()
    const plan = await told()
    const foreign = { grp: 'foreign', runs: 1n, total: 0 }
    await openTable({ ...lake.deps, identifier: 'lab_features.groups' }).append([foreign])
    const heads = await headsOf()
    await expect(runRollback(lake.deps, plan)).rejects.toMatchObject({ kind: 'rebuild-needed' })
    expect(await headsOf()).toEqual(heads)
    const groups = (await told()).tables.find(({ table }) => table === 'lab_features.groups')
    expect(groups?.foreign).toMatchObject([{ operation: 'append', addedRows: 1 }])
  })

  it('is a conflict where it is a batch, and none where it is compaction', async () => {
    const first = await threeNights()
    const plan = await told()
    await land(lake, DAY_4, [{ ...A, id: 'd' }])
    await build(lake.deps, DAY_4)
    await expect(runRollback(lake.deps, plan)).rejects.toThrow(DAY_4)
    const again = await told()
    const { catalog, rewriter, now, newUuid, newSnapshotId } = lake.deps
    const identifier = parseIdentifier('lab_features.groups')
    await compactTable({
      ...{ catalog, identifier, rewriter, now, newUuid, newSnapshotId },
      ...{ isClosed: () => true, rewriteAll: true },
    })
    expect(await runRollback(lake.deps, again)).toBe(true)
    expect(await contents(lake)).toEqual(first)
  })

  it('does not let a batch through that was planned before it, nor a rollback of its own', async () => {
    const first = await threeNights()
    await land(lake, DAY_4, [{ ...A, id: 'd' }])
    const zombie = await planned(lake.deps, DAY_4)
    const checks = await stage(lake.deps, zombie)
    const [plan, same] = [await told(), await told()]
    const done = await Promise.all([runRollback(lake.deps, plan), runRollback(lake.deps, same)])
    expect(done.sort()).toEqual([false, true])
    await expect(publishBatch(lake.deps, { plan: zombie, checks, run: RUN })).rejects.toMatchObject({
      kind: 'stale-range',
    })
    expect(await contents(lake)).toEqual(first)
  })
})

it('window tables go back with their position, and the next refresh takes up from there', async () => {
  const model = new WindowModel()
  const at = (minutes: number): number => T0 + minutes * MINUTE
  const read = async () => await Promise.all(WINDOW_TABLES.map((name) => model.read(name)))
  const expected = (rows: number) => WINDOW_TABLES.map((name) => model.expected(name, rows))
  const publishAt = (batch: string) => publishWindows(model.deps, { pipeline: 'shop', batch, run: RUN })
  try {
    await model.land([[click('1', 'a', at(0)), click('2', 'a', at(6))]])
    await model.refresh(at(5))
    await publishAt(DAY_1)
    await model.land([[click('3', 'b', at(12))], [click('4', 'a', at(7))]])
    await model.refresh(at(9))
    await model.noteWatermarks()
    await publishAt(DAY_2)
    const plan = await planRollback(model.deps, { pipeline: 'shop', to: DAY_1 })
    expect(plan.tables.flatMap(({ foreign }) => foreign)).toEqual([])
    expect(await runRollback(model.deps, plan)).toBe(true)
    expect(await read()).toEqual(expected(1))
    expect(await model.refresh(at(9))).toMatchObject({ rowEnd: 3 })
    expect(await read()).toEqual(expected(3))
    expect(await publishAt(DAY_2)).toMatchObject({ status: 'published', batch: `${DAY_2}-2` })
    const audit = await model.lake.rows('shop_features.processing_metadata', 'input_to, status')
    expect(audit.map((row) => [row['status'], row['input_from'], row['input_to']])).toEqual([
      ['published', 0n, 1n],
      ['published', 1n, 3n],
      ['rolled_back', 1n, 3n],
    ])
  } finally {
    model.lake.close()
  }
})

function withoutBatch(tables: Record<string, unknown>): unknown {
  return JSON.parse(
    JSON.stringify(tables, (key, value: unknown) =>
      key.startsWith('processing_') ? undefined : typeof value === 'bigint' ? String(value) : value,
    ),
  )
}

async function dropEverywhere(tag: string): Promise<void> {
  const tables = await lake.catalog.listTables('lab_features')
  const changes = [{ kind: 'drop', name: tag }] as const
  await changeRefs({ ...lake.deps, tables: tables.map((identifier) => ({ identifier, changes })) })
}

async function keepHeadsOnly(): Promise<void> {
  const { expireSnapshots } = await import('../../iceberg/maintain/expire.js')
  for (const identifier of await lake.catalog.listTables('lab_features')) {
    const common = { catalog: lake.catalog, identifier, nowMs: lake.deps.now() + 1000 }
    await expireSnapshots({ ...common, maxSnapshotAgeMs: 0, minSnapshotsToKeep: 1 })
  }
}
