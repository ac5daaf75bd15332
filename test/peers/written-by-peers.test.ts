import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { parseIdentifier } from '../../iceberg/catalog/catalog.js'
import { compactTable } from '../../iceberg/maintain/compact.js'
import type { Lake } from '../../workers/create-deps.js'
import { createLakeDeps } from '../../workers/create-deps.js'
import { lakeConfig } from '../support/lake-process.js'
import { appendByQuery } from './partitioned-table.js'
import { PeerProcess, peers, why, type Reader } from './peer-process.js'
import { canonical, firnRows } from './same-rows.js'

/**
 * Goal: Firn reads what PyIceberg and Spark wrote, at every snapshot, and writes on where they left off. Method: tables
 * of v1 and v2 with a history each, in one catalog; every snapshot's rows as their writer reads them are compared with
 * Firn's, one by one.
 */
const home = mkdtempSync(join(tmpdir(), 'firn-written-'))
const config = lakeConfig(home)
const noPython = peers.python === null
const noSpark = noPython || peers.sparkJars === null
let lake: Lake
let peer: PeerProcess

beforeAll(async () => {
  lake = await createLakeDeps(config)
  await lake.deps.catalog.createNamespace('theirs')
  if (!noPython) peer = new PeerProcess(config)
})

afterAll(async () => {
  if (!noPython) await peer.close()
  lake.close()
  rmSync(home, { recursive: true, force: true })
})

test.skipIf(noPython)(`Firn reads all types that PyIceberg writes${why('python')}`, async () => {
  await peer.call('pyiceberg_types', { table: 'theirs.types' })
  expect(await expectEqualRows('pyiceberg', 'theirs.types')).toBe(1)
})

for (const version of ['1', '2']) {
  test.skipIf(noPython)(
    `Firn reads every snapshot of PyIceberg's v${version} table, overwritten, deleted from, renamed and repartitioned${why('python')}`,
    async () => {
      const table = `theirs.py${version}`
      await peer.call('pyiceberg_history', { table, version })
      expect(await expectEqualRows('pyiceberg', table)).toBeGreaterThanOrEqual(8)
      const two = canonical(await peer.rows('pyiceberg', table, { at: 'two' }))
      expect(await firnRows(lake.deps, table, { at: 'two' })).toEqual(two)
      await writeOn('pyiceberg', table, { id: 9_000n, sort: '', day: null, number: 1n, note: null })
    },
  )
}

const HISTORY = [
  ['INSERT INTO $T', rows(0)],
  ['INSERT INTO $T', rows(100)],
  ['INSERT OVERWRITE $T', rows(200)],
  ["DELETE FROM $T WHERE kind = 'a'"],
  ['ALTER TABLE $T RENAME COLUMN n TO number'],
  ['ALTER TABLE $T ALTER COLUMN number TYPE bigint'],
  ['ALTER TABLE $T ADD COLUMN note string FIRST'],
  ["INSERT INTO $T SELECT 'late', * FROM (", rows(300), ')'],
  ['ALTER TABLE $T ADD PARTITION FIELD bucket(4, id)'],
  ['ALTER TABLE $T DROP PARTITION FIELD days(seen)'],
  ["INSERT INTO $T SELECT '', * FROM (", rows(400), ')'],
  ['UPDATE $T SET number = number + 5000000000 WHERE id % 5 = 0'],
  ['DELETE FROM $T WHERE id % 7 = 3'],
  [
    `MERGE INTO $T t USING (SELECT id + 2 AS id FROM $T WHERE id < 310) s ON t.id = s.id
       WHEN MATCHED AND t.id % 2 = 0 THEN DELETE WHEN MATCHED THEN UPDATE SET note = 'merged', kind = NULL`,
  ],
  ['ALTER TABLE $T RENAME COLUMN kind TO sort'],
  ['ALTER TABLE $T DROP COLUMN amounts'],
  ['ALTER TABLE $T ADD COLUMN amounts string'],
  ["UPDATE $T SET amounts = 'again' WHERE sort IS NULL"],
].map((parts) => parts.join(' '))

/** v1 and v2 rewrite files; `mor` leaves position deletes. */
const SPARK_TABLES = {
  v1: "'format-version'='1'",
  v2: "'format-version'='2'",
  mor: "'format-version'='2', 'write.delete.mode'='merge-on-read', 'write.update.mode'='merge-on-read', 'write.merge.mode'='merge-on-read'",
}

for (const [kind, properties] of Object.entries(SPARK_TABLES)) {
  test.skipIf(noSpark)(`Firn reads every snapshot of Spark's ${kind} table${why('spark')}`, async () => {
    const table = `theirs.spark_${kind}`
    await peer.sql(`CREATE TABLE firn.${table} (id bigint NOT NULL, kind string, seen timestamp, n int, amounts decimal(12, 3),
      raw binary, d date, ntz timestamp_ntz, x double, f float, flag boolean, list array<struct<a: int, b: string>>,
      map map<string, double>, st struct<re: double, im: array<double>>)
      USING iceberg PARTITIONED BY (kind, days(seen)) TBLPROPERTIES (${properties})`)
    for (const sql of HISTORY) await peer.sql(sql.replaceAll('$T', `firn.${table}`))
    expect(await expectEqualRows('spark', table)).toBeGreaterThanOrEqual(9)
    if (kind === 'mor') await expectDeletesAndCompaction(table)
    const [row] = await peer.sql(`SELECT count(*) AS n FROM firn.${table}`)
    await writeOn('spark', table, { id: 9_000n, sort: 'a/b', seen: -1n, number: 2n ** 60n, note: 'by Firn' })
    const [after] = await peer.sql(`SELECT count(*) AS n FROM firn.${table}`)
    expect(Number(after!['n'])).toBe(Number(row!['n']) + 1)
  })
}

async function expectDeletesAndCompaction(table: string): Promise<void> {
  const { deps } = lake
  const identifier = parseIdentifier(table)
  const deletes = () =>
    peer.sql(`SELECT count(*) AS n FROM firn.${table}.delete_files`).then(([row]) => Number(row!['n']))
  expect(await deletes()).toBeGreaterThan(3)
  const before = await firnRows(deps, table)
  const done = await compactTable({ ...deps, identifier, isClosed: () => true, summary: {}, dryRun: false })
  expect(done.removedFiles).toBeGreaterThan(0)
  expect(canonical(await peer.rows('spark', table))).toEqual(before)
}

/** A row of Firn's own on top, its other columns null; a v1 table is upgraded before. */
async function writeOn(reader: Reader, table: string, row: Readonly<Record<string, string | bigint | null>>) {
  const before = await firnRows(lake.deps, table)
  const { metadata } = await lake.deps.catalog.loadTable(parseIdentifier(table))
  if (metadata['format-version'] === 1) {
    const refused = { kind: 'unsupported', message: expect.stringContaining('upgrade it to v2') as string }
    await expect(appendByQuery(lake.deps, table, [row])).rejects.toMatchObject(refused)
    if (reader === 'spark')
      await peer.sql(`ALTER TABLE firn.${table} SET TBLPROPERTIES ('format-version'='2')`)
    else await peer.call('pyiceberg_upgrade', { table })
  }
  await appendByQuery(lake.deps, table, [row])
  const after = await firnRows(lake.deps, table)
  expect(after.length).toBe(before.length + 1)
  expect(canonical(await peer.rows(reader, table))).toEqual(after)
}

/** At the head and at every snapshot; gives how many snapshots there were. */
async function expectEqualRows(reader: Reader, table: string): Promise<number> {
  const { metadata } = await lake.deps.catalog.loadTable(parseIdentifier(table))
  const at = metadata.snapshots.map((snapshot) => ({ at: String(snapshot['snapshot-id']) }))
  for (const options of [{}, ...at]) {
    const theirs = canonical(await peer.rows(reader, table, options))
    expect(await firnRows(lake.deps, table, options), JSON.stringify(options)).toEqual(theirs)
  }
  expect((await firnRows(lake.deps, table)).length).toBeGreaterThan(0)
  return at.length
}

function rows(first: number): string {
  return `SELECT id, element_at(array(NULL, '', 'a', 'a/b=c %?#', 'ö'), CAST(id % 5 + 1 AS int)) AS kind,
    CASE WHEN id % 4 = 3 THEN NULL ELSE timestamp_micros(id * 43200000000 - 50000000000001) END AS seen,
    CAST(CASE WHEN id % 6 = 5 THEN NULL ELSE id END AS int) AS n, CAST(id / 8 - 20 AS decimal(12, 3)) AS amounts,
    unhex('00ff') AS raw, date_add(DATE '1969-12-01', CAST(id AS int)) AS d, TIMESTAMP_NTZ '1969-12-31 23:59:59.999999' AS ntz,
    CASE WHEN id % 9 = 0 THEN double('NaN') ELSE id / 3 END AS x, CAST(id / 7 AS float) AS f, id % 2 = 0 AS flag,
    array(named_struct('a', CAST(id AS int), 'b', NULL), NULL) AS list, map('k', id / 3, '', NULL) AS map,
    CASE WHEN id % 3 = 0 THEN NULL ELSE named_struct('re', id / 9, 'im', array(1.5D, NULL)) END AS st
    FROM range(${first}, ${first + 15})`
}
