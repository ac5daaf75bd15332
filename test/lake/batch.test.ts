import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { commitTransaction } from '../../iceberg/write/transaction.js'
import { currentSchema } from '../../iceberg/spec/schema.js'
import { defaultSpec } from '../../iceberg/spec/specs.js'
import { writeRows } from '../../engine/parquet/write-rows.js'
import type { Row } from '../../engine/engine.js'
import type { PlannedBuild } from '../../schemas/messages.js'
import { readStage } from '../../lake/staging/stage.js'
import { tasksOf } from '../../lake/staging/staged-tasks.js'
import { changeRefs } from '../../iceberg/write/refs.js'
import { buildTables } from '../../lake/features/build-tables.js'
import { publishBatch } from '../../lake/publish/publish-batch.js'
import type { Catalog } from '../../iceberg/catalog/catalog.js'
import { IcebergError } from '../../iceberg/error.js'
import { formatIdentifier, parseIdentifier } from '../../iceberg/catalog/catalog.js'
import { headOf } from '../../iceberg/spec/refs.js'
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
import type { TestLake } from './support/lake.js'
import { testLake } from './support/lake.js'

const DAY_1 = '20260701T020000Z'
const DAY_2 = '20260702T020000Z'
const DAY_3 = '20260703T020000Z'

let lake: TestLake
beforeEach(() => (lake = testLake([labPipeline])))
afterEach(() => lake.close())

const A = { id: 'a', grp: 'x', values: [1, 2], note: 'hot' }
const B = { id: 'b', grp: 'y', values: [0.1, 0.2, 0.3] }
const C = { id: 'c', grp: 'x', values: [5], note: 'hot' }
const BROKEN = { id: 'broken', grp: 'z', values: [1, -1] }

async function metadataOf(table: string) {
  return (await lake.catalog.loadTable(parseIdentifier(`lab_features.${table}`))).metadata
}

async function snapshotCount(): Promise<number> {
  const tables = await lake.catalog.listTables('lab_features')
  const loaded = await lake.catalog.loadTables(tables)
  return loaded.reduce((sum, table) => sum + table.metadata.snapshots.length, 0)
}

describe('a batch', () => {
  it('shows in every table at once, with its tag and its audit row', async () => {
    await land(lake, DAY_1, [A, B])
    const result = await build(lake.deps, DAY_1)
    expect(result).toMatchObject({
      status: 'published',
      alreadyCommitted: false,
      batch: DAY_1,
      tag: `v_${DAY_1}`,
      inputFrom: 0,
      inputTo: 2,
      duplicates: 0,
    })
    expect(result?.tables.map(({ table, rows, version }) => [table, rows, version])).toEqual([
      ['lab_features.results', 2, `v_${DAY_1}`],
      ['lab_features.points', 5, `v_${DAY_1}`],
      ['lab_features.summaries', 2, `v_${DAY_1}`],
      ['lab_features.groups', 2, `v_${DAY_1}`],
      ['lab_features.notes', 1, `v_${DAY_1}`],
      ['lab_features.runs_ids', 2, `v_${DAY_1}`],
      ['lab_features.predictions', 0, 'no_changes'],
    ])
    const rows = await contents(lake)
    expect(rows['groups']).toEqual([
      { grp: 'x', runs: 1n, total: 3 },
      { grp: 'y', runs: 1n, total: 0.1 + 0.2 + 0.3 },
    ])
    const [audit] = await auditRows(lake)
    expect(audit).toMatchObject({
      processing_batch_id: DAY_1,
      processing_name: 'lab',
      processing_timestamp: BigInt(Date.UTC(2026, 6, 1, 2)) * 1000n,
      status: 'published',
      input_from: 0n,
      input_to: 2n,
      record_counts: [2n, 5n, 2n, 2n, 1n, 2n, 0n],
    })
    const heads = await Promise.all(
      (result?.tables ?? []).map(async ({ table, snapshotId }) => {
        const { metadata } = await lake.catalog.loadTable(parseIdentifier(table))
        return String(headOf(metadata)?.['snapshot-id'] ?? null) === String(snapshotId)
      }),
    )
    expect(heads.every(Boolean)).toBe(true)
    expect((await metadataOf('predictions')).refs).toEqual({})
    expect(Object.keys((await metadataOf('processing_metadata')).refs).sort()).toEqual(['main', `v_${DAY_1}`])
    const checks = await lake.rows('audit.check_results', 'check_name')
    expect(checks.every((check) => check['passed'] === true)).toBe(true)
    expect(checks.map((check) => check['check_name'])).toContain('values_not_negative')
  })

  it('builds only what is new, leaves duplicates out and counts them', async () => {
    await land(lake, DAY_1, [A, B])
    await build(lake.deps, DAY_1)
    await land(lake, DAY_2, [A, C, { ...C, values: [7, 8] }])
    const result = await build(lake.deps, DAY_2)
    expect(result).toMatchObject({
      batch: DAY_2,
      tag: `v_incr_${DAY_2}`,
      inputFrom: 2,
      inputTo: 5,
      duplicates: 2,
    })
    expect(result?.tables.map(({ rows }) => rows)).toEqual([1, 1, 1, 1, 0, 1, 0])
    const rows = await contents(lake)
    expect(rows['groups']).toEqual([
      { grp: 'x', runs: 2n, total: 8 },
      { grp: 'y', runs: 1n, total: 0.1 + 0.2 + 0.3 },
    ])
    expect(rows['notes']).toHaveLength(1)
    expect(rows['results']).toHaveLength(3)
    // Notes got no rows, and is tagged all the same: every table can be read at the batch.
    expect((await metadataOf('notes')).refs[`v_incr_${DAY_2}`]).toBeDefined()
    expect(result?.tables.find(({ table }) => table === 'lab_features.notes')?.version).toBe('no_changes')
  })

  it('is published when all its records are duplicates, with no new rows', async () => {
    await land(lake, DAY_1, [A])
    await build(lake.deps, DAY_1)
    await land(lake, DAY_2, [A])
    const result = await build(lake.deps, DAY_2)
    expect(result).toMatchObject({ status: 'published', duplicates: 1, tag: `v_incr_${DAY_2}` })
    // Groups is no table of new records: its partition is written anew, with the same row.
    expect(result?.tables.map(({ rows }) => rows)).toEqual([0, 0, 0, 1, 0, 0, 0])
    expect((await contents(lake))['groups']).toEqual([{ grp: 'x', runs: 1n, total: 3 }])
    expect(await build(lake.deps, DAY_2)).toEqual({ ...result, alreadyCommitted: true })
  })

  it('writes nothing when nothing is new', async () => {
    expect(await plan(lake.deps, DAY_1)).toMatchObject({ kind: 'nothing-new', inputTo: 0 })
    expect(await lake.catalog.listNamespaces()).toEqual([])
    await land(lake, DAY_1, [A])
    await build(lake.deps, DAY_1)
    const before = await snapshotCount()
    expect(await plan(lake.deps, DAY_2)).toEqual({
      kind: 'nothing-new',
      pipeline: 'lab',
      batch: DAY_2,
      inputTo: 1,
    })
    expect(await snapshotCount()).toBe(before)
  })

  it('is found to have nothing new at the same cost after any number of batches', async () => {
    const costs: number[] = []
    for (let day = 1; day <= 4; day += 1) {
      await land(lake, `2026080${day}T020000Z`, [{ ...A, id: `run ${day}` }])
      await build(lake.deps, `2026080${day}T020000Z`)
      lake.crash.revive()
      expect(await plan(lake.deps, '20260901T020000Z')).toMatchObject({ kind: 'nothing-new', inputTo: day })
      costs.push(lake.crash.calls)
    }
    expect(new Set(costs).size).toBe(1)
  })

  it('asked for again gives the recorded result; with more input it is <batch>-2', async () => {
    await land(lake, DAY_1, [A])
    const first = await build(lake.deps, DAY_1)
    expect(await build(lake.deps, DAY_1)).toEqual({ ...first, alreadyCommitted: true })
    await land(lake, DAY_1, [B])
    const second = await build(lake.deps, DAY_1)
    expect(second).toMatchObject({ batch: `${DAY_1}-2`, tag: `v_incr_${DAY_1}-2`, inputFrom: 1, inputTo: 2 })
    expect(await build(lake.deps, DAY_1)).toEqual({ ...second, alreadyCommitted: true })
    await land(lake, DAY_1, [C])
    expect(await build(lake.deps, DAY_1)).toMatchObject({ batch: `${DAY_1}-3` })
    expect(await auditRows(lake)).toHaveLength(3)
  })

  it('is built once, however often its parts are run', async () => {
    await land(lake, DAY_1, [A, B])
    const found = await planned(lake.deps, DAY_1)
    const tables = found.groups.flat()
    const first = await buildTables(lake.deps, found, tables)
    const progress: string[] = []
    expect(
      await buildTables(lake.deps, found, tables, { onProgress: (text) => progress.push(text) }),
    ).toEqual(first)
    expect(progress).toEqual([])
    const checks = await stage(lake.deps, found)
    const results = await Promise.all([
      publishBatch(lake.deps, { plan: found, checks, run: RUN }),
      publishBatch(lake.deps, { plan: found, checks, run: RUN }),
    ])
    expect(results.filter((result) => !result.alreadyCommitted)).toHaveLength(1)
    expect({ ...results[0], alreadyCommitted: true }).toEqual({ ...results[1], alreadyCommitted: true })
    expect(await auditRows(lake)).toHaveLength(1)
    expect(await lake.rows('lab_features.results')).toHaveLength(2)
  })

  it('gives the same rows on 1, 2 and 8 threads', async () => {
    const runs = Array.from({ length: 60 }, (_, i) => ({
      id: `run ${i}`,
      grp: `g${i % 3}`,
      values: Array.from({ length: 50 }, (_, j) => Math.sin(i * 100 + j) * 10 ** (j % 17)).map(Math.abs),
    }))
    const outputs = []
    for (const threads of [1, 2, 8]) {
      const other = testLake([labPipeline])
      const { engine } = other.deps
      const deps = {
        ...other.deps,
        engine: { openSession: (options = {}) => engine.openSession({ ...options, threads }) },
      }
      await land({ ...other, deps }, DAY_1, runs)
      await build(deps, DAY_1)
      outputs.push(await contents(other))
      other.close()
    }
    expect(outputs[1]).toEqual(outputs[0])
    expect(outputs[2]).toEqual(outputs[0])
  })
})

describe('a batch that fails a blocking check', () => {
  beforeEach(async () => {
    await land(lake, DAY_1, [A])
    await build(lake.deps, DAY_1)
    await land(lake, DAY_2, [B, BROKEN])
  })

  it('leaves main as it was, and its files on a branch', async () => {
    const before = await contents(lake)
    const result = await build(lake.deps, DAY_2)
    expect(result).toMatchObject({
      status: 'failed',
      batch: DAY_2,
      tag: `failed_${DAY_2}`,
      inputFrom: 1,
      inputTo: 3,
    })
    expect(await contents(lake)).toEqual(before)
    const audit = await auditRows(lake)
    expect(audit.map((row) => [row['status'], row['reason']])).toEqual([
      ['published', null],
      ['failed', 'blocking checks failed: values_not_negative (1 rows)'],
    ])
    const { refs, snapshots } = await metadataOf('points')
    const branch = refs[`failed_${DAY_2}`]
    expect(branch?.type).toBe('branch')
    expect(Object.keys(refs)).not.toContain(`v_incr_${DAY_2}`)
    const failed = snapshots.find((snapshot) => snapshot['snapshot-id'] === branch?.['snapshot-id'])
    expect(failed?.summary?.['added-records']).toBe('5')
    const [check] = (await lake.rows('audit.check_results')).filter(
      (row) => row['passed'] === false && row['severity'] === 'blocking',
    )
    expect(check).toMatchObject({ check_name: 'values_not_negative', failing_rows: 1n })
    expect(JSON.parse(check?.['sample'] as string)).toMatchObject([{ step: 2, value: -1 }])
  })

  it('is part of the next batch', async () => {
    await build(lake.deps, DAY_2)
    expect(await build(lake.deps, DAY_2)).toMatchObject({ status: 'failed', batch: `${DAY_2}-2` })
    expect(await plan(lake.deps, DAY_3)).toMatchObject({ kind: 'build', inputFrom: 1, inputTo: 3 })
  })

  it('is left out when skipped by command, which is recorded once', async () => {
    await build(lake.deps, DAY_2)
    expect(await plan(lake.deps, DAY_3, DAY_2)).toMatchObject({ kind: 'nothing-new', inputTo: 3 })
    await land(lake, DAY_3, [C])
    expect(await build(lake.deps, DAY_3, DAY_2)).toMatchObject({
      status: 'published',
      inputFrom: 3,
      inputTo: 4,
    })
    expect((await auditRows(lake)).map((row) => row['status'])).toEqual([
      'published',
      'failed',
      'skipped',
      'published',
    ])
    await expect(plan(lake.deps, DAY_3, DAY_1)).rejects.toMatchObject({ kind: 'not-found' })
  })

  it('can not be skipped once a later batch has built it', async () => {
    await build(lake.deps, DAY_2)
    const lenient = { ...labPipeline, checks: {} }
    const deps = { ...lake.deps, pipelines: new Map([['lab', lenient]]) }
    expect(await build(deps, DAY_3)).toMatchObject({ status: 'published', inputFrom: 1, inputTo: 3 })
    await expect(plan(lake.deps, DAY_3, DAY_2)).rejects.toMatchObject({ kind: 'invalid-input' })
  })
})

describe('a batch meets other writers', () => {
  it('two batches planned on one state: the second is planned again and doubles nothing', async () => {
    await land(lake, DAY_1, [A])
    const early = await planned(lake.deps, DAY_1)
    await land(lake, DAY_2, [B])
    const late = await planned(lake.deps, DAY_2)
    const checks = { early: await stage(lake.deps, early), late: await stage(lake.deps, late) }
    await publishBatch(lake.deps, { plan: late, checks: checks.late, run: RUN })
    await expect(
      publishBatch(lake.deps, { plan: early, checks: checks.early, run: RUN }),
    ).rejects.toMatchObject({ kind: 'stale-range' })
    expect(await build(lake.deps, DAY_1)).toBeUndefined()
    expect(await lake.rows('lab_features.results')).toHaveLength(2)
    expect(await auditRows(lake)).toHaveLength(1)
  })

  it.each(['was done', 'was not done'])(
    'an answer to the commit is lost that %s: one batch',
    async (outcome) => {
      await land(lake, DAY_1, [A])
      let lost = false
      const catalog = Object.create(lake.deps.catalog, {
        commit: {
          value: async (commits: Parameters<Catalog['commit']>[0]) => {
            if (lost) return await lake.deps.catalog.commit(commits)
            lost = true
            if (outcome === 'was done') await lake.deps.catalog.commit(commits)
            throw new IcebergError('commit-unknown', 'the answer was lost')
          },
        },
      }) as Catalog
      const found = await planned(lake.deps, DAY_1)
      const checks = await stage(lake.deps, found)
      const input = { plan: found, checks, run: RUN }
      const result = await publishBatch({ ...lake.deps, catalog }, input)
      expect(result).toMatchObject({ status: 'published', alreadyCommitted: false })
      expect(await publishBatch(lake.deps, input)).toEqual({ ...result, alreadyCommitted: true })
      expect(await auditRows(lake)).toHaveLength(1)
      expect(await lake.rows('lab_features.results')).toHaveLength(1)
    },
  )

  it('what was staged and never published takes in what has landed since, and a new definition', async () => {
    await land(lake, DAY_1, [A])
    const early = await planned(lake.deps, DAY_1)
    await stage(lake.deps, early)
    await land(lake, DAY_1, [B])
    expect(await planned(lake.deps, DAY_1)).toMatchObject({ batch: DAY_1, inputFrom: 0, inputTo: 2 })
    const sqlTexts = {
      ...labPipeline.sqlTexts,
      'notes.sql': 'SELECT grp AS note, min(id) AS first_run FROM runs GROUP BY grp',
    }
    const deps = { ...lake.deps, pipelines: new Map([['lab', { ...labPipeline, sqlTexts }]]) }
    await expect(buildTables(deps, early, early.groups.flat())).rejects.toMatchObject({
      kind: 'stage-expired',
    })
    expect(await build(deps, DAY_1)).toMatchObject({ status: 'published', batch: DAY_1, inputTo: 2 })
    expect((await contents(lake))['notes']).toEqual([
      { note: 'x', first_run: 'a' },
      { note: 'y', first_run: 'b' },
    ])
  })

  it('a stage that is past its lease is built again', async () => {
    await land(lake, DAY_1, [A])
    const found = await planned(lake.deps, DAY_1)
    const checks = await stage(lake.deps, found)
    const later = { ...lake.deps, now: () => lake.deps.now() + 8 * 86_400_000 }
    await expect(publishBatch(later, { plan: found, checks, run: RUN })).rejects.toMatchObject({
      kind: 'stage-expired',
    })
    expect(await build(later, DAY_1)).toMatchObject({ status: 'published', batch: DAY_1 })
  })

  it('a stage whose files are gone is built again', async () => {
    await land(lake, DAY_1, [A])
    const found = await planned(lake.deps, DAY_1)
    const checks = await stage(lake.deps, found)
    const { location } = await metadataOf('points')
    for await (const file of lake.deps.catalog.io.list(`${location}/data`))
      await lake.deps.catalog.io.delete(file.location)
    await expect(publishBatch(lake.deps, { plan: found, checks, run: RUN })).rejects.toMatchObject({
      kind: 'stage-expired',
    })
    expect(await build(lake.deps, DAY_1)).toMatchObject({ status: 'published', batch: DAY_1 })
  })

  it('a rollback of all tables makes later batches due again', async () => {
    await land(lake, DAY_1, [A])
    await build(lake.deps, DAY_1)
    const names = (await lake.catalog.listTables('lab_features')).map(formatIdentifier)
    const heads = await Promise.all(
      names.map(async (name) => headOf((await lake.catalog.loadTable(parseIdentifier(name))).metadata)),
    )
    const first = await contents(lake)
    await land(lake, DAY_2, [B])
    await build(lake.deps, DAY_2)
    const second = await contents(lake)
    await changeRefs({
      ...lake.deps,
      tables: names.flatMap((name, i) => {
        const snapshotId = heads[i]?.['snapshot-id']
        if (snapshotId === undefined) return []
        return [
          {
            identifier: parseIdentifier(name),
            changes: [{ kind: 'replace-branch' as const, name: 'main', snapshotId }],
          },
        ]
      }),
    })
    expect(await contents(lake)).toEqual(first)
    expect(await build(lake.deps, DAY_1)).toMatchObject({ alreadyCommitted: false, batch: `${DAY_1}-2` })
    const again = await contents(lake)
    expect(again['groups']).toEqual(second['groups'])
    expect(again['results']).toHaveLength(2)
  })

  it('goes on top of rows that others added, unless their keys are the same', async () => {
    await land(lake, DAY_1, [A, B])
    const found = await planned(lake.deps, DAY_1)
    const input = { plan: found, checks: await stage(lake.deps, found), run: RUN }
    const [staged] = await stagedIds(found)
    await commitRows('runs_ids', 'append', [{ record_id: 'another', processing_batch_id: 'other' }])
    await commitRows('summaries', 'append', [{ run_id: 'another', total: 1, size: 1 }])
    await commitRows('runs_ids', 'append', [{ record_id: staged ?? '', processing_batch_id: 'other' }])
    await expect(publishBatch(lake.deps, input)).rejects.toMatchObject({
      kind: 'rebuild-needed',
      context: { tables: ['lab_features.runs_ids'] },
    })
    // Everything was computed from the ids; built again, the record that somebody else has by now is a duplicate.
    const result = await build(lake.deps, DAY_1)
    expect(result).toMatchObject({ status: 'published', duplicates: 1 })
    expect(result?.tables.map(({ rows }) => rows)).toMatchObject([1, expect.any(Number), 1, 1, 1, 1, 0])
    expect(await lake.rows('lab_features.summaries')).toHaveLength(2)
  })

  it('rebuilds what a change of its own partitions made outdated', async () => {
    await land(lake, DAY_1, [A])
    await build(lake.deps, DAY_1)
    await land(lake, DAY_2, [C])
    const found = await planned(lake.deps, DAY_2)
    const checks = await stage(lake.deps, found)
    // Somebody replaces the very partition that the batch replaces, with equal rows.
    await commitRows('groups', 'overwrite-partitions', [{ grp: 'x', runs: 1n, total: 3 }])
    await expect(publishBatch(lake.deps, { plan: found, checks, run: RUN })).rejects.toMatchObject({
      kind: 'rebuild-needed',
    })
    expect(await build(lake.deps, DAY_2)).toMatchObject({ status: 'published' })
    expect((await contents(lake))['groups']).toEqual([{ grp: 'x', runs: 2n, total: 8 }])
  })
})

async function stagedIds(found: PlannedBuild): Promise<readonly string[]> {
  const stage = await readStage(lake.deps, found, 'runs_ids')
  const session = await lake.deps.engine.openSession()
  try {
    const schema = currentSchema(await metadataOf('runs_ids'))
    await session.addRelation({ kind: 'scan', name: 'ids', schema, tasks: tasksOf(stage?.files ?? []) })
    const { rows } = await session.query('SELECT record_id FROM ids ORDER BY record_id')
    return rows.map((row) => row['record_id'] as string)
  } finally {
    await session.close()
  }
}

/** Another writer's rows, by a commit of its own. */
async function commitRows(name: string, kind: 'append' | 'overwrite-partitions', rows: readonly Row[]) {
  const table = await lake.catalog.loadTable(parseIdentifier(`lab_features.${name}`))
  const { metadata } = table
  const spec = defaultSpec(metadata)
  const file = await writeRows({
    io: lake.deps.catalog.io,
    schema: currentSchema(metadata),
    spec,
    partition: spec.fields.map((field) => rows[0]?.[field.name] as string),
    dataLocation: `${metadata.location}/data`,
    rows,
    newUuid: lake.deps.newUuid,
  })
  const basis = headOf(metadata)?.['snapshot-id'] ?? null
  const change = kind === 'append' ? { kind, files: [file] } : { kind, files: [file], basis }
  await commitTransaction({
    ...lake.deps,
    changes: [{ identifier: table.identifier, snapshotId: lake.deps.newSnapshotId(), change }],
  })
}
