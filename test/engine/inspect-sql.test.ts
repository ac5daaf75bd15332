import { describe, expect, test } from 'vitest'
import { inspectSql } from '../../engine/duckdb/inspect-sql.js'

describe('inspectSql', () => {
  test.each<[string, number | undefined]>([
    ['SELECT * FROM a.b LIMIT 5', 5],
    ['SELECT x, b.y FROM a.b LIMIT 5 OFFSET 3', 8],
    ['FROM a.b LIMIT 0', 0],
    ['SELECT * FROM a.b', undefined],
    ['SELECT * FROM a.b WHERE x = 1 LIMIT 5', undefined],
    ['SELECT * FROM a.b ORDER BY x LIMIT 5', undefined],
    ['SELECT DISTINCT x FROM a.b LIMIT 5', undefined],
    ['SELECT count(*) FROM a.b LIMIT 5', undefined],
    ['SELECT x, row_number() OVER () FROM a.b LIMIT 5', undefined],
    ['SELECT x FROM a.b GROUP BY ALL LIMIT 5', undefined],
    ['SELECT x FROM a.b GROUP BY x LIMIT 5', undefined],
    ['SELECT x FROM a.b QUALIFY x > 1 LIMIT 5', undefined],
    ['SELECT x FROM a.b, a.c LIMIT 5', undefined],
    ['SELECT x FROM a.b LIMIT 5 PERCENT', undefined],
    ['SELECT x FROM a.b LIMIT (SELECT 5)', undefined],
    ['SELECT x FROM a.b TABLESAMPLE 10% LIMIT 5', undefined],
    ['SELECT * FROM a.b UNION ALL SELECT * FROM a.b LIMIT 5', undefined],
    ['SELECT * FROM (SELECT * FROM a.b LIMIT 5)', undefined],
    ['WITH c AS (SELECT 1) SELECT x FROM a.b LIMIT 5', undefined],
  ])('knows how many rows %s needs', async (sql, rows) => {
    expect((await inspectSql(sql)).rowsNeeded).toBe(rows)
  })

  test('lists the tables a text reads, in subqueries and joins too, and no CTEs', async () => {
    const { tables, tableFunctions, statementType } = await inspectSql(`
      WITH experiments AS (SELECT * FROM experiments), -- a CTE that hides the table it reads
           later AS (SELECT * FROM experiments JOIN quantum_features.runs USING (id)),
           RECURSIVE_ONE AS (SELECT 1)
      SELECT * FROM later, "Odd name", range(3) AS r
      WHERE EXISTS (SELECT 1 FROM c.s.deep UNION ALL SELECT 2 FROM other)`)
    expect(tables).toEqual(['Odd name', 'c.s.deep', 'experiments', 'other', 'quantum_features.runs'])
    expect(tableFunctions).toEqual(['range'])
    expect(statementType).toBe('select')
  })

  test('a recursive CTE does not read itself', async () => {
    const { tables } = await inspectSql(
      'WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r WHERE n < 5) SELECT * FROM r, t',
    )
    expect(tables).toEqual(['t'])
  })

  test('a CTE hides no file of its name: it reads itself only where it is recursive, and never by a qualified name', async () => {
    const hiding = [
      'WITH "/etc/x.csv" AS (SELECT 1 AS RECURSIVE_CTE_NODE FROM "/etc/x.csv") FROM "/etc/x.csv"',
      `WITH "/etc/x.csv" AS (FROM "/etc/x.csv", (WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL
        SELECT n + 1 FROM r WHERE n < 2) FROM r)) FROM "/etc/x.csv"`,
      'WITH "/etc/x.csv" AS (SELECT 1) FROM "/etc/x".csv',
    ]
    for (const sql of hiding) expect((await inspectSql(sql)).tables).toEqual(['/etc/x.csv'])
  })

  test('lists aggregates whose result depends on an order that is not given', async () => {
    const { unorderedFloatAggregates } = await inspectSql(`
      SELECT sum(energy), avg(energy ORDER BY step), count(*), min(energy), stddev_samp(n::INT),
        list(energy), sum(delta) OVER (PARTITION BY id), sum(delta) OVER (PARTITION BY id ORDER BY step),
        row_number() OVER (), max(x) OVER (PARTITION BY id) FROM t`)
    expect(unorderedFloatAggregates).toEqual([
      'sum(energy)',
      'stddev_samp(n::INT)',
      'list(energy)',
      'sum(delta)',
      'row_number()',
    ])
  })

  test('sums of what is certainly exact need no order', async () => {
    const { unorderedFloatAggregates } = await inspectSql(
      `SELECT sum(CASE WHEN is_new THEN 1 ELSE 0 END), sum((a > b)::INT), sum(x::BIGINT * 2), avg(length(s)),
        sum(counted), sum(CAST(y AS DOUBLE)), sum(1.5e0) FROM t`,
      { isExactColumn: (column) => column === 'counted' },
    )
    expect(unorderedFloatAggregates).toEqual(['sum(CAST(y AS DOUBLE))', 'sum(1.5e0)'])
  })

  test('a text that does not parse, or holds two statements, is refused with the place', async () => {
    await expect(inspectSql('SELEC 1')).rejects.toMatchObject({ kind: 'sql-invalid' })
    await expect(inspectSql('SELECT 1; SELECT 2')).rejects.toMatchObject({ kind: 'sql-invalid' })
    expect((await inspectSql('DROP TABLE t')).statementType).toBe('other')
  })
})
