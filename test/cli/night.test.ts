import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { unpackSample } from '../../pipelines/quantum/sample/unpack-sample.js'
import { runAllFirn, runFirn, type Ended } from '../support/run-firn.js'

const root = mkdtempSync(join(tmpdir(), 'firn-cli-'))
const home = join(root, 'lake')
const from = join(root, 'documents')
const nightly = ['run', 'nightly', 'quantum', '--from', from, '--date', '2026-07-01'] as const
const TAG = 'v_20260701T020000Z'

/** Name of a file → the cause that its dead letter tells. */
const BAD: Readonly<Record<string, string>> = {
  'malformed.json': 'malformed-json',
  'empty.json': 'malformed-json',
  'array.json': 'not-an-object',
  'nan.json': 'not-a-number',
  'twice.json': 'duplicate-key',
  'deep.json': 'too-deep',
  'type.json': 'wrong-type',
  "'; DROP TABLE x; --.json": 'missing-field',
}

let stopped: Ended
let leftBehind: string
let night: Ended

beforeAll(async () => {
  mkdirSync(from)
  const [first = ''] = await unpackSample({ folder: from, count: 2 })
  writeBadDocuments(readFileSync(first, 'utf8'))
  let asked = false
  stopped = await runFirn([...nightly, '--json'], {
    home,
    onStderr(text, kill) {
      if (asked || !text.includes(': land')) return
      asked = true
      kill('SIGINT')
    },
  })
  leftBehind = processesOf(home)
  night = await runFirn([...nightly, '--json'], { home })
}, 120_000)
afterAll(() => rmSync(root, { recursive: true, force: true }))

function writeBadDocuments(good: string): void {
  const texts: Readonly<Record<string, string>> = {
    'malformed.json': '{"basis_set": ',
    'empty.json': '',
    'array.json': '[1, 2]',
    'nan.json': good.replace('"basis_set"', '"energy": NaN, "basis_set"'),
    'twice.json': good.replace('"basis_set"', '"basis_set": "x", "basis_set"'),
    'deep.json': '['.repeat(50_000) + ']'.repeat(50_000),
    'type.json': JSON.stringify({ ...(JSON.parse(good) as object), basis_set: { a: 1 } }),
    "'; DROP TABLE x; --.json": '{"a": 1e999}',
  }
  for (const [name, text] of Object.entries(texts)) writeFileSync(join(from, name), text)
}

/** Command lines of running processes that name this lake. */
function processesOf(lake: string): string {
  const all = execFileSync('ps', ['-eo', 'args'], { encoding: 'utf8' })
  return all
    .split('\n')
    .filter((line) => line.includes(lake))
    .join('\n')
}

function sql(query: string, ...options: readonly string[]): Promise<Ended> {
  return runFirn(['sql', query, ...options], { home })
}

async function rowsOf(query: string, ...options: readonly string[]): Promise<unknown> {
  const { code, stdout, stderr } = await sql(query, ...options, '--json')
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  return JSON.parse(stdout)
}

describe('A night from the command line', () => {
  it('that is stopped with Ctrl-C stops its server and workers and says so; the next one goes on', () => {
    expect(stopped.code).toBe(1)
    expect(JSON.parse(stopped.stdout)).toMatchObject({ error: { kind: 'cancelled', exitCode: 1 } })
    expect(leftBehind).toBe('')
    expect(processesOf(home)).toBe('')
  })

  it('prints its batch, its tag, and every table with new rows, snapshot id and tags', () => {
    expect({ code: night.code, stderr: night.stderr }).toMatchObject({ code: 0 })
    const result = JSON.parse(night.stdout) as {
      tables: readonly { name: string; newRows: number; snapshotId: string; tags: readonly string[] }[]
    }
    expect(result).toMatchObject({ batch: '20260701T020000Z', tag: TAG, status: 'published' })
    const results = result.tables.find((table) => table.name === 'quantum_features.vqe_results')
    expect(results).toEqual({
      name: 'quantum_features.vqe_results',
      newRows: 2,
      snapshotId: expect.stringMatching(/^\d+$/) as string,
      tags: [TAG],
    })
  })

  it('counts every bad document as a dead letter with its cause, its bytes kept, and lands the others', async () => {
    const letters = await rowsOf('SELECT path, error_kind, octet_length(raw) AS bytes FROM raw.dead_letters')
    const found = letters as readonly { path: string; error_kind: string; bytes: number }[]
    expect(Object.fromEntries(found.map((one) => [one.path, one.error_kind]))).toEqual(BAD)
    for (const { path, bytes } of found) expect(bytes).toBe(readFileSync(join(from, path)).length)
    expect(await rowsOf('SELECT count(*) AS n FROM quantum_features.vqe_results')).toEqual([{ n: 2 }])
  })

  it('leaves tables that are listed, described and read at tags and snapshots', async () => {
    const [list, text, show, history] = await runAllFirn(
      [
        ['tables', 'list', '--json'],
        ['tables', 'list'],
        ['tables', 'show', 'quantum_features.vqe_results', '--json'],
        ['tables', 'history', 'quantum_features.vqe_results', '--json'],
      ],
      { home },
    )
    const tables = JSON.parse(list?.stdout ?? '') as readonly { name: string; snapshotId: string }[]
    const results = tables.find((table) => table.name === 'quantum_features.vqe_results')
    expect(results).toMatchObject({ rows: 2, tags: [TAG] })
    expect(text?.stdout).toMatch(/^quantum_features\.vqe_results +2 /m)
    expect(text?.stdout).not.toContain('\x1b')
    expect(JSON.parse(show?.stdout ?? '')).toMatchObject({
      rows: 2,
      partition: expect.any(Array) as unknown[],
    })
    expect(JSON.parse(history?.stdout ?? '')).toMatchObject([
      { snapshotId: results?.snapshotId, addedRows: 2 },
    ])
    const count = 'SELECT count(*) AS n FROM quantum_features.vqe_results'
    expect(await rowsOf(count, '--at', TAG)).toEqual([{ n: 2 }])
    expect(await rowsOf(count, '--at', results?.snapshotId ?? '')).toEqual([{ n: 2 }])
    const integers = await rowsOf(
      'SELECT 9007199254740993 AS big, 9007199254740991 AS small, [1::BIGINT] AS list',
    )
    expect(integers).toEqual([{ big: '9007199254740993', small: 9007199254740991, list: [1] }])
    const control = await sql("SELECT chr(27) || '[2J' AS c, [9007199254740993] AS l")
    expect(control).toMatchObject({ code: 0, stdout: expect.stringContaining('\\u001b[2J') as string })
  })

  it('can be tagged by hand, once a name, and looked at by maintenance and plan, which change nothing', async () => {
    const tag = ['tag', 'create', 'quantum', 'before-upgrade', '--json']
    const created = await runFirn(tag, { home })
    expect(JSON.parse(created.stdout)).toContainEqual({
      table: 'quantum_features.vqe_results',
      snapshotId: expect.stringMatching(/^\d+$/) as string,
    })
    const [before, plan] = await runAllFirn(
      [
        ['tables', 'list', '--json'],
        ['plan', 'quantum'],
      ],
      { home },
    )
    expect(plan).toMatchObject({ code: 0, stdout: expect.stringContaining('nothing new') as string })
    const dry = await runFirn(['maintain', '--dry-run'], { home })
    expect(dry.code).toBe(0)
    expect(dry.stdout).toMatch(/^maintenance: \d+ tables looked at, nothing was due.*nothing changed\)$/m)
    const [after, tags] = await runAllFirn(
      [
        ['tables', 'list', '--json'],
        ['tag', 'list', '--json'],
      ],
      { home },
    )
    expect(after?.stdout).toBe(before?.stdout)
    expect((JSON.parse(tags?.stdout ?? '') as { tag: string }[]).map((one) => one.tag)).toEqual([
      'before-upgrade',
      TAG,
    ])
    expect(processesOf(home)).toBe('')
  })
})

describe('What the command line refuses on a lake', () => {
  it.each<[string, readonly string[], RegExp]>([
    [
      'a table that is not there',
      ['tables', 'show', 'quantum_features.vqe_result'],
      /did you mean quantum_features\.vqe_results/,
    ],
    ['a table that is a path', ['tables', 'history', '../../etc/passwd'], /no table \.\.\/\.\.\/etc\/passwd/],
    [
      'a table with SQL in its name',
      ['tables', 'show', "quantum_features.x'; DROP TABLE y"],
      /there is no table/,
    ],
    ['a tag with SQL in its name', ['tag', 'create', 'quantum', "v'; DROP TABLE x; --"], /no name for a tag/],
    ['a tag that is a path', ['tag', 'create', 'quantum', '../main'], /no name for a tag/],
    ['a name that batches use', ['tag', 'create', 'quantum', 'main'], /choose another/],
    [
      'to drop a tag that is not there',
      ['tag', 'drop', 'quantum', 'gone'],
      /no table of quantum has a tag gone/,
    ],
    [
      'to read at a tag that is not there',
      ['sql', 'SELECT * FROM raw.experiments', '--at', 'gone'],
      /no tag or branch 'gone'/,
    ],
    [
      'to read at SQL',
      ['sql', 'SELECT * FROM raw.experiments', '--at', "x'; DROP TABLE y"],
      /no tag or branch/,
    ],
    [
      'to read at a snapshot that is not there',
      ['sql', 'SELECT * FROM raw.experiments', '--at', '12'],
      /no snapshot 12/,
    ],
    ['SQL that deletes', ['sql', 'DELETE FROM raw.experiments'], /only a SELECT/],
    [
      'SQL that reads a file by function',
      ['sql', "SELECT * FROM read_text('/etc/hosts')"],
      /read_text can't be used/,
    ],
    ['SQL that reads a file by name', ['sql', "SELECT * FROM '/etc/hosts'"], /no table \/etc\/hosts/],
    ['SQL that writes a file', ['sql', `COPY (SELECT 1) TO '${root}/out.csv'`], /only a SELECT/],
    ['SQL that attaches', ['sql', `ATTACH '${root}/x.db' AS x`], /only a SELECT/],
    ['SQL that asks the engine', ['sql', 'PRAGMA database_list'], /only a SELECT/],
    ['SQL in two statements', ['sql', 'SELECT 1; SELECT 2'], /one SELECT, but there are 2/],
    ['SQL that cannot be parsed', ['sql', 'SELEKT 1'], /cannot be parsed/],
  ])('%s', async (_, args, message) => {
    const { code, stdout } = await runFirn([...args, '--json'], { home })
    expect(code).toBe(2)
    expect(JSON.parse(stdout)).toMatchObject({ error: { message: expect.stringMatching(message) as string } })
  })
})
