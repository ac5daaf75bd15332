import { expect, test } from 'vitest'
import pipeline from '../../../pipelines/quantum/pipeline.js'

test('the quantum pipeline is a valid definition with eleven tables from SQL and one for predictions', () => {
  const fromSql = Object.values(pipeline.tables).filter((table) => table.sql !== undefined)
  expect(fromSql).toHaveLength(11)
  expect(fromSql.every((table) => table.newBy === 'experiment_id' && table.write === 'insert-new')).toBe(true)
  expect(pipeline.tables.predictions).toMatchObject({
    write: 'overwrite-partitions',
    partition: ['score_date', 'model'],
  })
})
