import { readdirSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Row } from '../../engine/engine.js'
import { toLocalPath } from '../../iceberg/io/location.js'
import { openPlaces, type Places } from './golden-places.js'
import { changeRefsOf, N, numberOf } from './golden-kinds.js'
import { GoldenTable, newName, rowsOf, SCHEMA } from './golden-table.js'
import { byKind, compact, fillUnevenly } from './golden-upkeep.js'
import { peers, why } from './peer-process.js'

/**
 * Goal: Spark's own maintenance does Firn's tables no harm. Method: each procedure on a table with deletes, tags, a model's
 * pin and a branch; after each of them every ref has the rows that it had, as Firn and the others read it, and Firn writes
 * on.
 */
const PLACES = ['firn', 'rest'] as const
const noSpark = peers.python === null || peers.sparkJars === null
const DAY_MS = 86_400_000
const PIN = 'model-energy-1'
/** Without lists and maps, where Spark's `rewrite_position_delete_files` fails; see the test of it. */
const FLAT = { ...SCHEMA, fields: SCHEMA.fields.filter(({ name }) => name !== 'list' && name !== 'map') }
let places: Places

beforeAll(async () => {
  if (!noSpark) places = await openPlaces(PLACES)
})

afterAll(async () => {
  if (!noSpark) await places.close()
})

describe.each(PLACES)('%s', (place) => {
  test.skipIf(noSpark)(
    `Spark compacts, rewrites deletes and manifests, expires and removes orphans, and every tag, pin and branch keeps its rows${why('spark')}`,
    async () => {
      const golden = await GoldenTable.create(places, place, newName('kept'), { ...byKind(), schema: FLAT })
      const call = procedures(golden)
      await fillUnevenly(golden, flatRowsOf)
      await changeRefsOf(
        golden,
        { kind: 'create-tag', name: PIN },
        { kind: 'create-tag', name: 'batch', retainMs: 400 * DAY_MS },
        { kind: 'create-branch', name: 'audit' },
      )
      await golden.table.delete({ sql: `${N} % 5 = 1` }, { branch: 'audit', mode: 'merge-on-read' })
      await golden.table.append(flatRowsOf(60, 70))
      await golden.check([...golden.rows, ...flatRowsOf(60, 70)])
      const before = await refsOf(golden)
      expect([...before.keys()].sort()).toEqual(['audit', 'batch', 'early', 'main', PIN])

      const compacted = await call('rewrite_data_files', "options => map('rewrite-all', 'true')")
      expect(Number(compacted['rewritten_data_files_count'])).toBeGreaterThan(5)
      expect(await refsOf(golden)).toEqual(before)

      for (const rest of [0, 1, 2]) await deleteMod(golden, 9, rest)
      before.set('main', await golden.read())
      const deletes = await call('rewrite_position_delete_files', "options => map('rewrite-all', 'true')")
      expect(Number(deletes['rewritten_delete_files_count'])).toBeGreaterThan(2)
      expect(await refsOf(golden)).toEqual(before)

      await call(
        'rewrite_data_files',
        "strategy => 'sort', sort_order => 'x DESC', options => map('rewrite-all', 'true')",
      )
      await call('rewrite_manifests')
      expect(await refsOf(golden)).toEqual(before)

      const known = (await golden.load()).metadata.snapshots.length
      const forever = "older_than => TIMESTAMP '2100-01-01 00:00:00', retain_last => 1"
      const expired = await call('expire_snapshots', forever)
      expect(Number(expired['deleted_data_files_count'])).toBeGreaterThan(0)
      expect((await golden.load()).metadata.snapshots.length).toBeLessThan(known)
      expect(await refsOf(golden)).toEqual(before)
      await golden.checkWithPeers()

      await removeOrphans(golden)
      expect(await refsOf(golden)).toEqual(before)

      await goOn(golden)
    },
  )
})

/** One file that nothing names among all that the table needs, every one of them old enough to go. */
async function removeOrphans(golden: GoldenTable): Promise<void> {
  const folder = toLocalPath((await golden.load()).metadata.location)
  const orphan = join(folder, 'data', 'left behind by a writer.parquet')
  writeFileSync(orphan, 'orphan')
  const old = new Date(Date.now() - 30 * DAY_MS)
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((one) => one.isFile())
  for (const file of files) utimesSync(join(file.parentPath, file.name), old, old)
  const sql = `CALL ${golden.place}.system.remove_orphan_files(table => '${golden.name}')`
  const gone = await golden.places.peer.sql(sql)
  expect(gone.map((row) => toLocalPath(String(row['orphan_file_location'])))).toEqual([orphan])
}

/** Firn takes the table over from Spark. */
async function goOn(golden: GoldenTable): Promise<void> {
  await golden.table.append(flatRowsOf(80, 90))
  await golden.check([...golden.rows, ...flatRowsOf(80, 90)])
  await golden.table.upsert(flatRowsOf(85, 95, 1), { mode: 'merge-on-read' })
  await golden.check([...golden.rows.filter((row) => numberOf(row) < 85), ...flatRowsOf(85, 95, 1)])
  await deleteMod(golden, 10, 5)
  const done = await compact(golden, { rewriteAll: true })
  expect(done).toMatchObject({ conflict: false })
  await golden.check()
  await golden.checkWithPeers()
}

async function deleteMod(golden: GoldenTable, divisor: number, rest: number): Promise<void> {
  await golden.table.delete({ sql: `${N} % ${divisor} = ${rest}` }, { mode: 'merge-on-read' })
  await golden.check(golden.rows.filter((row) => numberOf(row) % divisor !== rest))
}

/** Runs one of Spark's procedures on the table; gives the first row of its answer. */
function procedures(golden: GoldenTable) {
  return async (name: string, args = '') => {
    const given = args === '' ? '' : `, ${args}`
    const call = `CALL ${golden.place}.system.${name}(table => '${golden.name}'${given})`
    return (await golden.places.peer.sql(call))[0] ?? {}
  }
}

/** Rows of every ref as Firn reads them. */
async function refsOf(golden: GoldenTable): Promise<Map<string, readonly string[]>> {
  const rows = new Map<string, readonly string[]>()
  for (const ref of Object.keys((await golden.load()).metadata.refs)) rows.set(ref, await golden.read(ref))
  return rows
}

function flatRowsOf(from: number, end: number, change = 0): readonly Row[] {
  const names = new Set(FLAT.fields.map(({ name }) => name))
  const isKept = ([name]: readonly [string, unknown]): boolean => names.has(name)
  return rowsOf(from, end, change).map((row) => Object.fromEntries(Object.entries(row).filter(isKept)))
}
