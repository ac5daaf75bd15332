import { createHash } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { gunzipSync, gzipSync } from 'node:zlib'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { toLocalPath } from '../../iceberg/io/location.js'
import { expireSnapshots } from '../../iceberg/maintain/expire.js'
import { commitLanding } from '../../lake/land/commit-landing.js'
import { decideIncarnation } from '../../lake/land/decide-incarnation.js'
import { fetchLanding } from '../../lake/land/fetch-landing.js'
import { landResult } from '../../lake/land/land-result.js'
import { commitTransaction } from '../../iceberg/write/transaction.js'
import { writeTableRows } from '../../lake/tables/write-table-rows.js'
import { advance, isRecorded } from '../../lake/land/ledger-advance.js'
import { planLanding } from '../../lake/land/plan-landing.js'
import { maintainTable } from '../../lake/maintain/maintain-lake.js'
import { refreshWindows } from '../../lake/windows/refresh-windows.js'
import type { LakeDeps } from '../../schemas/lake-deps.js'
import type { LandingAnswer, LandResult, TopicLandingPlan } from '../../schemas/messages.js'
import { incarnationName, MemoryTopics } from '../support/memory-topics.js'
import type { TestLake } from './support/lake.js'
import { testLake } from './support/lake.js'
import { rollBack } from './support/letters.js'
import { shopPipeline } from './support/window-model.js'

const TOPIC = 'clicks'
const BATCH = '20260701T020000Z'
const LEDGER = { namespace: 'raw', name: TOPIC }
const DAY_MS = 86_400_000
const MINUTE = 60_000
const T0 = Date.UTC(2026, 5, 28, 12)

let topics: MemoryTopics
let lake: TestLake
let deps: LakeDeps

beforeEach(() => {
  topics = new MemoryTopics()
  topics.create(TOPIC, 1)
  lake = testLake([shopPipeline])
  deps = { ...lake.deps, topics }
})
afterEach(() => lake.close())

function send(user: string, minute: number): void {
  topics.send(TOPIC, 0, { user, price: 1 }, { timestampMs: T0 + minute * MINUTE })
}

async function plan(accept: readonly LandingAnswer[] = [], from = deps): Promise<TopicLandingPlan> {
  const planned = await planLanding(from, { pipeline: 'shop', batch: BATCH, accept })
  if (planned.kind !== 'topic') throw new Error('not a topic')
  return planned
}

async function carryOut(planned: TopicLandingPlan, from = deps): Promise<LandResult> {
  const fetched = await Promise.all(planned.slices.map((_, slice) => fetchLanding(from, planned, slice)))
  return await commitLanding(from, planned, fetched)
}

async function land(accept: readonly LandingAnswer[] = []): Promise<LandResult> {
  return await carryOut(await plan(accept))
}

async function landFolder(from = deps): Promise<LandResult> {
  const planned = await planLanding(from, { pipeline: 'shop', batch: BATCH, from: lake.inbox })
  return await commitLanding(from, planned, [await fetchLanding(from, planned)])
}

/** Snapshots that main does not show go, whatever their age. */
async function expire(): Promise<void> {
  const { catalog, now } = deps
  await expireSnapshots({
    ...{ catalog, identifier: LEDGER, nowMs: now() },
    ...{ maxSnapshotAgeMs: 0, minSnapshotsToKeep: 1 },
  })
}

describe('numbers of ledger rows', () => {
  it('are never those that a window table has read, where a rollback was followed by expiry', async () => {
    send('a', 0)
    await land()
    for (const user of ['b', 'c', 'd']) {
      send(user, 30)
      await land()
    }
    await refreshWindows(deps, { pipeline: 'shop', batch: BATCH, watermarkMs: T0 })
    for (let n = 0; n < 3; n++) await rollBack(deps, 'raw.clicks')
    await expire()
    send('e', 60)
    expect((await land()).rowNumberEnd).toBe(5)
    await refreshWindows(deps, { pipeline: 'shop', batch: '20260701T020100Z', watermarkMs: T0 })
    const rows = await lake.rows('shop_features.per_user', '"user"')
    expect(rows.map((row) => row['user'])).toEqual(['a', 'b', 'c', 'd', 'e'])
  })
})

describe('a ledger that was rolled back', () => {
  const later = (): LakeDeps => ({ ...deps, now: () => deps.now() + 400 * DAY_MS })
  async function landTwice(): Promise<void> {
    for (const user of ['a', 'b']) {
      send(user, 0)
      await land()
    }
    await rollBack(deps, 'raw.clicks')
  }

  it('gets its rows back before maintenance expires the snapshots that show them', async () => {
    await landTwice()
    const report = await maintainTable(later(), 'raw.clicks', { dryRun: false })
    expect(report.notes).toContain('1 rows that a rollback had removed are back, as they were')
    expect(await lake.rows('raw.clicks')).toHaveLength(2)
  })

  it('gets them back once where two landings find it', async () => {
    await landTwice()
    await Promise.all([land(), land()])
    expect(await lake.rows('raw.clicks')).toHaveLength(2)
  })

  it('is expired all the same where a raw object is gone, and its records are landed again', async () => {
    await landTwice()
    for await (const { location } of deps.catalog.io.list(`${deps.warehouse}/raw/clicks/`))
      if (location.endsWith('-1-2.jsonl.gz')) await deps.catalog.io.delete(location)
    await expect(land()).rejects.toMatchObject({ kind: 'not-found' })
    const report = await maintainTable(later(), 'raw.clicks', { dryRun: false })
    expect(report.notes).toContainEqual(expect.stringMatching(/raw object .* is gone/))
    expect(await land()).toMatchObject({ records: 1, rowNumberEnd: 2 })
  })
})

describe('a landing that is done again', () => {
  it('marks the start of a topic once', async () => {
    send('a', 0)
    topics.truncate(TOPIC, 0, 1)
    const planned = await plan()
    const first = await carryOut(planned)
    expect(await carryOut(planned)).toEqual(first)
    expect(await lake.rows('raw.clicks')).toHaveLength(1)
  })

  it('lands files without a record once', async () => {
    lake.put('a.jsonl', '')
    const planned = await planLanding(deps, { pipeline: 'shop', batch: BATCH, from: lake.inbox })
    const fetched = [await fetchLanding(deps, planned)]
    const first = await commitLanding(deps, planned, fetched)
    expect(await commitLanding(deps, planned, fetched)).toEqual(first)
    expect(await lake.rows('raw.clicks')).toHaveLength(1)
    expect(await landFolder()).toMatchObject({ files: 0 })
    lake.put('b.json', { user: 'a', price: 1 })
    expect(await landFolder()).toMatchObject({ files: 1, records: 1 })
  })

  it('is told by its rows however many these are', async () => {
    send('a', 0)
    const planned = await plan()
    await carryOut(planned)
    const { catalog } = deps
    const ledger = await catalog.loadTable(LEDGER)
    const ranges = Array.from({ length: 150_000 }, (_, n) => ({
      ...{ path: 'x', incarnation: planned.incarnation, partition: 0, first: n, nextOffset: n + 1 },
      ...{ records: 1, deadLetters: 0, bytes: 1, sha256: 'x', maxEventTimeMs: n },
    }))
    expect(advance(new Map(), ranges)?.get(0)?.next).toBe(150_000)
    expect(await isRecorded(deps, ledger, planned.incarnation, ranges)).toBeUndefined()
    const staged = { ranges, objects: 1, records: 1, deadLetters: 0, bytes: 1 }
    const none = { deadLetterFiles: [], deadLetterKinds: {}, causes: [], undeclared: [] }
    const committed = { rowNumberEnd: 1, snapshotId: undefined }
    expect(landResult(planned, { ...staged, ...none }, committed).maxEventTimeMs).toBe(149_999)
  })
})

describe('a position', () => {
  const range = { path: 'x', incarnation: 'i', partition: 0, first: 2, nextOffset: 3, records: 1 }
  it.each([0, 1, 3, 4])('of %i takes no range from 2 on', (next) => {
    const ranges = [{ ...range, deadLetters: 0, bytes: 1, sha256: 'x' }]
    expect(advance(new Map([[0, { next }]]), ranges)).toBeUndefined()
  })

  it('is that of the rows where another engine added some', async () => {
    send('a', 0)
    await land()
    const [row] = await lake.rows('raw.clicks')
    const ledger = await deps.catalog.loadTable(LEDGER)
    const added = { ...row!, row_number: 1n, first: 1n, next_offset: 5n }
    const change = { kind: 'append' as const, files: [await writeTableRows(deps, ledger, [added])] }
    const { catalog, now, newUuid, newSnapshotId } = deps
    const changes = [{ identifier: LEDGER, change, snapshotId: newSnapshotId() }]
    await commitTransaction({ catalog, changes, now, newUuid })
    topics.skip(TOPIC, 0, 4)
    send('b', 0)
    expect(await plan()).toMatchObject({ ranges: [{ partition: 0, first: 5, end: 6 }] })
    expect((await land()).rowNumberEnd).toBe(3)
  })

  it('is not planned beyond what a landing saw first', async () => {
    for (const user of ['a', 'b', 'c']) send(user, 0)
    const until = [{ partition: 0, first: 0, end: 2 }]
    topics.addPartition(TOPIC)
    topics.send(TOPIC, 1, { user: 'd', price: 1 })
    const planned = await planLanding(deps, { pipeline: 'shop', batch: BATCH, until })
    expect(planned).toMatchObject({ ranges: [{ partition: 0, first: 0, end: 2 }] })
  })
})

describe('what was fetched', () => {
  it('is of one topic: another of the same name and length is read anew', async () => {
    send('a', 0)
    const planned = await plan()
    await fetchLanding(deps, planned, 0)
    await carryOut(planned)
    topics.create(TOPIC, 1)
    send('b', 0)
    const accept = `incarnation:${incarnationName('topic-2')}` as const
    await land([accept])
    const paths = (await lake.rows('raw.clicks', 'row_number')).map((row) => row['path'] as string)
    expect(paths.map((path) => path.includes(incarnationName('topic-2')))).toEqual([false, true])
  })

  it('under a contract that broke it all is fetched anew once that is mended', async () => {
    for (let n = 0; n < 20; n++) topics.send(TOPIC, 0, { user: `${n}`, price: 'many' })
    await expect(land()).rejects.toMatchObject({ kind: 'contract-broken' })
    const { clicks } = shopPipeline.sources
    const source = { ...clicks!, schema: { user: 'string', price: 'string' } }
    const mended = {
      ...deps,
      pipelines: new Map([['shop', { ...shopPipeline, sources: { clicks: source } }]]),
    }
    expect(await carryOut(await plan([], mended), mended)).toMatchObject({ records: 20, deadLetters: 0 })
  })

  it('is fetched again once its lease is over: clean-up may be about to take it', async () => {
    send('a', 0)
    topics.send(TOPIC, 0, '{bad')
    const planned = await plan()
    const fetched = [await fetchLanding(deps, planned, 0)]
    const later = { ...deps, now: () => deps.now() + 8 * DAY_MS }
    await expect(commitLanding(later, planned, fetched)).rejects.toMatchObject({ kind: 'stage-expired' })
    expect(await carryOut(planned, later)).toMatchObject({ records: 1, deadLetters: 1 })
    expect(await lake.rows('raw.dead_letters')).toHaveLength(1)
  })

  it('is used again where another zlib made other bytes of the same lines', async () => {
    send('a', 0)
    const planned = await plan()
    const location = `${deps.warehouse}/raw/clicks/2026-07-01/${planned.incarnation}-0-0-1.jsonl.gz`
    await fetchLanding(deps, planned, 0)
    const path = toLocalPath(location)
    const other = gzipSync(gunzipSync(readFileSync(path)), { level: 9 })
    writeFileSync(path, other)
    const again = await plan()
    for await (const { location } of deps.catalog.io.list(`${deps.warehouse}/_staging/`))
      await deps.catalog.io.delete(location)
    expect(await carryOut(again)).toMatchObject({ records: 1 })
    const [row] = await lake.rows('raw.clicks')
    const now = createHash('sha256').update(readFileSync(path)).digest('hex')
    expect(row!['sha256']).toBe(now)
  })
})

describe('an answer', () => {
  it('that was used up does not lead back to an earlier generation of the topic', () => {
    const [, a1, a2, a3, a4] = ['a', 'a#1', 'a#2', 'a#3', 'a#4'].map(incarnationName)
    const known = { topic: TOPIC, identity: 'a', last: a2 }
    expect(decideIncarnation({ ...known, accept: [`incarnation:${a1}`] })).toEqual({ name: a2, next: a3 })
    expect(decideIncarnation({ ...known, accept: [`incarnation:${a3}`] })).toEqual({ name: a3, next: a4 })
  })
})
