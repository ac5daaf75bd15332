import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { loadPipeline } from '../../lake/define/load-pipeline.js'
import { runSql } from '../../lake/query/sql.js'
import { checkOnSpark } from '../../lake/spark/check-on-spark.js'
import { readSample } from '../../pipelines/quantum/sample/unpack-sample.js'
import type { LakeDeps } from '../../schemas/lake-deps.js'
import { readConfig, type FirnConfig } from '../../workers/config.js'
import { createLakeDeps, type Lake } from '../../workers/create-deps.js'
import { runFirn } from '../support/run-firn.js'
import { PeerProcess, peers, why } from './peer-process.js'
import { canonical, firnRows } from './same-rows.js'
import { build, differences, landAndPlan, publish, rebuild, sparkEnv } from './spark-lake.js'

/** Goal: a pipeline moves to Spark by one setting, and its tables, tags and audit rows are those that DuckDB makes. */
const root = mkdtempSync(join(tmpdir(), 'firn spark-'))
const LAB = join(import.meta.dirname, 'spark-lab')
const [FIRST, SECOND] = ['20260701T020000Z', '20260702T020000Z'] as const
let duckdb: Lake
let spark: Lake
let sparkConfig: FirnConfig

beforeAll(async () => {
  if (peers.sparkJars === null) return
  const open = (engine: string): FirnConfig =>
    readConfig({
      ...sparkEnv(),
      FIRN_HOME: join(root, engine),
      FIRN_PIPELINES: LAB,
      ...(engine === 'duckdb' ? { FIRN_ENGINE: 'duckdb' } : {}),
    })
  sparkConfig = { ...open('spark') }
  duckdb = await createLakeDeps(open('duckdb'))
  spark = await createLakeDeps(sparkConfig)
})
afterAll(() => {
  if (peers.sparkJars !== null) {
    duckdb.close()
    spark.close()
  }
  rmSync(root, { recursive: true, force: true })
})

describe.skipIf(peers.sparkJars === null)(`the Spark engine${why('spark')}`, () => {
  it('builds the quantum tables as DuckDB does, over a kill and two batches', async () => {
    const inbox = join(root, 'inbox')
    const onSpark = { ...spark.deps, settings: { ...spark.deps.settings, engine: 'spark' as const } }
    putRuns(inbox, 0, 4)
    const night = { pipeline: 'quantum', batch: FIRST, from: inbox }
    const plan = await landAndPlan(onSpark, night)
    expect(plan.engine).toBe('spark')

    // Killed once some tables are staged: what is staged stays, and so do the branches, and main has nothing.
    const stop = new AbortController()
    const said: string[] = []
    const stopped = build(onSpark, plan, {
      signal: stop.signal,
      onProgress: (message) => {
        said.push(message)
        if (/^performance_metrics: \d+ rows$/.test(message)) stop.abort()
      },
    })
    await expect(stopped).rejects.toMatchObject({ kind: 'cancelled' })
    expect(said).not.toContainEqual(expect.stringMatching(/^ml_run_summary: \d+ rows/))
    expect(readdirSync(join(root, 'spark', 'tmp')).filter((name) => name.startsWith('spark-'))).toEqual([])
    expect(await refsOf('quantum_features.molecules')).toEqual([`stage_${FIRST}`])

    const again: string[] = []
    await build(onSpark, plan, { onProgress: (message) => again.push(message) })
    expect(again).not.toContainEqual(expect.stringMatching(/^(molecules|performance_metrics): running/))
    expect(again).toContainEqual(expect.stringMatching(/^ml_run_summary: 4 rows/))
    expect(await refsOf('quantum_features.ml_run_summary')).toEqual([`stage_${FIRST}`])
    const first = await publish(onSpark, plan)
    expect(await refsOf('quantum_features.ml_run_summary')).toEqual(['main', `v_${FIRST}`])

    const here = await landAndPlan(duckdb.deps, night)
    await build(duckdb.deps, here)
    expect(shape(await publish(duckdb.deps, here))).toEqual(shape(first))

    // The second batch as a person runs it, by one setting: with a run that was built before, and one given twice.
    putRuns(inbox, 4, 7)
    const [again0, twice] = [readSample()[0]!, readSample()[5]!]
    writeFileSync(join(inbox, 'again.json'), again0.document)
    writeFileSync(join(inbox, 'twice.json'), twice.document)
    writeFileSync(join(inbox, 'bare.json'), bareRun(readSample()[8]!.document))
    const command = ['run', 'nightly', 'quantum', '--from', inbox, '--batch', SECOND, '--json']
    const [a, b] = [
      await runFirn(command, { home: join(root, 'duckdb') }),
      await runFirn(command, { home: join(root, 'spark'), env: { ...sparkEnv(), FIRN_ENGINE: 'spark' } }),
    ]
    for (const { code, stderr } of [a, b])
      expect({ code, stderr: code === 0 ? '' : stderr }).toMatchObject({ code: 0 })
    await expectEqual('quantum')
    expect(await audits('quantum_features', spark)).toEqual(await audits('quantum_features', duckdb))
    expect(await audits('quantum_features', spark)).toMatchObject([{ duplicates: 0n }, { duplicates: 2n }])

    // What Spark wrote is for everybody.
    const reader = new PeerProcess(sparkConfig)
    try {
      for (const table of ['molecules', 'vqe_iterations']) {
        const name = `quantum_features.${table}`
        expect(canonical(await reader.rows('pyiceberg', name))).toEqual(await firnRows(spark.deps, name))
      }
    } finally {
      await reader.close()
    }
  })

  it('goes on where DuckDB was, with tables of both that read each other, and builds a batch of before again', async () => {
    const inbox = join(root, 'lab')
    mkdirSync(inbox)
    const nights = [
      [run('a', 'red', '3.0', '2.5'), run('b', 'red', '-7', '-0.5', 9), run('c', 'blue', '1e2', '3.5', 0)],
      [run('d', 'red', '0', '1e5', 2), run('e', 'green', '5', '-2.5', 5), run('a', 'red', '3.0', '2.5')],
    ]
    for (const [at, documents] of nights.entries()) {
      for (const [nth, document] of documents.entries())
        writeFileSync(join(inbox, `${at}-${nth}.json`), document)
      const night = { pipeline: 'spark_lab', batch: [FIRST, SECOND][at]!, from: inbox }
      const published = []
      for (const { deps } of [duckdb, at === 0 ? onDuckdb(spark) : spark]) {
        const plan = await landAndPlan(deps, night)
        const said: string[] = []
        await build(deps, plan, { onProgress: (message) => said.push(message) })
        // Its tables of Spark are all built by one session.
        expect(said.filter((message) => message.startsWith('starting'))).toHaveLength(plan.engine ? 1 : 0)
        published.push(shape(await publish(deps, plan)))
      }
      expect(published[1]).toEqual(published[0])
    }
    await expectEqual('spark_lab')

    // The table's own SQL for Spark is what counts there; no other engine reads backticks.
    const sql =
      'SELECT upper(r.note) AS note, min(r._record_id) AS first_run, max(w.batch_id) AS processing_batch_id'
    const rest = 'FROM runs r CROSS JOIN batch w WHERE r.note IS NOT NULL GROUP BY upper(r.note)'
    const changed = withTexts({
      'sql/notes.sql': `${sql} ${rest}`,
      'sql/notes.spark.sql': `${sql.replace('r.note', 'r.`note`')} ${rest}`,
    })
    const first = { pipeline: 'spark_lab', batch: FIRST }
    const again = [await rebuild(changed(duckdb), first), await rebuild(changed(spark), first)]
    expect(again.map(shape)[1]).toEqual(again.map(shape)[0])
    expect(again[1]).toMatchObject({ status: 'published', batch: `${FIRST}-2` })
    await expectEqual('spark_lab')
    const notes = 'SELECT note, processing_batch_id AS batch FROM spark_lab.notes'
    expect((await runSql(spark.deps, { sql: notes })).rows).toEqual([{ note: 'LONG', batch: FIRST }])
    expect(await refsOf('spark_lab.kinds')).not.toContainEqual(expect.stringMatching(/^stage_/))
    expect(await audits('spark_lab', spark)).toEqual(await audits('spark_lab', duckdb))
  })

  it('firn check says which tables Spark cannot build, and what to write', async () => {
    const lab = await loadPipeline(LAB)
    const sqlTexts = {
      ...lab.sqlTexts,
      'sql/notes.sql': 'SELECT note, list(id ORDER BY id)[1] AS first_run FROM runs GROUP BY note',
      'sql/base.sql': 'SELECT _record_id AS run_id, id, grp, n, jaro_similarity(id, grp) AS x FROM runs',
      // Its own text for Spark stands in for what can't be translated.
      'sql/seen.sql': 'SELECT g.grp, b.x AS first_total FROM groups g ASOF JOIN base b ON g.total >= b.x',
      'sql/seen.spark.sql': "SELECT grp, total AS first_total, 'b' AS processing_batch_id FROM groups",
      'sql/groups.sql': 'SELECT grp, count(*) AS runs, 1.5 AS total FROM base GROUP BY grp',
    }
    const problems = await checkOnSpark(spark.deps, { ...lab, sqlTexts })
    expect(problems.map(({ where }) => where).sort()).toEqual([
      'tables.base',
      'tables.groups',
      'tables.notes',
    ])
    expect(problems).toContainEqual({
      where: 'tables.notes',
      message: expect.stringMatching(
        /ORDER BY.*write the table's SQL for Spark in sql\/notes\.spark\.sql$/,
      ) as string,
    })
    expect(problems).toContainEqual({
      where: 'tables.base',
      message: expect.stringMatching(/jaro_similarity/i) as string,
    })
    expect(problems).toContainEqual({
      where: 'tables.groups',
      message: expect.stringContaining('the SELECT lacks mean') as string,
    })
  })
})

async function expectEqual(pipeline: string): Promise<void> {
  const { namespace, tables } = spark.deps.pipelines.get(pipeline)!
  const apart: string[] = []
  for (const [name, { sql, key }] of Object.entries(tables)) {
    if (sql !== undefined)
      apart.push(...(await differences(duckdb.deps, spark.deps, `${namespace}.${name}`, key)))
  }
  expect(apart).toEqual([])
}

/** A lake whose tables are built here, whatever its pipeline says. */
function onDuckdb({ deps }: Lake): Lake {
  return { deps: { ...deps, settings: { ...deps.settings, engine: 'duckdb' } } } as Lake
}

/** A lake with other texts of the lab's SQL. */
function withTexts(texts: Readonly<Record<string, string>>): (lake: Lake) => LakeDeps {
  return ({ deps }) => {
    const lab = deps.pipelines.get('spark_lab')!
    const changed = { ...lab, sqlTexts: { ...lab.sqlTexts, ...texts } }
    return { ...deps, pipelines: new Map([[lab.name, changed]]) }
  }
}

async function refsOf(name: string): Promise<readonly string[]> {
  const [namespace = '', table = ''] = name.split('.')
  const { metadata } = await spark.deps.catalog.loadTable({ namespace, name: table })
  return Object.keys(metadata.refs).sort()
}

/** What an audit row says of a batch whoever built it; rows of checks beside it. */
async function audits(namespace: string, { deps }: Lake): Promise<readonly unknown[]> {
  const sql = `SELECT * EXCLUDE (snapshot_ids, source_data_info, run_id, workflow_id, started_at, duration_ms) FROM ${namespace}.processing_metadata ORDER BY processing_batch_id`
  return (await runSql(deps, { sql })).rows
}

/** Of a publish: everything but ids of snapshots. */
function shape({ tables, ...others }: Awaited<ReturnType<typeof publish>>): unknown {
  return { ...others, tables: tables.map(({ table, rows, version }) => ({ table, rows, version })) }
}

function putRuns(folder: string, from: number, end: number): void {
  mkdirSync(folder, { recursive: true })
  for (const { name, document } of readSample().slice(from, end)) writeFileSync(join(folder, name), document)
}

/** A run without iterations, and without all that may be left out. */
function bareRun(document: string): string {
  const run = JSON.parse(document) as { vqe_result: Record<string, unknown> }
  const left = Object.entries(run.vqe_result).filter(
    ([name]) => !['nfev', 'nit', 'maxcv', 'success'].includes(name),
  )
  const result = Object.fromEntries(left)
  return JSON.stringify({ ...run, vqe_result: { ...result, iteration_list: [], optimal_parameters: [] } })
}

/** Numbers as a producer may write them. */
function run(id: string, grp: string, n: string, x: string, points = 3): string {
  const list = Array.from({ length: points }, (_, at) => at + 0.25)
  const words = ['w', 'v', 'ö'].slice(0, points)
  const note = points > 4 ? '"long"' : 'null'
  return `{"id": "${id}", "grp": "${grp}", "n": ${n}, "x": ${x}, "big": 9007199254740993, "amount": "12.50",
    "at": "2026-07-01T23:30:00.123456+02:00", "points": ${JSON.stringify(list)}, "words": ${JSON.stringify(words)}, "note": ${note}}`
}
