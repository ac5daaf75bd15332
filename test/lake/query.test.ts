import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { METADATA_TABLES } from '../../iceberg/inspect/metadata-table.js'
import { diffTable } from '../../lake/query/diff-table.js'
import { listTables } from '../../lake/query/list-tables.js'
import { showTable } from '../../lake/query/show-table.js'
import { runSql } from '../../lake/query/sql.js'
import { tableHistory } from '../../lake/query/table-history.js'
import { createTag, dropTag } from '../../lake/tables/tags.js'
import { build, labPipeline, land } from './support/batches.js'
import type { TestLake } from './support/lake.js'
import { testLake } from './support/lake.js'

const DAY_1 = '20260701T020000Z'
const DAY_2 = '20260702T020000Z'

let lake: TestLake
beforeAll(async () => {
  lake = testLake([labPipeline])
  await land(lake, DAY_1, [{ id: 'a', grp: 'x', values: [1, 2] }])
  await build(lake.deps, DAY_1)
  await land(lake, DAY_2, [{ id: 'b', grp: 'x', values: [3] }])
  await build(lake.deps, DAY_2)
})
afterAll(() => lake.close())

const sql = async (text: string, at?: string) =>
  (await runSql(lake.deps, { sql: text, ...(at === undefined ? {} : { at }) })).rows

describe('SQL over the lake', () => {
  it('reads no more manifests than a plain LIMIT needs', async () => {
    const { io } = lake.catalog
    const read = io.read.bind(io)
    const manifestsOf = async (text: string) => {
      const seen: string[] = []
      io.read = (location, range) => {
        if (/-m\d+\.avro$/.test(location)) seen.push(location)
        return read(location, range)
      }
      try {
        return [(await sql(text)).length, seen.length]
      } finally {
        io.read = read
      }
    }
    expect(await manifestsOf('SELECT * FROM lab_features.points')).toEqual([3, 2])
    expect(await manifestsOf('SELECT * FROM lab_features.points LIMIT 1')).toEqual([1, 1])
    expect(await manifestsOf('SELECT * FROM lab_features.points LIMIT 3')).toEqual([3, 2])
    expect(await manifestsOf('SELECT * FROM lab_features.points ORDER BY value LIMIT 1')).toEqual([1, 2])
  })

  it('reads tables together, now or as they were at a batch', async () => {
    const text = `WITH r AS (SELECT * FROM lab_features.results)
      SELECT count(*) AS runs, sum(p.value) AS total FROM r JOIN lab_features.points p USING (run_id)`
    expect(await sql(text)).toEqual([{ runs: 3n, total: 6 }])
    expect(await sql(text, `v_${DAY_1}`)).toEqual([{ runs: 2n, total: 3 }])
    const [history] = (await tableHistory(lake.deps, 'lab_features.groups')).slice(-1)
    expect(await sql('SELECT total FROM lab_features.groups', history?.snapshotId)).toEqual([{ total: 3 }])
    expect(await sql('SELECT * FROM lab_features.predictions', `v_${DAY_1}`)).toEqual([])
    expect(await sql('SELECT 1 AS one FROM range(1)')).toEqual([{ one: 1 }])
  })

  it('reads what tables say of themselves, ids exact, at a tag too', async () => {
    const history = await tableHistory(lake.deps, 'lab_features.results')
    const snapshots = await sql(
      'SELECT snapshot_id, operation FROM lab_features.results$snapshots ORDER BY committed_at DESC',
    )
    expect(snapshots.map((row) => (row['snapshot_id'] as bigint).toString())).toEqual(
      history.map((entry) => entry.snapshotId),
    )
    const files =
      'SELECT count(*) AS files, sum(record_count)::BIGINT AS rows FROM "lab_features"."results$files"'
    const [now] = await sql(files)
    const [then] = await sql(files, `v_${DAY_1}`)
    expect(now!['files']).toBeGreaterThan(then!['files'] as bigint)
    for (const name of METADATA_TABLES) await sql(`SELECT * FROM lab_features.results$${name}`)
    const joined =
      await sql(`SELECT r.name FROM lab_features.results$refs r JOIN lab_features.results$snapshots s USING (snapshot_id)
      WHERE s.summary['operation'] IS NULL AND r.type = 'BRANCH'`)
    expect(joined).toContainEqual({ name: 'main' })
    await expect(sql('SELECT * FROM lab_features.results$nope')).rejects.toMatchObject({
      kind: 'not-found',
      message: expect.stringContaining(
        "lab_features.results: there is no metadata table 'nope'; there are snapshots",
      ),
    })
    await expect(sql('SELECT * FROM lab_features.result$files')).rejects.toMatchObject({ kind: 'not-found' })
  })

  it('tells what two states of a table differ in', async () => {
    const between = (from: string, to: string) =>
      diffTable(lake.deps, { name: 'lab_features.results', from, to })
    const diff = await between(`v_${DAY_1}`, 'main')
    expect(diff.addedRows - diff.removedRows).toBe(1)
    const back = await between(String(diff.to), `v_${DAY_1}`)
    expect([back.addedRows, back.removedRows]).toEqual([diff.removedRows, diff.addedRows])
    await expect(between('nope', 'main')).rejects.toMatchObject({
      kind: 'not-found',
      message: expect.stringContaining("table lab_features.results: no tag or branch 'nope'"),
    })
  })

  it('names what is near where a table or tag is unknown', async () => {
    await expect(sql('SELECT * FROM lab_features.result')).rejects.toMatchObject({
      kind: 'not-found',
      message: expect.stringContaining('did you mean lab_features.results'),
    })
    await expect(sql('SELECT * FROM results')).rejects.toMatchObject({ kind: 'not-found' })
    await expect(sql('SELECT * FROM nowhere.x', 'v_1')).rejects.toMatchObject({ kind: 'not-found' })
    await expect(sql('SELECT * FROM lab_features.results', `v_${DAY_2}`)).rejects.toMatchObject({
      kind: 'not-found',
      message: expect.stringContaining(`v_incr_${DAY_2}`),
    })
    await expect(sql('SELECT * FROM lab_features.results', '42')).rejects.toMatchObject({ kind: 'not-found' })
  })

  it.each([
    "COPY (SELECT 1) TO 'out.csv'",
    "ATTACH 'other.db'",
    'PRAGMA database_list',
    'DELETE FROM lab_features.results',
    'SET enable_external_access = true',
    "SELECT * FROM read_csv('/etc/passwd')",
    "SELECT * FROM READ_TEXT('/etc/passwd')",
    "SELECT (SELECT content FROM read_text('/etc/passwd'))",
    "SELECT * FROM query('SELECT 1')",
    "SELECT * FROM glob('/*')",
    'SELECT * FROM duckdb_settings()',
  ])('refuses %s', async (text) => {
    await expect(sql(text)).rejects.toMatchObject({ kind: 'invalid-input' })
  })

  it('sees no files', async () => {
    const file = join(lake.inbox, 'secret.csv')
    writeFileSync(file, 'a\n1\n')
    await expect(sql(`SELECT * FROM '${file}'`)).rejects.toMatchObject({ kind: 'not-found' })
    await expect(sql(`SELECT * FROM "${file}"`)).rejects.toMatchObject({ kind: 'not-found' })
    const hidden = `WITH "${file}" AS (SELECT *, 1 AS RECURSIVE_CTE_NODE FROM "${file}") FROM "${file}"`
    await expect(sql(hidden)).rejects.toMatchObject({ kind: 'not-found' })
    const split = `WITH "${file}" AS (SELECT 1) FROM "${file.replace(/\.csv$/, '')}".csv`
    await expect(sql(split)).rejects.toMatchObject({ kind: 'not-found' })
    await expect(sql('SELECT 1; SELECT 2')).rejects.toMatchObject({ kind: 'sql-invalid' })
    await expect(sql('SELEC 1')).rejects.toMatchObject({ kind: 'sql-invalid' })
  })

  it('takes no name for a tag that JavaScript gives every object', async () => {
    const request = { sql: 'SELECT count(*) FROM lab_features.points', at: 'constructor' }
    await expect(runSql(lake.deps, request)).rejects.toMatchObject({ kind: 'not-found' })
  })

  it('bounds the number of rows', async () => {
    const request = { sql: 'SELECT * FROM range(11)', limit: 10 }
    await expect(runSql(lake.deps, request)).rejects.toMatchObject({ kind: 'too-many-rows' })
  })
})

describe('what is known of tables', () => {
  it('is listed from their metadata', async () => {
    const tables = await listTables(lake.deps)
    expect(tables.map(({ name, rows, snapshots }) => [name, rows, snapshots])).toEqual([
      ['audit.check_results', 24, 2],
      ['lab_features.groups', 1, 2],
      ['lab_features.notes', 0, 0],
      ['lab_features.points', 3, 2],
      ['lab_features.predictions', 0, 0],
      ['lab_features.processing_metadata', 2, 2],
      ['lab_features.results', 2, 2],
      ['lab_features.runs_ids', 2, 2],
      ['lab_features.summaries', 2, 2],
      ['raw.dead_letters', 0, 0],
      ['raw.runs', 2, 2],
    ])
    const points = tables.find(({ name }) => name === 'lab_features.points')
    expect(points).toMatchObject({ files: 2, branches: ['main'], tags: [`v_${DAY_1}`, `v_incr_${DAY_2}`] })
    expect(points?.bytes).toBeGreaterThan(0)
  })

  it('shows columns, partitions, refs and history', async () => {
    const shown = await showTable(lake.deps, 'lab_features.results')
    expect(shown.columns[0]).toEqual({ name: 'run_id', type: 'string', required: true, id: 1 })
    expect(shown.partition).toEqual(['processing_date', 'grp'])
    const history = await tableHistory(lake.deps, 'lab_features.results')
    expect(history.map(({ batch, addedRows, rows }) => [batch, addedRows, rows])).toEqual([
      [DAY_2, 1, 2],
      [DAY_1, 1, 1],
    ])
    expect(history[0]?.parentId).toBe(history[1]?.snapshotId)
    await expect(showTable(lake.deps, 'lab_features.pionts')).rejects.toMatchObject({
      message: expect.stringContaining('lab_features.points'),
    })
  })
})

describe('a tag by hand', () => {
  it('is on every table with rows, or dropped from all', async () => {
    const tagged = await createTag(lake.deps, { pipeline: 'lab', name: 'paper' })
    expect(tagged.map(({ table }) => table).sort()).toEqual([
      'lab_features.groups',
      'lab_features.points',
      'lab_features.processing_metadata',
      'lab_features.results',
      'lab_features.runs_ids',
      'lab_features.summaries',
    ])
    expect(await createTag(lake.deps, { pipeline: 'lab', name: 'paper' })).toEqual(tagged)
    expect(await sql('SELECT count(*) AS n FROM lab_features.results', 'paper')).toEqual([{ n: 2n }])
    expect(await dropTag(lake.deps, { pipeline: 'lab', name: 'paper' })).toHaveLength(6)
    await expect(dropTag(lake.deps, { pipeline: 'lab', name: 'paper' })).rejects.toMatchObject({
      kind: 'not-found',
    })
  })

  it.each(['v_20260701T020000Z', 'main', 'model-a-1', '../x', "a'b", ''])(
    'is not called %j',
    async (name) => {
      await expect(createTag(lake.deps, { pipeline: 'lab', name })).rejects.toMatchObject({
        kind: 'invalid-input',
      })
    },
  )
})
