import { cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, it } from 'vitest'
import { definitionFingerprint } from '../../lake/define/fingerprint.js'
import { loadPipeline } from '../../lake/define/load-pipeline.js'
import { engineRuns } from '../../lake/spark/engine-of.js'
import { columnKinds, sparkSqlOf } from '../../lake/spark/spark-sql.js'
import type { LakeSettings } from '../../schemas/lake-deps.js'

const root = mkdtempSync(join(tmpdir(), 'firn-spark-define-'))
afterAll(() => rmSync(root, { recursive: true, force: true }))
cpSync(join(import.meta.dirname, '..', 'peers', 'spark-lab'), root, { recursive: true })

it("a table's own SQL for Spark is read from beside the other and is part of its fingerprint alone", async () => {
  const before = await loadPipeline(root)
  writeFileSync(join(root, 'sql', 'notes.spark.sql'), "SELECT 'x' AS note, 'y' AS first_run;\n")
  const after = await loadPipeline(root)
  expect(sparkSqlOf(before, 'notes').dialect).toBe('duckdb')
  expect(sparkSqlOf(after, 'notes')).toEqual({
    sql: "SELECT 'x' AS note, 'y' AS first_run",
    dialect: 'spark',
  })
  const [was, is] = [definitionFingerprint(before).tables, definitionFingerprint(after).tables]
  expect(Object.keys(is).filter((table) => is[table] !== was[table])).toEqual(['notes'])
})

it('the setting wins over a table, a table over its pipeline; runs of one engine stay together', async () => {
  const lab = await loadPipeline(root)
  const order = ['base', 'kinds', 'points', 'seen', 'notes']
  const settings = {} as LakeSettings
  expect(engineRuns({ settings }, lab, order)).toEqual([
    { engine: 'duckdb', tables: ['base'] },
    { engine: 'spark', tables: ['kinds', 'points'] },
    { engine: 'duckdb', tables: ['seen'] },
    { engine: 'spark', tables: ['notes'] },
  ])
  expect(engineRuns({ settings: { ...settings, engine: 'duckdb' } }, lab, order)).toEqual([
    { engine: 'duckdb', tables: order },
  ])
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
