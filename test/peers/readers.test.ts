import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { runNight } from '../../bench/run-night.js'
import { parseIdentifier } from '../../iceberg/catalog/catalog.js'
import { headOf } from '../../iceberg/spec/refs.js'
import { changeRefs } from '../../iceberg/write/refs.js'
import { unpackSample } from '../../pipelines/quantum/sample/unpack-sample.js'
import type { Lake } from '../../workers/create-deps.js'
import { createLakeDeps } from '../../workers/create-deps.js'
import { lakeConfig, landingFolder } from '../support/lake-process.js'
import { createPartitionedTable, headSnapshot } from './partitioned-table.js'
import { PeerProcess, peers, why, type Reader } from './peer-process.js'
import { canonical, firnRows, firnTables } from './same-rows.js'

/**
 * Goal: other implementations see the very rows that Firn sees, and maintain its tables without harm. Method: two
 * batches of real documents and a table by identity, day and bucket; PyIceberg and Spark open catalog.db and give every
 * row of every table, which are compared one by one; then Spark expires snapshots.
 */
const home = mkdtempSync(join(tmpdir(), 'firn-readers-'))
const config = lakeConfig(home)
const FIRST = 'v_20260701T020000Z'
const MODEL = 'model-energy-1'
const PARTITIONED = 'peers.partitioned'
const DAY_MS = 86_400_000
const noPython = peers.python === null
const noSpark = noPython || peers.sparkJars === null
let lake: Lake
let peer: PeerProcess

beforeAll(async () => {
  lake = await createLakeDeps(config)
  const { deps } = lake
  const from = landingFolder(home)
  await unpackSample({ folder: from, from: 0, count: 2 })
  await runNight(deps, { pipeline: 'quantum', from, batch: '20260701T020000Z' })
  await createPartitionedTable(deps, PARTITIONED)
  await tagAll([{ name: MODEL }])
  await unpackSample({ folder: from, from: 2, count: 1 })
  await runNight(deps, { pipeline: 'quantum', from, batch: '20260702T020000Z' })
  if (!noPython) peer = new PeerProcess(config)
})

afterAll(async () => {
  if (!noPython) await peer.close()
  lake.close()
  rmSync(home, { recursive: true, force: true })
})

test.skipIf(noPython)(
  `PyIceberg reads every table with equal rows, at the head and at a tag${why('python')}`,
  () => expectEqualRows('pyiceberg'),
)

test.skipIf(noSpark)(`Spark reads every table with equal rows, at the head and at a tag${why('spark')}`, () =>
  expectEqualRows('spark'),
)

test.skipIf(noSpark)(
  `filters on partitions and statistics give PyIceberg and Spark the rows that Firn gives${why('spark')}`,
  async () => {
    const filters = [
      ...["name = ''", 'name IS NULL', "name = 'null'", "name = '..'", "name >= 'a'"],
      ...['seen IS NULL', "key = 'key 17'", "key = ''", 'key IS NULL', 'n < -25', 'n IS NULL', 'x > 12.5'],
      ...['id = 9007199254741009', 'amount >= 28.0001', 'flag = true', 'f > 8.1'],
    ]
    for (const where of filters) {
      const rows = await firnRows(lake.deps, PARTITIONED, { where })
      expect(rows.length, where).toBeGreaterThan(0)
      for (const reader of ['pyiceberg', 'spark'] as const) {
        // Iceberg's order has NaN above all numbers and so has Spark; Arrow's comparison drops it.
        if (where.startsWith('x >') && reader === 'pyiceberg') continue
        expect(canonical(await peer.rows(reader, PARTITIONED, { where })), `${reader}: ${where}`).toEqual(
          rows,
        )
      }
    }
  },
)

test.skipIf(noSpark)(
  `Spark expires snapshots, and tags of batches and models keep their rows${why('spark')}`,
  async () => {
    const { deps } = lake
    const old = await headSnapshot(deps, PARTITIONED)
    await tagAll(
      [
        { name: 'short', retainMs: 1 },
        { name: 'long', retainMs: DAY_MS },
      ],
      [PARTITIONED],
    )
    const [snapshot] = (await deps.catalog.loadTable(parseIdentifier(PARTITIONED))).metadata.snapshots
    const before = await everyRow()
    let deleted = 0
    for (const table of await firnTables(deps)) {
      // Tags without an age of their own would go at once.
      await peer.sql(`ALTER TABLE firn.${table} SET TBLPROPERTIES ('history.expire.max-ref-age-ms'='1')`)
      const [counts] = await peer.sql(
        `CALL firn.system.expire_snapshots(table => '${table}', older_than => TIMESTAMP '2100-01-01 00:00:00', retain_last => 1)`,
      )
      deleted += Number(counts!['deleted_manifest_lists_count'])
    }
    expect(deleted).toBeGreaterThan(0)
    before.delete(`${PARTITIONED}@short`)
    expect(await everyRow()).toEqual(before)
    const { metadata } = await deps.catalog.loadTable(parseIdentifier(PARTITIONED))
    expect(metadata.snapshots.map((one) => one['snapshot-id'])).not.toContain(snapshot!['snapshot-id'])
    expect(String(metadata.refs[MODEL]?.['max-ref-age-ms'])).toBe('9223372036854775807')
    expect(await headSnapshot(deps, PARTITIONED)).toBe(old)
  },
)

test.skipIf(noSpark)(`Firn goes on where Spark maintained its tables${why('spark')}`, async () => {
  const from = landingFolder(home)
  await unpackSample({ folder: from, from: 3, count: 1 })
  const night = await runNight(lake.deps, { pipeline: 'quantum', from, batch: '20260703T020000Z' })
  expect(night.publish?.status).toBe('published')
  await expectEqualRows('spark', ['head'])
})

async function expectEqualRows(reader: Reader, at: readonly string[] = ['head', FIRST]): Promise<void> {
  const ours = await everyRow(at)
  expect([...(await peer.tables(reader))].sort()).toEqual([...(await firnTables(lake.deps))].sort())
  for (const [key, rows] of ours) {
    const [table, ref] = key.split('@')
    const theirs = await peer.rows(reader, table!, ref === 'head' ? {} : { at: ref! })
    expect(theirs.length, key).toBe(rows.length)
    expect(canonical(theirs), key).toEqual(rows)
  }
  if (at.includes(FIRST)) expect([...ours.keys()].filter((key) => key.endsWith(`@${FIRST}`))).toHaveLength(13)
}

/** Rows of every table as Firn reads them, by `table@head` and `table@tag`. */
async function everyRow(at?: readonly string[]): Promise<Map<string, readonly string[]>> {
  const rows = new Map<string, readonly string[]>()
  for (const table of await firnTables(lake.deps)) {
    const { metadata } = await lake.deps.catalog.loadTable(parseIdentifier(table))
    const tags = Object.keys(metadata.refs).filter((name) => metadata.refs[name]?.type === 'tag')
    for (const ref of ['head', ...tags].filter((name) => at?.includes(name) !== false)) {
      rows.set(`${table}@${ref}`, await firnRows(lake.deps, table, ref === 'head' ? {} : { at: ref }))
    }
  }
  return rows
}

async function tagAll(
  tags: readonly { readonly name: string; readonly retainMs?: number }[],
  tables?: readonly string[],
): Promise<void> {
  const { deps } = lake
  const loaded = await deps.catalog.loadTables((tables ?? (await firnTables(deps))).map(parseIdentifier))
  const changes = tags.map((tag) => ({ kind: 'create-tag' as const, ...tag }))
  const filled = loaded.filter(({ metadata }) => headOf(metadata) !== undefined)
  await changeRefs({ ...deps, tables: filled.map(({ identifier }) => ({ identifier, changes })) })
}
