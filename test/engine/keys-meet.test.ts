import { readdirSync, readFileSync } from 'node:fs'
import { DuckDBInstance } from '@duckdb/node-api'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { keysMeet, type KeyedRows } from '../../engine/duckdb/keys-meet.js'

/** Goal: what is proven holds. Method: a SELECT that passes is run on all rows, and key by key: the rows are the same. */
const RELATIONS = new Map<string, KeyedRows>([
  ['e', ['id']],
  ['f', ['id']],
  ['batch', 'same'],
])

const APART = {
  'columns and constants': 'SELECT id, x + 1 AS y, b FROM e CROSS JOIN batch',
  'unnested lists': 'SELECT id, unnest(l) AS v, generate_subscripts(l, 1) AS i FROM e',
  'a lateral unnest': 'SELECT e.id, u.v FROM e, unnest(e.l) u(v)',
  'a group by the key': 'SELECT id, count(*) AS n, max(x) AS m FROM e GROUP BY id, x > 2 HAVING count(*) > 1',
  'a window by the key':
    'SELECT id, x, row_number() OVER w AS n FROM e WINDOW w AS (PARTITION BY id ORDER BY x, y) QUALIFY n < 3',
  'a group whose key another column is named after': 'SELECT id AS k, x AS id, id AS i FROM e GROUP BY id, x',
  'a window by a column, not by the alias of its name':
    'SELECT y AS id, e.id AS i, row_number() OVER (PARTITION BY id ORDER BY x, y) AS n FROM e',
  'joins on the key': 'SELECT e.id, e.x, f.x AS z FROM e LEFT JOIN f ON f.id = e.id AND f.x > e.x',
  'a join by USING': 'SELECT id, e.x FROM e JOIN f USING (id) WHERE f.x > 1',
  'a semi join': 'SELECT id, x FROM e SEMI JOIN f USING (id)',
  'an anti join': 'SELECT id, x FROM e ANTI JOIN f ON e.id = f.id',
  'a WITH over a star': 'WITH c AS (SELECT *, len(l) AS n FROM e) SELECT c.id, n FROM c JOIN batch ON b > n',
  'a DISTINCT with the key': 'SELECT DISTINCT id, x FROM e ORDER BY x',
  'a macro of scalars': `SELECT id, array_to_string(l, '-') AS t, list_sum(l) AS s FROM e`,
  'a lambda': 'SELECT id, list_transform(l, v -> v + x) AS l FROM e',
}

const MEET = {
  'an aggregate of all': 'SELECT max(id) AS id FROM e',
  'an aggregate by a macro': 'SELECT id, geomean(x) FROM e GROUP BY ALL',
  'a group by another column': 'SELECT any_value(id) AS id, x FROM e GROUP BY x',
  'a group by an alias': 'SELECT x AS id FROM e GROUP BY 1',
  'grouping sets': 'SELECT id, count(*) FROM e GROUP BY ROLLUP (id)',
  'a window over all': 'SELECT id, row_number() OVER (ORDER BY id) AS n FROM e',
  'a float added up in a window': 'SELECT id, avg(x) OVER (PARTITION BY id ORDER BY y) AS m FROM e',
  'a limit': 'SELECT id FROM e ORDER BY id LIMIT 3',
  'a limit inside': 'SELECT id FROM (SELECT id FROM e LIMIT 3)',
  'a sample': 'SELECT id FROM e USING SAMPLE 2 ROWS',
  'a DISTINCT without the key': 'SELECT y AS id FROM (SELECT DISTINCT y FROM e)',
  'DISTINCT ON': 'SELECT DISTINCT ON (x) id FROM e ORDER BY x, id',
  'a join on something else': 'SELECT e.id FROM e JOIN f ON e.x = f.x',
  'a cross join of records': 'SELECT e.id FROM e, f',
  'a join by OR': 'SELECT e.id FROM e JOIN f ON e.id = f.id OR e.x = f.x',
  'a join from what is the same': 'SELECT f.id FROM batch LEFT JOIN f ON f.x = b',
  'a full join': 'SELECT id FROM e FULL JOIN f USING (id)',
  'a key that an outer join made null': 'SELECT f.id FROM e LEFT JOIN f ON e.id = f.id',
  'an ASOF join': 'SELECT e.id FROM e ASOF JOIN f ON e.id = f.id AND e.x >= f.x',
  'a subquery': 'SELECT id FROM e WHERE x = (SELECT max(x) FROM e)',
  'a subquery by IN': 'SELECT id FROM e WHERE x IN (SELECT x FROM f)',
  'a UNION': 'SELECT id FROM e UNION SELECT id FROM f',
  'another column under the key’s name': 'SELECT y AS id FROM e',
  'a column behind a star': 'SELECT b.*, e.id FROM (SELECT 1 AS id) b, e',
  'a renamed column': 'SELECT t.id FROM (SELECT x, id FROM e) t(id, x)',
  'a replaced key': 'SELECT * REPLACE (0 AS id) FROM e',
  'a computed key': 'SELECT id % 2 AS id FROM e',
  chance: 'SELECT id, random() AS r FROM e',
  'a relation that nobody knows': 'SELECT id FROM g',
  'no record': 'SELECT b AS id FROM batch',
  recursion:
    'WITH RECURSIVE r AS (SELECT id FROM e UNION ALL SELECT id + 1 FROM r WHERE id < 3) SELECT id FROM r',
}

let connection: Awaited<ReturnType<DuckDBInstance['connect']>>
let instance: DuckDBInstance
beforeAll(async () => {
  instance = await DuckDBInstance.create(':memory:', { threads: '1' })
  connection = await instance.connect()
})
afterAll(() => connection.disconnectSync())

async function rowsOf(sql: string, keys: string): Promise<readonly string[]> {
  for (const [name, seed] of Object.entries({ e: 7, f: 5 })) {
    await connection.run(
      `CREATE OR REPLACE TABLE ${name} AS SELECT i % 4 AS id, i * ${seed} % 6 AS x, i % 3 AS y, range(i % 4) AS l
       FROM range(17) t(i) WHERE i % 4 IN (${keys}) AND i % 4 <> ${seed - 4}`,
    )
  }
  await connection.run('CREATE OR REPLACE TABLE batch AS SELECT 2 AS b')
  const reader = await connection.runAndReadAll(`SELECT to_json(r)::VARCHAR FROM (${sql}) r`)
  return reader.getRows().map(([row]) => String(row))
}

describe('rows of different keys', () => {
  it.each(Object.entries(APART))('never meet in %s', async (_, sql) => {
    const output = /AS i FROM|AS i, row/.test(sql) && !sql.includes('unnest') ? 'i' : 'id'
    expect(await keysMeet(sql, RELATIONS, output)).toBeUndefined()
    const whole = await rowsOf(sql, '0, 1, 2, 3')
    const apart = [...(await rowsOf(sql, '0, 2')), ...(await rowsOf(sql, '1')), ...(await rowsOf(sql, '3'))]
    expect(whole.length).toBeGreaterThan(0)
    expect(apart.sort()).toEqual([...whole].sort())
  })

  it.each(Object.entries(MEET))('are not proven apart in %s', async (_, sql) => {
    expect(await keysMeet(sql, RELATIONS, 'id')).toMatch(/^(it|its) /)
  })

  it('never meet in the tables of the quantum pipeline, but for windows of floats', async () => {
    const folder = new URL('../../pipelines/quantum/sql/', import.meta.url)
    const names = readdirSync(folder).filter((name) => name.endsWith('.sql') && !name.endsWith('.spark.sql'))
    const relations = new Map<string, KeyedRows>([
      ['experiments', ['_record_id']],
      ['batch', 'same'],
      ...names.map((name) => [name.replace('.sql', ''), ['experiment_id']] as const),
    ])
    const meet: string[] = []
    for (const name of names) {
      const sql = readFileSync(new URL(name, folder), 'utf8')
      if ((await keysMeet(sql, relations, 'experiment_id')) !== undefined) meet.push(name)
    }
    expect(meet).toEqual(['ml_iteration_features.sql'])
  })
})
