import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { runSql } from '../../lake/query/sql.js'
import type { Lake } from '../../workers/create-deps.js'
import { createLakeDeps } from '../../workers/create-deps.js'
import { lakeConfig } from '../support/lake-process.js'
import { PeerProcess, peers, why, type PeerRow } from './peer-process.js'
import { canonical } from './same-rows.js'

/**
 * Goal: metadata tables say what Java's and PyIceberg's say. Method: a table of PyIceberg with a long history; every
 * column that both have is compared, row by row. Bounds and partition texts, which each spells its own way, are left to
 * `test/iceberg/inspect.test.ts`.
 */
const home = mkdtempSync(join(tmpdir(), 'firn-inspect-'))
const noPython = peers.python === null
const noSpark = noPython || peers.sparkJars === null
const TABLE = 'theirs.inspected'
let lake: Lake
let peer: PeerProcess

beforeAll(async () => {
  const config = lakeConfig(home)
  lake = await createLakeDeps(config)
  await lake.deps.catalog.createNamespace('theirs')
  if (noPython) return
  peer = new PeerProcess(config)
  await peer.call('pyiceberg_history', { table: TABLE, version: '2' })
})

afterAll(async () => {
  if (!noPython) await peer.close()
  lake.close()
  rmSync(home, { recursive: true, force: true })
})

const NAMES = [
  'snapshots',
  'history',
  'refs',
  'metadata_log_entries',
  'manifests',
  'entries',
  'files',
  'partitions',
]

/** Spelt differently by each: maps, decoded bounds, texts of partition values. Not read yet: the row lineage of v3. */
const LEFT_OUT = new Set([
  ...['summary', 'partition_summaries', 'readable_metrics', 'lower_bounds', 'upper_bounds', 'data_file'],
  ...[
    'column_sizes',
    'value_counts',
    'null_value_counts',
    'nan_value_counts',
    'key_metadata',
    'partition',
    'first_row_id',
  ],
])

async function expectEqual(name: string, theirs: readonly PeerRow[]): Promise<void> {
  const { rows } = await runSql(lake.deps, { sql: `SELECT * FROM ${TABLE}$${name}` })
  const columns = Object.keys(theirs[0] ?? {}).filter((column) => !LEFT_OUT.has(column))
  expect(columns.length, name).toBeGreaterThan(3)
  const pick = (row: Readonly<Record<string, unknown>>) =>
    Object.fromEntries(columns.filter((column) => column in row).map((column) => [column, row[column]]))
  const ours = rows.map((row) =>
    pick(Object.fromEntries(Object.entries(row).map(([key, value]) => [key, spelled(value)]))),
  )
  for (const row of ours) expect(Object.keys(row), name).toEqual(columns)
  expect(canonical(ours as never), name).toEqual(canonical(theirs.map(pick)))
}

/** As peer.py spells values. */
function spelled(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(spelled)
  return typeof value === 'number' || typeof value === 'bigint' ? String(value) : value
}

for (const name of NAMES) {
  test.skipIf(noPython)(`${name} are those that PyIceberg tells${why('python')}`, async () => {
    await expectEqual(name, await peer.call<readonly PeerRow[]>('inspect', { table: TABLE, name }))
  })
}

for (const name of [...NAMES, 'all_manifests', 'data_files', 'delete_files', 'all_files']) {
  test.skipIf(noSpark)(`${name} are those that Spark tells${why('spark')}`, async () => {
    const theirs = await peer.sql(`SELECT * FROM firn.${TABLE}.${name}`)
    if (theirs.length > 0) await expectEqual(name, theirs)
    else expect((await runSql(lake.deps, { sql: `SELECT * FROM ${TABLE}$${name}` })).rows).toEqual([])
  })
}
