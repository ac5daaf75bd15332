import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { createDuckDBEngine } from '../../../engine/duckdb/duckdb-engine.js'
import { checkPipeline } from '../../../lake/define/check-pipeline.js'
import { loadPipeline } from '../../../lake/define/load-pipeline.js'

test('the quantum pipeline loads and passes firn check: eleven tables from SQL and one for predictions', async () => {
  const pipeline = await loadPipeline(join(import.meta.dirname, '../../../pipelines/quantum'))
  const engine = createDuckDBEngine({ tempDirectory: await mkdtemp(join(tmpdir(), 'firn-quantum-')) })
  expect(await checkPipeline(pipeline, engine)).toEqual([])
  const fromSql = Object.values(pipeline.tables).filter((table) => table.sql !== undefined)
  expect(fromSql).toHaveLength(11)
  expect(fromSql.every((table) => table.newBy === 'experiment_id' && table.write === 'insert-new')).toBe(true)
  expect(pipeline.tables.predictions).toMatchObject({
    write: 'overwrite-partitions',
    partition: ['score_date', 'model'],
  })
})
