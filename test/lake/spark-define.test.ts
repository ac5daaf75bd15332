import { cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, it } from 'vitest'
import { changedTables } from '../../lake/define/compare-definitions.js'
import { definitionFingerprint, tableDefinitions } from '../../lake/define/fingerprint.js'
import { loadPipeline } from '../../lake/define/load-pipeline.js'
import { pipelineGraph } from '../../lake/features/pipeline-graph.js'
import { engineRuns } from '../../lake/spark/engine-of.js'
import { columnKinds, sparkSqlOf } from '../../lake/spark/spark-sql.js'
import type { LakeSettings } from '../../schemas/lake-deps.js'
import type { Pipeline } from '../../schemas/pipeline.js'

const root = mkdtempSync(join(tmpdir(), 'firn-spark-define-'))
afterAll(() => rmSync(root, { recursive: true, force: true }))
cpSync(join(import.meta.dirname, '..', 'peers', 'spark-lab'), root, { recursive: true })

it("a table's own SQL for Spark is read from beside the other and is part of its fingerprint alone", async () => {
  const before = await loadPipeline(root)
  writeFileSync(
    join(root, 'sql', 'notes.spark.sql'),
    "SELECT 'x' AS note, 'y' AS first_run, 'z' AS processing_batch_id;\n",
  )
  const after = await loadPipeline(root)
  expect(sparkSqlOf(before, 'notes').dialect).toBe('duckdb')
  expect(sparkSqlOf(after, 'notes')).toEqual({
    sql: "SELECT 'x' AS note, 'y' AS first_run, 'z' AS processing_batch_id",
    dialect: 'spark',
  })
  const [was, is] = [definitionFingerprint(before).tables, definitionFingerprint(after).tables]
  expect(Object.keys(is).filter((table) => is[table] !== was[table])).toEqual(['notes'])
})

const settings = {} as LakeSettings

it('where Spark builds a table, another text of its own SQL for Spark is a change; elsewhere it is none', async () => {
  const own = join(root, 'sql', 'notes.spark.sql')
  const as = async (text: string | undefined, engine: 'spark' | 'duckdb' = 'spark') => {
    if (text === undefined) rmSync(own, { force: true })
    else writeFileSync(own, text)
    return await tableDefinitions({ settings: { ...settings, engine } }, await loadPipeline(root))
  }
  const [translated, first] = [await as(undefined), await as("SELECT 'x  y' AS note, 1 AS first_run")]
  const changed = [{ table: 'notes', what: ['spark'] }]
  expect(changedTables(translated, first)).toEqual(changed)
  expect(changedTables(first, await as("SELECT 'x y' AS note, 1 AS first_run"))).toEqual(changed)
  expect(changedTables(first, translated)).toEqual(changed)
  const spaced = "-- why\nSELECT /* it's */ 'x  y'   AS note,\n  1 AS first_run\n"
  expect(changedTables(first, await as(spaced))).toEqual([])
  expect(changedTables(await as('SELECT 1', 'duckdb'), await as('SELECT 2', 'duckdb'))).toEqual([])
  // To move to another engine and back is none either.
  expect(changedTables(await as(spaced, 'duckdb'), first)).toEqual([])
  expect(changedTables(first, await as(undefined, 'duckdb'))).toEqual([])
})

it('the setting wins over a table, a table over its pipeline; a session takes all that it can', async () => {
  const lab = await loadPipeline(root)
  const { order, reads } = await pipelineGraph(lab)
  const runs = (engine: Partial<LakeSettings>, of: Pipeline) =>
    engineRuns({ settings: { ...settings, ...engine } }, of, order, (table) => reads(table).tables)
  const [first, second, third, ...more] = runs({}, lab)
  expect(first).toEqual({ engine: 'duckdb', tables: ['base'] })
  expect(second!.tables.toSorted()).toEqual(['groups', 'journal', 'kinds', 'notes', 'points', 'windows'])
  expect(third).toEqual({ engine: 'duckdb', tables: ['seen'] })
  expect(more).toEqual([])
  expect(runs({ engine: 'duckdb' }, lab)).toEqual([{ engine: 'duckdb', tables: order }])
  // What the source alone is read by may begin on either engine: the shorter way is taken.
  const { base, ...others } = lab.tables
  const onSpark = { ...lab, tables: { base: { ...base!, engine: 'spark' as const }, ...others } }
  const sparkFirst = runs({}, onSpark)
  expect(sparkFirst.map(({ engine }) => engine)).toEqual(['spark', 'duckdb'])
})

it('a name says what it is only where it is one thing in the whole pipeline', async () => {
  const lab = await loadPipeline(root)
  const kinds = columnKinds(lab)
  expect(kinds).toMatchObject({ points: 'list', n: 'integer', grp: 'text', _record_id: 'text' })
  // An amount is a decimal, and a run's `x` a double.
  expect(kinds).not.toHaveProperty('amount')
  const twice = { ...lab.tables['base']!, schema: { ...lab.tables['base']!.schema, points: 'string' } }
  expect(columnKinds({ ...lab, tables: { ...lab.tables, base: twice } })).not.toHaveProperty('points')
})
