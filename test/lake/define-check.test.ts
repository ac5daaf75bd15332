import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createDuckDBEngine } from '../../engine/duckdb/duckdb-engine.js'
import type { Engine } from '../../engine/engine.js'
import { checkPipeline } from '../../lake/define/check-pipeline.js'
import { loadPipeline } from '../../lake/define/load-pipeline.js'
import type { CheckDefinition, Pipeline, TableDefinition } from '../../schemas/pipeline.js'

const SALES_SQL = `
  SELECT e._record_id AS id, e.body.amount AS amount, e.count, e.tags, b.processing_date AS day
  FROM events e CROSS JOIN batch b;`

interface Changes {
  readonly sql?: string
  readonly table?: Partial<TableDefinition>
  readonly more?: Readonly<Record<string, string>>
  readonly checks?: Readonly<Record<string, CheckDefinition>>
}

function shop({ sql = SALES_SQL, table = {}, more = {}, checks = {} }: Changes): Pipeline {
  const sales: TableDefinition = {
    sql: 'sales.sql',
    schema: { id: 'string!', amount: 'double', count: 'int', tags: 'list<string>', day: 'date' },
    key: ['id'],
    partition: ['day'],
    write: 'insert-new',
    newBy: 'id',
    ...table,
  }
  const others = Object.keys(more).map((name) => [
    name,
    { sql: `${name}.sql`, schema: { x: 'double' }, key: ['x'], partition: [], write: 'append' } as const,
  ])
  return {
    name: 'shop',
    namespace: 'shop_features',
    directory: '/nowhere',
    sources: {
      events: {
        kind: 'json',
        topic: 'e',
        schema: { body: 'struct<amount: double>', count: 'int', 'tags?': 'list<string>' },
        identity: ['count'],
      },
    },
    tables: { sales, ...Object.fromEntries(others) },
    checks,
    sqlTexts: {
      'sales.sql': sql,
      ...Object.fromEntries(Object.entries(more).map(([name, text]) => [`${name}.sql`, text])),
    },
  }
}

describe('firn check', () => {
  let engine: Engine
  let folder: string
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'firn-check-'))
    engine = createDuckDBEngine({ tempDirectory: folder })
  })
  afterAll(() => rmSync(folder, { recursive: true, force: true }))

  it.each(['quantum', 'churn'])('finds nothing wrong with the %s pipeline', async (name) => {
    expect(await checkPipeline(await loadPipeline(`pipelines/${name}`), engine)).toEqual([])
  })

  it('finds nothing wrong with a small pipeline and its checks', async () => {
    const checks: Record<string, CheckDefinition> = {
      positive: { severity: 'blocking', sql: 'SELECT * FROM sales WHERE amount < 0' },
      unique: { severity: 'warning', sql: 'SELECT id FROM all_sales GROUP BY id HAVING count(*) > 1' },
    }
    const more = { totals: 'SELECT sum(amount ORDER BY id) + sum(count) AS x FROM sales' }
    expect(await checkPipeline(shop({ checks, more }), engine)).toEqual([])
  })

  it.each<readonly [string, Changes, string, RegExp]>([
    ['a key that is no column', { table: { key: ['nope'] } }, 'shop', /no column nope/],
    ['SQL that does not parse', { sql: 'SELEC 1' }, 'tables.sales', /SELEC/],
    ['two statements', { sql: 'SELECT 1; SELECT 2' }, 'tables.sales', /one SELECT/],
    ['a statement that is no SELECT', { sql: 'CREATE TABLE x (a INT)' }, 'tables.sales', /not a SELECT/],
    ['an unknown table', { sql: 'SELECT * FROM sails' }, 'tables.sales', /"sails", which is not there/],
    ['an unknown column', { sql: 'SELECT e.amont FROM events e' }, 'tables.sales', /amont/],
    [
      'a file of its own',
      { sql: "SELECT * FROM read_parquet('/x')" },
      'tables.sales',
      /read_parquet\(\) reads past the lake/,
    ],
    [
      'a clock',
      { sql: SALES_SQL.replace('b.processing_date', 'current_date') },
      'tables.sales',
      /current_date differs/,
    ],
    ['a missing column', { sql: SALES_SQL.replace('e.count,', '') }, 'tables.sales', /lacks column count/],
    [
      'a column too many',
      { sql: SALES_SQL.replace('e.tags', 'e.tags, 1 AS more') },
      'tables.sales',
      /gives more/,
    ],
    [
      'a wrong type',
      { sql: SALES_SQL.replace('e.count,', "'1' AS count,") },
      'tables.sales',
      /count is VARCHAR .* declared is int/,
    ],
    [
      'a wrong element type',
      { sql: SALES_SQL.replace('e.tags', '[1.5] AS tags') },
      'tables.sales',
      /declared is list<string>/,
    ],
    [
      'an unordered float sum',
      { more: { t: 'SELECT sum(amount) AS x FROM sales' } },
      'tables.t',
      /sum\(amount\) differs from run to run/,
    ],
    ['a circle', { more: { a: 'SELECT x FROM b', b: 'SELECT x FROM a' } }, 'tables', /circle: a → b → a/],
    ['a table without SQL', { table: { sql: undefined as never } }, 'tables.sales', /has no SQL/],
    [
      'a check of nothing',
      { checks: { c: { severity: 'blocking', sql: 'SELECT * FROM all_sails' } } },
      'checks.c',
      /all_sails/,
    ],
    [
      'a check of a missing column',
      { checks: { c: { severity: 'blocking', sql: 'SELECT y FROM sales' } } },
      'checks.c',
      /"y"/,
    ],
  ])('names %s', async (_, changes, where, message) => {
    const problems = await checkPipeline(shop(changes), engine)
    expect(problems.map((problem) => problem.where)).toContain(where)
    expect(problems.map((problem) => problem.message).join('\n')).toMatch(message)
  })
})
