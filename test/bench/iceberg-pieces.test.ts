import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { appendPieces } from '../../bench/iceberg/appends.js'
import { commitPieces } from '../../bench/iceberg/commits.js'
import { openLab } from '../../bench/iceberg/lab.js'
import { maintenancePieces } from '../../bench/iceberg/maintenance.js'
import { planPieces } from '../../bench/iceberg/plans.js'
import { upsertPieces } from '../../bench/iceberg/upserts.js'
import { writePieces } from '../../bench/iceberg/writes.js'
import { parseIdentifier } from '../../iceberg/catalog/catalog.js'

/**
 * Goal: the benchmark does the work that it says it measures. Method: each of its pieces, which check what they did
 * themselves, on tables of a few rows.
 */
const folder = mkdtempSync(join(tmpdir(), 'firn-bench-pieces-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))
const lab = openLab(folder, 'none')
const snapshotsOf = async (table: string) =>
  (await lab.catalog.loadTable(parseIdentifier(table))).metadata.snapshots.length

test('appends and commits of a table with a history', async () => {
  const table = 'a.t'
  await appendPieces.makeHistory(lab, { table, snapshots: 2, repeated: 3 })
  expect(await snapshotsOf(table)).toBe(5)
  await appendPieces.append(lab, { table, rounds: 1 })
  await commitPieces.commitMany(lab, { table, commits: 1, writer: 0, startMs: 0 })
  expect(await commitPieces.countRows(lab, { table })).toEqual({ rows: 900 })
})

test('plans of every file, and of one partition', async () => {
  const table = 'p.t'
  await planPieces.makeFiles(lab, { table, manifests: 3, files: 12 })
  expect(await planPieces.plan(lab, { table, rounds: 1 })).toMatchObject({ files: 12, inOne: 4 })
  await planPieces.streamPlan(lab, { table })
})

test('writes and upserts', async () => {
  await writePieces.makeWritten(lab, { table: 'w.t' })
  await writePieces.write(lab, { table: 'w.t', rows: 50, rounds: 1 })
  await writePieces.copy(lab, { rows: 50, rounds: 1 })
  expect(await commitPieces.countRows(lab, { table: 'w.t' })).toEqual({ rows: 50 })
  await upsertPieces.makeUpserted(lab, { table: 'u.t', rows: 40 })
  await upsertPieces.upsert(lab, { table: 'u.t', rows: 40, source: 10, rounds: 2 })
  expect(await commitPieces.countRows(lab, { table: 'u.t' })).toEqual({ rows: 50 })
})

test('maintenance, expiry and orphans', async () => {
  await maintenancePieces.makeSmallFiles(lab, { table: 'm.t', commits: 3, rows: 60 })
  const figures = await maintenancePieces.maintain(lab, { table: 'm.t' })
  expect(Object.keys(figures ?? {})).toEqual(['manifests', 'compact', 'expire', 'orphans', 'cpu'])
  expect(await snapshotsOf('m.t')).toBe(1)
  expect(await commitPieces.countRows(lab, { table: 'm.t' })).toEqual({ rows: 60 })
  await maintenancePieces.makeReplaced(lab, { table: 'e.t', snapshots: 4 })
  await maintenancePieces.expire(lab, { table: 'e.t' })
  expect(await snapshotsOf('e.t')).toBe(1)
  await maintenancePieces.makeObjects(lab, { table: 'o.t', objects: 200 })
  await maintenancePieces.findOrphans(lab, { table: 'o.t', orphans: 20 })
})
