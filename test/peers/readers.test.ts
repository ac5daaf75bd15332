import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { runSql } from '../../lake/query/sql.js'
import { unpackSample } from '../../pipelines/quantum/sample/unpack-sample.js'
import { lakeConfig, landingFolder, withLakeAt } from '../support/lake-process.js'
import { readPeers } from '../support/peers.js'
import { runNight } from '../../bench/run-night.js'

/**
 * Goal: other implementations see the very rows that Firn sees, at the head and at a tag. Method: two batches of real
 * documents; PyIceberg and Spark open catalog.db and print every row of every table, which are compared one by one.
 */
const home = mkdtempSync(join(tmpdir(), 'firn-readers-'))
const config = lakeConfig(home)
const peers = readPeers()
const FIRST = 'v_20260701T020000Z'
type Rows = Map<string, string[]>
let ours: Rows

beforeAll(async () => {
  await withLakeAt(home, async ({ deps }) => {
    const from = landingFolder(home)
    await unpackSample({ folder: from, from: 0, count: 4 })
    await runNight(deps, { pipeline: 'quantum', from, batch: '20260701T020000Z' })
    await unpackSample({ folder: from, from: 4, count: 2 })
    await runNight(deps, { pipeline: 'quantum', from, batch: '20260702T020000Z' })
    ours = await firnRows(deps)
  })
}, 120_000)

afterAll(() => rmSync(home, { recursive: true, force: true }))

const why = (peer: string): string => (peers.missing[peer] === undefined ? '' : ` [${peers.missing[peer]}]`)

test.skipIf(peers.python === null)(
  `PyIceberg reads every table with equal rows, at the head and at a tag${why('python')}`,
  async () => {
    await expectEqualRows(await peerRows('pyiceberg', []))
  },
)

test.skipIf(peers.python === null || peers.sparkJars === null)(
  `Spark reads every table with equal rows, at the head and at a tag${why('spark')}`,
  async () => {
    await expectEqualRows(await peerRows('spark', [peers.sparkJars!.join(',')]))
  },
)

function expectEqualRows(theirs: Rows): Promise<void> {
  expect([...theirs.keys()].sort()).toEqual([...ours.keys()].sort())
  for (const [key, rows] of ours) {
    expect(theirs.get(key)?.length, key).toBe(rows.length)
    expect(theirs.get(key), key).toEqual(rows)
  }
  expect([...ours.keys()].filter((key) => key.endsWith(`@${FIRST}`)).length).toBeGreaterThanOrEqual(11)
  return Promise.resolve()
}

/** Rows of every table as sorted texts, keyed by `table@head` and `table@tag`. */
async function firnRows(deps: Parameters<typeof runSql>[0]): Promise<Rows> {
  const rows: Rows = new Map()
  for (const namespace of await deps.catalog.listNamespaces()) {
    for (const identifier of await deps.catalog.listTables(namespace)) {
      const { metadata } = await deps.catalog.loadTable(identifier)
      const name = `${namespace}.${identifier.name}`
      for (const at of ['head', ...(FIRST in metadata.refs ? [FIRST] : [])]) {
        const result = await runSql(deps, {
          sql: `SELECT * FROM ${name}`,
          limit: 1_000_000,
          ...(at === 'head' ? {} : { at }),
        })
        const dates = new Set(
          result.columns.filter((column) => column.type === 'DATE').map((column) => column.name),
        )
        rows.set(`${name}@${at}`, result.rows.map((row) => canonical(row, dates)).sort())
      }
    }
  }
  return rows
}

async function peerRows(peer: string, extra: readonly string[]): Promise<Rows> {
  const script = join(import.meta.dirname, 'read_tables.py')
  const args = [script, peer, config.catalogPath, config.warehouse, FIRST, ...extra]
  const child = spawn(peers.python!, args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, PYSPARK_PYTHON: peers.python! },
  })
  let errors = ''
  child.stderr.on('data', (chunk) => (errors = (errors + String(chunk)).slice(-3000)))
  const rows: Rows = new Map()
  for await (const line of createInterface({ input: child.stdout })) {
    const { table, at, row } = JSON.parse(line) as {
      table: string
      at: string
      row?: Record<string, unknown>
    }
    const list = rows.get(`${table}@${at}`) ?? []
    rows.set(`${table}@${at}`, list)
    if (row !== undefined) list.push(canonical(row, new Set()))
  }
  const code = child.exitCode ?? (await new Promise((resolve) => child.once('exit', resolve)))
  expect(code, errors).toBe(0)
  return new Map([...rows].map(([key, list]) => [key, list.sort()]))
}

/** One spelling for a row of either side: integers as text, doubles with all their digits, keys sorted. */
function canonical(row: Readonly<Record<string, unknown>>, dates: ReadonlySet<string>): string {
  const plain = (value: unknown): unknown => {
    if (value instanceof Uint8Array) return Buffer.from(value).toString('hex')
    if (typeof value === 'bigint') return value.toString()
    if (typeof value === 'number' && Number.isInteger(value)) return value.toString()
    return Array.isArray(value) ? value.map(plain) : value
  }
  const entries = Object.entries(row).sort(([a], [b]) => (a < b ? -1 : 1))
  return JSON.stringify(entries.map(([key, value]) => [key, dates.has(key) ? String(value) : plain(value)]))
}
