import { gunzipSync } from 'node:zlib'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openTable } from '../../engine/table/open-table.js'
import { expireSnapshots } from '../../iceberg/maintain/expire.js'
import { dropLetters, planDrop } from '../../lake/dead-letters/drop-letters.js'
import { formatLetterId, parseLetterId } from '../../lake/dead-letters/letter-id.js'
import { listLetters } from '../../lake/dead-letters/list-letters.js'
import { replayLetters, type ReplayedSource } from '../../lake/dead-letters/replay-letters.js'
import { showLetter } from '../../lake/dead-letters/show-letter.js'
import { maintainTable } from '../../lake/maintain/maintain-lake.js'
import type { LakeDeps } from '../../schemas/lake-deps.js'
import { MemoryTopics } from '../support/memory-topics.js'
import { keepOneSnapshot } from './support/keep-one-snapshot.js'
import { auditRows, build } from './support/batches.js'
import type { TestLake } from './support/lake.js'
import { testLake } from './support/lake.js'
import { badRun, goodRun, landNew, mended, rollBack, strictPipeline } from './support/letters.js'

const [DAY_1, DAY_2, DAY_3] = ['20260701T020000Z', '20260702T020000Z', '20260703T020000Z'] as const

let lake: TestLake
beforeEach(() => (lake = testLake([strictPipeline])))
afterEach(() => lake.close())

const WHY = { reason: 'spam', by: 'test' }

function replay(deps: LakeDeps = mended(lake.deps), more: object = {}): Promise<readonly ReplayedSource[]> {
  return replayLetters(deps, { selection: {}, batch: DAY_2, ...more })
}

async function ids(): Promise<readonly string[]> {
  return (await listLetters(lake.deps, {}, { limit: 1000 })).letters.map((letter) => letter.id).sort()
}

/** Two good records and two bad ones of one file. */
async function landFour(): Promise<void> {
  lake.put(
    'a.jsonl',
    [goodRun('a'), badRun('b'), badRun('c'), goodRun('d')].map((r) => JSON.stringify(r)).join('\n'),
  )
  await landNew(lake, lake.deps, DAY_1)
}

async function ledger() {
  return await lake.rows('raw.runs', 'row_number')
}

/** Lines of all raw objects that the ledger names, by what the ledger says of them. */
async function landedLines(): Promise<
  { partition: number; offset: number; key: string | null; id: string }[]
> {
  const lines = []
  for (const row of await ledger()) {
    if (row['records'] === 0n) continue
    const text = gunzipSync(await lake.catalog.io.read(row['path'] as string)).toString('utf8')
    const own = text
      .trimEnd()
      .split('\n')
      .map(
        (line) =>
          JSON.parse(line) as { partition: number; offset: number; key: string | null; payload: string },
      )
      .filter(
        ({ offset }) =>
          BigInt(offset) >= (row['first'] as bigint) && BigInt(offset) < (row['next_offset'] as bigint),
      )
    expect(own).toHaveLength(Number(row['records']))
    for (const { partition, offset, key, payload } of own)
      lines.push({ partition, offset, key, id: (JSON.parse(payload) as { id: string }).id })
  }
  return lines.sort((x, y) => x.partition - y.partition || x.offset - y.offset)
}

async function landedIds(): Promise<string> {
  return (await landedLines()).map(({ id }) => id).join('')
}

/** The mended lake, on which `first` happens just before the first commit is tried. */
function overtaken(first: () => Promise<unknown>): LakeDeps {
  const deps = mended(lake.deps)
  let due: (() => Promise<unknown>) | undefined = first
  const commit: LakeDeps['catalog']['commit'] = async (commits) => {
    const act = due
    due = undefined
    await act?.()
    return await deps.catalog.commit(commits)
  }
  const catalog = new Proxy(deps.catalog, {
    get: (target, key) => (key === 'commit' ? commit : (Reflect.get(target, key, target) as unknown)),
  })
  return { ...deps, catalog }
}

describe('ids of dead letters', () => {
  it('are read back as they are written', () => {
    for (const incarnation of [null, '0a1b2c3d4e5f']) {
      const id = { source: 'runs_2', incarnation, partition: 12, offset: 9_007_199_254_740_991 }
      expect(parseLetterId(formatLetterId(id))).toEqual(id)
    }
  })

  it.each([
    '',
    'runs',
    'runs/-/0',
    'runs/xyz/0/1',
    'runs/-/0/1/2',
    'runs/-/-1/1',
    "r'/-/0/1",
    'runs/-/0/9007199254740993',
  ])('are refused where they are none: %j', (text) =>
    expect(() => parseLetterId(text)).toThrow(/no id of a dead letter/),
  )
})

describe('list and show', () => {
  it('count by source and cause, newest landing first, and stay within the limit', async () => {
    expect(await listLetters(lake.deps, {}, { limit: 5 })).toEqual({ total: 0, counts: [], letters: [] })
    await landFour()
    lake.put('b.json', '{"id": "e", "grp": 7, "values": []}')
    lake.put('c.json', goodRun('f'))
    await landNew(lake, lake.deps, DAY_2)
    const list = await listLetters(lake.deps, {}, { limit: 2 })
    expect(list.total).toBe(3)
    expect(list.counts).toEqual([
      {
        source: 'runs',
        kind: 'undeclared-member',
        letters: 2,
        bytes: 92,
        newestLandedAt: '2026-07-01T02:00:00.000Z',
      },
      {
        source: 'runs',
        kind: 'wrong-type',
        letters: 1,
        bytes: 35,
        newestLandedAt: '2026-07-02T02:00:00.000Z',
      },
    ])
    expect(list.letters.map(({ kind, path, offset, batch }) => ({ kind, path, offset, batch }))).toEqual([
      { kind: 'wrong-type', path: 'b.json', offset: 4, batch: DAY_2 },
      { kind: 'undeclared-member', path: 'a.jsonl', offset: 1, batch: DAY_1 },
    ])
    const total = async (selection: object) => (await listLetters(lake.deps, selection, { limit: 0 })).total
    expect(await total({ kind: 'wrong-type' })).toBe(1)
    expect(await total({ kind: "wrong'type" })).toBe(0)
    expect(await total({ source: 'other' })).toBe(0)
    expect(await total({ batch: DAY_1 })).toBe(2)
    expect(await total({ sinceMs: Date.UTC(2026, 6, 2) })).toBe(1)
    expect(await total({ source: 'runs', kind: 'undeclared-member', batch: DAY_2 })).toBe(0)
  })

  it('show the record byte by byte, the contract as it is now and whether it still breaks it', async () => {
    await landFour()
    const [id = ''] = await ids()
    const [shown] = await showLetter(lake.deps, parseLetterId(id))
    expect(shown).toMatchObject({
      ...{ id, source: 'runs', kind: 'undeclared-member', documentPath: 'rating', bytes: 46 },
      contract: { pipeline: 'lab', topic: 'lab.runs', contract: 'discard-row' },
      breaks: { kind: 'undeclared-member', documentPath: 'rating' },
    })
    expect(Buffer.from(shown!.raw).toString('utf8')).toBe(JSON.stringify(badRun('b')))
    expect(await showLetter(mended(lake.deps), parseLetterId(id))).toMatchObject([{ breaks: null }])
    const nobody = { ...lake.deps, pipelines: new Map() }
    expect((await showLetter(nobody, parseLetterId(id)))[0]).toMatchObject({ contract: null })
    await expect(showLetter(lake.deps, { ...parseLetterId(id), offset: 77 })).rejects.toMatchObject({
      kind: 'not-found',
    })
  })
})

describe('replay', () => {
  it('lands what keeps the mended contract: the next build has it once, however often it is replayed', async () => {
    await landFour()
    await build(lake.deps, DAY_1)
    expect(await replay(lake.deps)).toMatchObject([
      { replayed: 0, stayed: 2, staying: [{ kind: 'undeclared-member', documentPath: 'rating' }, {}] },
    ])
    const preview = await replay(undefined, { dryRun: true })
    expect(preview).toMatchObject([{ replayed: 2, stayed: 0, objects: 0 }])
    expect(await ids()).toHaveLength(2)
    expect(await replay()).toMatchObject([
      { source: 'runs', batch: DAY_2, replayed: 2, stayed: 0, objects: 1 },
    ])
    expect(await replay()).toEqual([])
    expect(await ids()).toEqual([])
    const [landed, replayed] = await ledger()
    expect(replayed).toMatchObject({
      ...{
        row_number: 1n,
        partition: 0,
        first: 1n,
        next_offset: 3n,
        records: 2n,
        dead_letters: 0n,
        bytes: 92n,
      },
      ...{ incarnation: landed?.['incarnation'], batch: DAY_2, min_event_time: landed?.['min_event_time'] },
      path: expect.stringMatching(
        /\/raw\/runs\/2026-07-02\/[0-9a-f]{12}-0-1-3-replay-[0-9a-f]{12}\.jsonl\.gz$/,
      ) as string,
    })
    await build(mended(lake.deps), DAY_2)
    const results = await lake.rows('lab_features.results', 'processing_batch_id, size')
    expect(results.map((row) => row['processing_batch_id'])).toEqual([DAY_1, DAY_1, DAY_2, DAY_2])
    expect(await build(mended(lake.deps), DAY_3)).toBeUndefined()
    expect(await auditRows(lake)).toHaveLength(2)
  })

  it('leaves the positions alone: landing goes on where it stood', async () => {
    await landFour()
    await replay()
    expect(await landNew(lake, lake.deps, DAY_3)).toMatchObject({ records: 0, deadLetters: 0 })
    lake.put('b.json', goodRun('e'))
    expect(await landNew(lake, lake.deps, DAY_3)).toMatchObject({ records: 1, rowNumberEnd: 3 })
    expect(await landedLines()).toMatchObject([0, 1, 2, 3, 4].map((offset) => ({ offset })))
    // Also where the summary that repeats the position is lost.
    await openTable({ ...lake.deps, identifier: 'raw.runs' }).append([], { tags: [{ name: 'x' }] })
    lake.put('c.json', goodRun('f'))
    await landNew(lake, lake.deps, DAY_3)
    expect((await ledger()).map((row) => row['row_number'])).toEqual([0n, 1n, 2n, 3n])
  })

  it('takes only what is selected, and says of the others what they still break', async () => {
    await landFour()
    lake.put('b.json', '{"id": "e", "grp": 7, "values": []}')
    await landNew(lake, lake.deps, DAY_2)
    const [first = '', second = '', third = ''] = await ids()
    expect(await replay(undefined, { selection: { kind: 'nothing' } })).toEqual([])
    expect(await replay(undefined, { selection: { ids: [parseLetterId(second)] } })).toMatchObject([
      { replayed: 1 },
    ])
    expect(await ids()).toEqual([first, third])
    expect(await replay()).toMatchObject([
      { replayed: 1, stayed: 1, staying: [{ id: third, kind: 'wrong-type', documentPath: 'grp' }] },
    ])
    expect(await ids()).toEqual([third])
    expect(await landedIds()).toBe('abcd')
  })

  it('puts records of a topic back into their partitions, keys and times and all; what has no value stays', async () => {
    const topics = new MemoryTopics()
    topics.create('lab.runs', 2)
    const deps = { ...lake.deps, topics }
    const key = (text: string) => ({ key: Buffer.from(text) })
    for (const [partition, name] of [
      [0, 'a'],
      [1, 'b'],
    ] as const) {
      topics.send('lab.runs', partition, goodRun(`${name}0`))
      topics.send('lab.runs', partition, badRun(`${name}1`), key('k1'))
      topics.skip('lab.runs', partition, 2)
      topics.send('lab.runs', partition, null, key('gone'))
      topics.send('lab.runs', partition, badRun(`${name}5`), { key: Buffer.from([0xff]) })
      topics.send('lab.runs', partition, goodRun(`${name}6`))
    }
    expect(await landNew(lake, deps, DAY_1)).toMatchObject({ records: 4, deadLetters: 6 })
    expect(await replay(mended(deps))).toMatchObject([
      { replayed: 4, stayed: 2, objects: 2, staying: [{ kind: 'no-value' }, { kind: 'no-value' }] },
    ])
    expect(await landedLines()).toEqual(
      [0, 1].flatMap((partition) => {
        const name = partition === 0 ? 'a' : 'b'
        return [
          { partition, offset: 0, key: null, id: `${name}0` },
          { partition, offset: 1, key: 'k1', id: `${name}1` },
          { partition, offset: 5, key: 'base64:/w==', id: `${name}5` },
          { partition, offset: 6, key: null, id: `${name}6` },
        ]
      }),
    )
    const rows = await ledger()
    const [origin, , replayed] = rows
    expect(replayed).toMatchObject({
      incarnation: origin?.['incarnation'],
      first: 1n,
      next_offset: 6n,
      records: 2n,
    })
    expect(replayed?.['min_event_time']).toBe(1_751_335_200_001_000n)
    topics.send('lab.runs', 0, goodRun('a7'))
    expect(await landNew(lake, deps, DAY_3)).toMatchObject({ records: 1, deadLetters: 0 })
    await build(mended(lake.deps), DAY_3)
    expect(await lake.rows('lab_features.results')).toHaveLength(9)
  })

  it('by several at once, beside a drop, a landing and a compaction: each letter goes one way, once', async () => {
    const runs = Array.from({ length: 12 }, (_, i) => (i % 2 === 0 ? goodRun(`g${i}`) : badRun(`b${i}`)))
    lake.put('a.jsonl', runs.map((run) => JSON.stringify(run)).join('\n'))
    await landNew(lake, lake.deps, DAY_1)
    lake.put('b.jsonl', [goodRun('x'), badRun('y')].map((run) => JSON.stringify(run)).join('\n'))
    const [first = '', second = ''] = await ids()
    const doomed = await planDrop(lake.deps, { ids: [first, second].map(parseLetterId) })
    const [left, right, dropped] = await Promise.all([
      replay(),
      replay(),
      dropLetters(lake.deps, doomed, WHY),
      landNew(lake, lake.deps, DAY_3),
      maintainTable(lake.deps, 'raw.dead_letters', { dryRun: false }),
      maintainTable(lake.deps, 'raw.runs', { dryRun: false }),
    ])
    const replayed = [...left, ...right].reduce((sum, source) => sum + source.replayed, 0)
    expect(replayed + dropped.dropped).toBe(await ids().then((rest) => 7 - rest.length))
    await replay()
    const lines = (await landedLines()).map(({ id }) => id)
    expect(new Set(lines).size).toBe(lines.length)
    expect(lines).toHaveLength(14 - dropped.dropped)
    const numbers = (await ledger()).map((row) => Number(row['row_number']))
    expect(numbers).toEqual(numbers.map((_, i) => i))
  })

  it('numbers its rows by the ledger that it is committed onto, also where a landing came first', async () => {
    await landFour()
    lake.put('b.json', goodRun('e'))
    expect(await replay(overtaken(() => landNew(lake, lake.deps, DAY_3)))).toMatchObject([{ replayed: 2 }])
    expect((await ledger()).map((row) => [row['row_number'], row['batch']])).toEqual([
      [0n, DAY_1],
      [1n, DAY_3],
      [2n, DAY_2],
    ])
    expect(await landedIds()).toBe('abcde')
  })

  it('computes anew where another replay took one of its letters first', async () => {
    await landFour()
    const [first = ''] = await ids()
    const other = () => replay(undefined, { selection: { ids: [parseLetterId(first)] } })
    expect(await replay(overtaken(other))).toMatchObject([{ replayed: 1, stayed: 0 }])
    expect(await landedIds()).toBe('abcd')
  })

  it('lands nothing twice where dead letters came back from before a replay', async () => {
    await landFour()
    await replay()
    await rollBack(lake.deps, 'raw.dead_letters')
    expect(await ids()).toHaveLength(2)
    expect(await replay()).toMatchObject([{ replayed: 0, landedBefore: 2, stayed: 0 }])
    expect(await ids()).toEqual([])
    expect(await landedIds()).toBe('abcd')
  })

  it('first brings back what a rollback took from the ledger, so that no number names two records', async () => {
    await landFour()
    lake.put('b.json', goodRun('e'))
    await landNew(lake, lake.deps, DAY_2)
    await build(lake.deps, DAY_2)
    await rollBack(lake.deps, 'raw.runs')
    expect(await replay()).toMatchObject([{ replayed: 2 }])
    expect((await ledger()).map((row) => [row['row_number'], row['batch']])).toEqual([
      [0n, DAY_1],
      [1n, DAY_2],
      [2n, DAY_2],
    ])
    await rollBack(lake.deps, 'raw.runs')
    expect(await landNew(lake, lake.deps, DAY_3)).toMatchObject({ records: 0 })
    expect(await landedIds()).toBe('abcde')
  })

  it('leaves a letter whose landing is undone for good, until it is landed again', async () => {
    await landFour()
    // Nothing shows the rows any longer: a rollback, and its snapshot has expired.
    await openTable({ ...lake.deps, identifier: 'raw.runs' }).delete({ sql: 'true' })
    const identifier = { namespace: 'raw', name: 'runs' }
    await keepOneSnapshot(lake.deps.catalog, 'raw.runs')
    await expireSnapshots({
      ...lake.deps,
      identifier,
      nowMs: lake.deps.now(),
      dryRun: false,
    })
    expect(await replay()).toMatchObject([{ replayed: 0, stayed: 2, staying: [{ kind: 'rolled-back' }, {}] }])
    expect(await ledger()).toEqual([])
  })

  it('takes letters of 0.1, which tell neither incarnation nor time', async () => {
    await landFour()
    const table = openTable({ ...lake.deps, identifier: 'raw.dead_letters' })
    await table.update({ where: { sql: 'true' }, set: { incarnation: 'NULL', timestamp: 'NULL' } })
    expect(await ids()).toEqual(['runs/-/0/1', 'runs/-/0/2'])
    expect(await replay()).toMatchObject([{ replayed: 2 }])
    const [landed, replayed] = await ledger()
    expect(replayed?.['incarnation']).toBe(landed?.['incarnation'])
    expect(replayed?.['max_event_time']).toBe(landed?.['max_event_time'])
    expect(await landedIds()).toBe('abcd')
  })

  it('asks whose contract counts where pipelines declare a source differently', async () => {
    await landFour()
    await expect(replay({ ...lake.deps, pipelines: new Map() })).rejects.toMatchObject({ kind: 'not-found' })
    const two = new Map([...mended(lake.deps).pipelines, ['lab2', { ...strictPipeline, name: 'lab2' }]])
    const deps = { ...lake.deps, pipelines: two }
    await expect(replay(deps)).rejects.toMatchObject({
      kind: 'invalid-input',
      message: expect.stringContaining('lab, lab2') as string,
    })
    expect(await replay(deps, { pipeline: 'lab2' })).toMatchObject([{ replayed: 0, stayed: 2 }])
    expect(await replay(deps, { pipeline: 'lab' })).toMatchObject([{ replayed: 2 }])
  })
})

describe('drop', () => {
  it('deletes what was shown and nothing that came later, and says why in the snapshot', async () => {
    await landFour()
    const plan = await planDrop(lake.deps, { kind: 'undeclared-member' })
    expect(plan).toMatchObject({ letters: 2, counts: [{ source: 'runs', letters: 2 }] })
    lake.put('b.jsonl', [goodRun('e'), badRun('f')].map((run) => JSON.stringify(run)).join('\n'))
    await landNew(lake, lake.deps, DAY_2)
    const { dropped, snapshotId } = await dropLetters(lake.deps, plan, WHY)
    expect(dropped).toBe(2)
    expect(await ids()).toHaveLength(1)
    const { metadata } = await lake.catalog.loadTable({ namespace: 'raw', name: 'dead_letters' })
    const snapshot = metadata.snapshots.find((one) => String(one['snapshot-id']) === snapshotId)
    expect(snapshot?.summary).toMatchObject({
      'firn.reason': 'spam',
      'firn.dropped-by': 'test',
      'firn.dropped-letters': '2',
    })
    expect(await dropLetters(lake.deps, plan, WHY)).toMatchObject({ dropped: 0 })
    expect(await landedIds()).toBe('ade')
    expect(await dropLetters(lake.deps, await planDrop(lake.deps, { source: 'other' }), WHY)).toEqual({
      dropped: 0,
      snapshotId: null,
    })
  })
})
