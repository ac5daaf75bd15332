import { expect } from 'vitest'
import type { Row } from '../../engine/engine.js'
import type { PlaceName, Places } from './golden-places.js'
import { GoldenTable, newName } from './golden-table.js'
import { compact } from './golden-upkeep.js'

const SPARK_STATEMENTS = [
  `CREATE TABLE T (id BIGINT NOT NULL, kind STRING, at TIMESTAMP, n INT, d DECIMAL(12, 3), st STRUCT<a: INT, b: STRING>,
    xs ARRAY<DOUBLE>, m MAP<STRING, BIGINT>) USING iceberg PARTITIONED BY (kind, days(at), bucket(2, id))
    TBLPROPERTIES ('format-version'='2', 'write.delete.mode'='merge-on-read', 'write.update.mode'='merge-on-read',
    'write.merge.mode'='merge-on-read')`,
  `INSERT INTO T SELECT id, element_at(array(NULL, '', 'a', 'a/b=c %?#', 'ö'), CAST(id % 5 + 1 AS INT)),
    IF(id % 4 = 3, NULL, timestamp_micros(id * 43200000000 - 50000000000001)), CAST(id AS INT), CAST(id / 8 AS DECIMAL(12, 3)),
    named_struct('a', CAST(id AS INT), 'b', NULL), array(id / 3, NULL), map('k', id) FROM range(40)`,
  'DELETE FROM T WHERE id % 6 = 1',
  "UPDATE T SET kind = '', n = NULL WHERE id % 7 = 2",
  `MERGE INTO T t USING (SELECT id * 3 AS id FROM range(20)) s ON t.id = s.id WHEN MATCHED AND t.id % 2 = 0 THEN DELETE
    WHEN MATCHED THEN UPDATE SET d = 0.125 WHEN NOT MATCHED THEN INSERT (id, kind) VALUES (s.id, 'merged')`,
  'ALTER TABLE T RENAME COLUMN n TO number',
  'ALTER TABLE T ALTER COLUMN number TYPE BIGINT',
  'ALTER TABLE T ADD COLUMN st.c DATE FIRST',
  'ALTER TABLE T ADD COLUMN note STRING FIRST',
  'ALTER TABLE T REPLACE PARTITION FIELD days(at) WITH months(at)',
  "INSERT INTO T SELECT 'late', id, 'a', TIMESTAMP '1969-12-31 23:59:59.999999', id, 1.5, NULL, NULL, NULL FROM range(100, 106)",
]

/** Spark makes a table, writes to it in every way and evolves it; then it is Firn's turn. */
export async function writeOnSparks(places: Places, place: PlaceName): Promise<void> {
  const golden = GoldenTable.open(places, place, newName('by spark'))
  for (const statement of SPARK_STATEMENTS)
    await places.peer.sql(statement.replaceAll(/\bT\b/g, `${place}.${golden.name}`))
  const bare = { st: null, xs: null, m: null }
  await writeOn(golden, (id) => ({
    ...{ note: '', id: BigInt(id), kind: '', at: -1n, number: 2n ** 60n, d: '-1.125', ...bare },
  }))
}

/** As Spark's, for what PyIceberg can do. */
export async function writeOnPyIcebergs(places: Places, place: PlaceName): Promise<void> {
  const golden = GoldenTable.open(places, place, newName('by pyiceberg'))
  await places.peer.call('pyiceberg_history', { table: golden.name, version: '2', catalog: place })
  await writeOn(golden, (id) => ({ id: BigInt(id), sort: '', day: -1n, number: 2n ** 60n, note: id }))
}

/** Appends, merge-on-read and copy-on-write changes and a compaction upon what the other left. */
async function writeOn(golden: GoldenTable, rowOf: (id: number) => Row): Promise<void> {
  await golden.checkWithPeers()
  const before = await golden.table.rows({ limit: 1_000_000 })
  expect(before.length).toBeGreaterThan(20)
  const rows = [9000, 9001, 9002].map(rowOf)
  await golden.table.append(rows)
  await golden.check([...before, ...rows])
  await golden.table.delete({ sql: 'id % 4 = 0' }, { mode: 'merge-on-read' })
  await golden.check(golden.rows.filter((row) => Number(row['id']) % 4 !== 0))
  const update = { where: { sql: 'id % 5 = 1' }, set: { number: 'id + 1' } }
  await golden.table.update({ ...update, mode: 'copy-on-write' })
  await golden.check(
    golden.rows.map((row) =>
      Number(row['id']) % 5 === 1 ? { ...row, number: (row['id'] as bigint) + 1n } : row,
    ),
  )
  const upserted = [9001, 9003].map((id) => ({ ...rowOf(id), number: 7n }))
  await golden.table.upsert(upserted, { key: ['id'], mode: 'merge-on-read' })
  await golden.check([...golden.rows.filter((row) => row['id'] !== 9001n), ...upserted])
  await golden.checkWithPeers()
  const done = await compact(golden, { rewriteAll: true })
  expect(done.removedFiles).toBeGreaterThan(5)
  await golden.check()
  await golden.checkHeadWithPeers()
}
