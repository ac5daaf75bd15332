import { createHash } from 'node:crypto'
import { readFileSync, rmSync } from 'node:fs'
import { gunzipSync, gzipSync } from 'node:zlib'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { toLocalPath } from '../../iceberg/io/location.js'
import { canonicalJson } from '../../schemas/canonical-json.js'
import { commitLanding } from '../../lake/land/commit-landing.js'
import { fetchLanding } from '../../lake/land/fetch-landing.js'
import { planLanding } from '../../lake/land/plan-landing.js'
import { maintainTable } from '../../lake/maintain/maintain-lake.js'
import type { LakeDeps } from '../../schemas/lake-deps.js'
import type { LandResult } from '../../schemas/messages.js'
import type { Pipeline } from '../../schemas/pipeline.js'
import { Crash } from './support/crashing.js'
import type { TestLake } from './support/lake.js'
import { testLake } from './support/lake.js'
import { setHead } from './support/set-head.js'

const BATCH = '20260701T020000Z'
const NEXT_BATCH = '20260702T020000Z'

const runs: Pipeline = {
  name: 'runs',
  namespace: 'runs_features',
  directory: '/nowhere',
  sources: {
    runs: {
      kind: 'json',
      topic: 'lab.runs',
      schema: { id: 'string', 'energy?': 'double', 'steps?': 'list<int>' },
      identity: ['id'],
      maxDocumentBytes: 1_000_000,
    },
  },
  tables: {},
  sqlTexts: {},
}

let lake: TestLake
beforeEach(() => (lake = testLake([runs])))
afterEach(() => lake.close())

async function land(batch = BATCH): Promise<LandResult> {
  const plan = await planLanding(lake.deps, { pipeline: 'runs', from: lake.inbox, batch })
  const fetched = await fetchLanding(lake.deps, plan)
  return await commitLanding(lake.deps, plan, [fetched])
}

/** The envelopes of all raw objects that the ledger names, in ledger order. */
async function landedRecords(): Promise<readonly Record<string, unknown>[]> {
  const ledger = await lake.rows('raw.runs', 'row_number')
  const objects = [...new Set(ledger.map((row) => row['path'] as string))]
  return objects.flatMap((path) =>
    gunzipSync(readFileSync(toLocalPath(path)))
      .toString()
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as Record<string, unknown>),
  )
}

async function snapshots(table: string): Promise<number> {
  const [namespace, name] = table.split('.') as [string, string]
  return (await lake.catalog.loadTable({ namespace, name })).metadata.snapshots.length
}

describe('landing a folder', () => {
  it('writes every record verbatim with its envelope, and one ledger row a file', async () => {
    const text = '{ "id":\t"b", "energy": -1.50 }\n'
    lake.put('2-b.json', text)
    lake.put("1-'quoted' \n name.json", { id: 'a' })
    lake.put('sub/3.jsonl.gz', gzipSync('{"id":"c"}\n\n{"id":"d"}\n'))
    lake.put('notes.txt', 'not a document')
    lake.put('.hidden.json', 'not seen')
    const result = await land()
    expect(result).toMatchObject({
      source: 'runs',
      batch: BATCH,
      files: 3,
      objects: 1,
      records: 4,
      deadLetters: 0,
      rowNumberEnd: 3,
    })
    const records = await landedRecords()
    expect(records.map((record) => [record['offset'], record['path'], record['topic']])).toEqual([
      [0, "1-'quoted' \n name.json", 'lab.runs'],
      [1, '2-b.json', 'lab.runs'],
      [2, 'sub/3.jsonl.gz', 'lab.runs'],
      [3, 'sub/3.jsonl.gz', 'lab.runs'],
    ])
    expect(records[1]).toMatchObject({
      payload: text,
      partition: 0,
      key: null,
      timestamp: '2026-07-01T00:00:00.000Z',
    })
    expect(records[1]!['record_id']).toBe(
      createHash('sha256')
        .update(canonicalJson(['b']))
        .digest('hex'),
    )
    const ledger = await lake.rows('raw.runs', 'row_number')
    expect(
      ledger.map((row) => [row['row_number'], row['first'], row['next_offset'], row['records']]),
    ).toEqual([
      [0n, 0n, 1n, 1n],
      [1n, 1n, 2n, 1n],
      [2n, 2n, 4n, 2n],
    ])
    const object = ledger[0]!['path'] as string
    expect(object).toMatch(/\/raw\/runs\/2026-07-01\/[0-9a-f]{12}-0-0-4\.jsonl\.gz$/)
    expect(ledger[0]!['sha256']).toBe(
      createHash('sha256')
        .update(readFileSync(toLocalPath(object)))
        .digest('hex'),
    )
  })

  it('writes nothing where nothing is new, and returns the recorded result of a commit done twice', async () => {
    lake.put('a.json', { id: 'a' })
    const plan = await planLanding(lake.deps, {
      pipeline: 'runs',
      source: 'runs',
      from: lake.inbox,
      batch: BATCH,
    })
    const fetched = await fetchLanding(lake.deps, plan)
    const first = await commitLanding(lake.deps, plan, [fetched])
    expect(await commitLanding(lake.deps, plan, [fetched])).toEqual(first)
    const calls = lake.crash.calls
    const again = await land()
    expect(again).toMatchObject({
      files: 0,
      records: 0,
      rowNumberEnd: 1,
      ledgerSnapshotId: first.ledgerSnapshotId,
    })
    expect(lake.crash.calls - calls).toBeLessThan(20)
    expect(await land(NEXT_BATCH)).toMatchObject({ files: 0 })
    expect(await snapshots('raw.runs')).toBe(1)
    expect(await snapshots('raw.dead_letters')).toBe(0)
  })

  it('lands what came later under the same batch, going on in the numbers', async () => {
    lake.put('b.json', { id: 'b' })
    await land()
    lake.put('a.json', { id: 'a' })
    lake.put('c.json', { id: 'c' })
    expect(await land()).toMatchObject({ files: 2, records: 2, rowNumberEnd: 3 })
    expect((await landedRecords()).map((record) => [record['offset'], record['path']])).toEqual([
      [0, 'b.json'],
      [1, 'a.json'],
      [2, 'c.json'],
    ])
  })

  it('lands a changed file as a new record of the same path, with a warning', async () => {
    lake.put('a.json', { id: 'a', energy: 1 })
    await land()
    lake.put('a.json', { id: 'a', energy: 2 }, Date.UTC(2026, 6, 2))
    const result = await land(NEXT_BATCH)
    expect(result).toMatchObject({ files: 1, records: 1, rowNumberEnd: 2 })
    expect(result.warnings).toEqual([expect.stringMatching(/"a\.json" changed after it was landed/)])
    expect((await lake.rows('raw.runs')).map((row) => row['source_path'])).toEqual(['a.json', 'a.json'])
  })

  it('lets files settle', async () => {
    const deps = { ...lake.deps, settings: { ...lake.deps.settings, settleMs: 60_000 } }
    lake.put('young.json', { id: 'a' }, lake.deps.now() - 1000)
    const plan = await planLanding(deps, { pipeline: 'runs', from: lake.inbox, batch: BATCH })
    expect(plan).toMatchObject({ files: 0, warnings: [expect.stringMatching(/1 files are too young/)] })
  })

  it('gives each folder offsets of its own', async () => {
    lake.put('x/a.json', { id: 'a' })
    lake.put('y/a.json', { id: 'b' })
    for (const folder of ['x', 'y']) {
      const plan = await planLanding(lake.deps, {
        pipeline: 'runs',
        from: `${lake.inbox}/${folder}`,
        batch: BATCH,
      })
      expect(plan).toMatchObject({ first: 0, end: 1 })
      await commitLanding(lake.deps, plan, [await fetchLanding(lake.deps, plan)])
    }
    lake.put('x/b.json', { id: 'c' })
    const plan = await planLanding(lake.deps, { pipeline: 'runs', from: `${lake.inbox}/x/`, batch: BATCH })
    expect(plan).toMatchObject({ first: 1, end: 2 })
  })
})

describe('records that break the contract', () => {
  it('go to the dead letters with cause and place, and the others land', async () => {
    lake.put('1.json', { id: 'good' })
    lake.put('2.json', '{"id": "x", "energy": NaN}')
    lake.put('3.json', { energy: 1 })
    lake.put('4.json', { id: 'x', steps: [1, 'two'] })
    lake.put('5.json', new Uint8Array([0xff]))
    lake.put('6.json', JSON.stringify({ id: 'x'.repeat(1_000_001) }))
    lake.put('7.json', '')
    const result = await land()
    expect(result).toMatchObject({ files: 7, records: 1, deadLetters: 6 })
    const letters = await lake.rows('raw.dead_letters', '"offset"')
    expect(letters.map((row) => [row['offset'], row['error_kind'], row['document_path']])).toEqual([
      [1n, 'not-a-number', 'energy'],
      [2n, 'missing-field', 'id'],
      [3n, 'wrong-type', 'steps[1]'],
      [4n, 'invalid-utf8', null],
      [5n, 'too-large', null],
      [6n, 'malformed-json', null],
    ])
    expect(Buffer.from(letters[0]!['raw'] as Uint8Array).toString()).toBe('{"id": "x", "energy": NaN}')
    expect(letters[0]).toMatchObject({ source: 'runs', path: '2.json', batch: BATCH })
    expect((await lake.rows('raw.runs', 'row_number')).map((row) => row['dead_letters'])).toEqual([
      0n,
      1n,
      1n,
      1n,
      1n,
      1n,
      1n,
    ])
    expect(await land(NEXT_BATCH)).toMatchObject({ files: 0 })
  })

  it('land nothing where every one of them does, and do once the cause is mended', async () => {
    for (const name of ['1', '2', '3']) lake.put(`${name}.json`, { ID: name })
    const failure = await land().catch((error: unknown) => error)
    expect(failure).toMatchObject({ kind: 'contract-broken', retryable: false })
    expect(String(failure)).toMatch(/all 3 records .* "1\.json" \(offset 0\): missing-field at id/)
    expect(await snapshots('raw.runs')).toBe(0)
    lake.put('4.json', { id: 'good' })
    expect(await land()).toMatchObject({ files: 4, records: 1, deadLetters: 3 })
  })
})

describe('landing at the same time as others', () => {
  it('is refused to a zombie, whose range is landed', async () => {
    lake.put('a.json', { id: 'a' })
    const zombie = await planLanding(lake.deps, { pipeline: 'runs', from: lake.inbox, batch: NEXT_BATCH })
    const fetched = await fetchLanding(lake.deps, zombie)
    await land(BATCH)
    await expect(commitLanding(lake.deps, zombie, [fetched])).rejects.toMatchObject({ kind: 'stale-range' })
    expect(await lake.rows('raw.runs')).toHaveLength(1)
    expect(await land(NEXT_BATCH)).toMatchObject({ files: 0 })
  })

  it('lets one of two win and the other plan again', async () => {
    for (const name of ['a', 'b', 'c']) lake.put(`${name}.json`, { id: name })
    const results = await Promise.allSettled([land(BATCH), land(NEXT_BATCH)])
    const lost = results.filter((result) => result.status === 'rejected')
    for (const { reason } of lost) expect(reason).toMatchObject({ kind: 'stale-range' })
    await land(BATCH)
    await land(NEXT_BATCH)
    expect((await landedRecords()).map((record) => record['offset'])).toEqual([0, 1, 2])
  })

  it('says so when a planned file is changed or gone before it is read, and plans anew', async () => {
    lake.put('a.json', { id: 'a' })
    lake.put('b.json', { id: 'b' })
    const plan = await planLanding(lake.deps, { pipeline: 'runs', from: lake.inbox, batch: BATCH })
    lake.put('a.json', { id: 'a', energy: 5 }, Date.UTC(2026, 6, 2))
    rmSync(`${lake.inbox}/b.json`)
    const failure = await fetchLanding(lake.deps, plan).catch((error: unknown) => error)
    expect(failure).toMatchObject({ kind: 'stale-range' })
    expect(String(failure)).toMatch(/"a\.json" changed since its landing was planned/)
    expect(await land()).toMatchObject({ files: 1, records: 1, rowNumberEnd: 1 })
  })

  it('refuses to write other bytes under the name of a raw object', async () => {
    lake.put('a.json', { id: 'a' })
    const plan = await planLanding(lake.deps, { pipeline: 'runs', from: lake.inbox, batch: BATCH })
    const object = `${lake.deps.warehouse}/raw/runs/2026-07-01/${plan.incarnation}-0-0-1.jsonl.gz`
    await lake.deps.catalog.io.createIfAbsent(object, gzipSync('other'))
    await expect(fetchLanding(lake.deps, plan)).rejects.toMatchObject({ kind: 'raw-differs' })
    await lake.deps.catalog.io.delete(object)
    expect(await land()).toMatchObject({ records: 1 })
  })

  it('is refused where clean-up took its files at the last moment, and then lands', async () => {
    lake.put('a.json', { id: 'a' })
    const plan = await planLanding(lake.deps, { pipeline: 'runs', from: lake.inbox, batch: BATCH })
    const fetched = await fetchLanding(lake.deps, plan)
    const later = { ...lake.deps, now: () => Date.now() + 9 * 86_400_000 }
    const loadTables: LakeDeps['catalog']['loadTables'] = async (identifiers) => {
      await maintainTable(later, 'raw.runs', { dryRun: false })
      return lake.catalog.loadTables(identifiers)
    }
    const catalog = new Proxy(lake.catalog, {
      get(target, name) {
        const value: unknown = name === 'loadTables' ? loadTables : Reflect.get(target, name, target)
        return typeof value === 'function' ? (value.bind(target) as unknown) : value
      },
    })
    await expect(commitLanding({ ...lake.deps, catalog }, plan, [fetched])).rejects.toMatchObject({
      kind: 'stage-expired',
    })
    expect(await land()).toMatchObject({ files: 1, records: 1 })
    expect(await lake.rows('raw.runs')).toHaveLength(1)
  })

  it('lands what a rollback removed before what is new, so that no batch takes one for the other', async () => {
    lake.put('a.json', { id: 'a' })
    const { ledgerSnapshotId } = await land(BATCH)
    for (const name of ['c', 'b']) {
      lake.put(`${name}.json`, { id: name })
      await land(NEXT_BATCH)
    }
    await setHead(lake.catalog, 'raw.runs', ledgerSnapshotId!)
    lake.put('aa.json', { id: 'new' })
    await land('20260703T020000Z')
    const ledger = await lake.rows('raw.runs', 'row_number')
    expect(ledger.map((row) => row['source_path'])).toEqual(['a.json', 'c.json', 'b.json', 'aa.json'])
  })

  it('brings back exactly the rows that a rollback of the ledger removed, and no dead letter twice', async () => {
    lake.put('a.json', { id: 'a' })
    const { ledgerSnapshotId } = await land(BATCH)
    lake.put('b.json', { id: 'b' })
    lake.put('c.json', '{bad')
    await land(NEXT_BATCH)
    const before = await lake.rows('raw.runs', 'row_number')
    await setHead(lake.catalog, 'raw.runs', ledgerSnapshotId!)
    expect(await lake.rows('raw.runs')).toHaveLength(1)
    expect(await land('20260703T020000Z')).toMatchObject({
      files: 0,
      records: 0,
      deadLetters: 0,
      rowNumberEnd: 3,
      warnings: ['2 ledger rows that a rollback had removed are back, as they were'],
    })
    expect(await lake.rows('raw.runs', 'row_number')).toEqual(before)
    expect(await lake.rows('raw.dead_letters')).toHaveLength(1)
  })
})

describe('a landing that is cancelled or killed', () => {
  it('ends with kind cancelled and leaves nothing visible', async () => {
    lake.put('a.json', { id: 'a' })
    const plan = await planLanding(lake.deps, { pipeline: 'runs', from: lake.inbox, batch: BATCH })
    const signal = AbortSignal.abort()
    await expect(fetchLanding(lake.deps, plan, 0, { signal })).rejects.toMatchObject({ kind: 'cancelled' })
    expect(await land()).toMatchObject({ records: 1 })
  })

  it('ends the same, killed after any call', async () => {
    let crashes = 0
    for (let at = 1; ; at++) {
      lake.close()
      lake = testLake([runs])
      lake.put('0.json', { id: '0' })
      await land('20260630T020000Z')
      for (const name of ['a', 'b']) lake.put(`${name}.json`, { id: name })
      lake.put('c.json', '{"bad"')
      lake.crash.revive()
      lake.crash.set(at, 'after')
      const outcome = await land().catch((error: unknown) => error)
      const crashed = lake.crash.calls >= at
      lake.crash.revive()
      if (!crashed) break
      crashes += 1
      expect(chainOf(outcome).some((error) => error instanceof Crash) || !(outcome instanceof Error)).toBe(
        true,
      )
      await land()
      expect(
        (await lake.rows('raw.runs', 'row_number')).map((row) => [
          row['row_number'],
          row['source_path'],
          row['batch'],
        ]),
      ).toEqual([
        [0n, '0.json', '20260630T020000Z'],
        [1n, 'a.json', BATCH],
        [2n, 'b.json', BATCH],
        [3n, 'c.json', BATCH],
      ])
      expect((await landedRecords()).map((record) => record['offset'])).toEqual([0, 1, 2])
      expect(await lake.rows('raw.dead_letters')).toHaveLength(1)
    }
    expect(crashes).toBeGreaterThan(10)
  })
})

describe('what is asked for wrongly', () => {
  it.each([
    [{ pipeline: 'nope' }, 'not-found', /no pipeline "nope"; there are: runs/],
    [{ pipeline: 'runs', source: '../runs' }, 'not-found', /no "\.\.\/runs"/],
    [{ pipeline: 'runs', batch: 'yesterday' }, 'invalid-input', /batch "yesterday" .* 20261121T020000Z/],
    [{ pipeline: 'runs', batch: '../../x' }, 'invalid-input', /not a batch id/],
    [
      { pipeline: 'runs', batch: BATCH, from: '/no/such "folder"' },
      'invalid-input',
      /give an existing folder/,
    ],
    [{ pipeline: 'runs', batch: BATCH, from: '/dev/null' }, 'invalid-input', /not a folder/],
    [{ pipeline: 'runs', batch: BATCH }, 'config', /no folder to land from/],
  ])('%j is told what to do', async (input, kind, message) => {
    const failure = await planLanding(lake.deps, input).catch((error: unknown) => error)
    expect(failure).toMatchObject({ kind })
    expect(String(failure)).toMatch(message)
  })
})

function chainOf(error: unknown): readonly unknown[] {
  return error instanceof Error ? [error, ...chainOf(error.cause)] : []
}
