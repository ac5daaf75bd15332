import { readFileSync } from 'node:fs'
import { gunzipSync } from 'node:zlib'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { toLocalPath } from '../../iceberg/io/location.js'
import { commitLanding } from '../../lake/land/commit-landing.js'
import { fetchLanding } from '../../lake/land/fetch-landing.js'
import { planLanding } from '../../lake/land/plan-landing.js'
import { maintainTable } from '../../lake/maintain/maintain-lake.js'
import type { LakeDeps } from '../../schemas/lake-deps.js'
import type { LandingAnswer, LandResult, TopicLandingPlan } from '../../schemas/messages.js'
import type { Pipeline, SourceDefinition } from '../../schemas/pipeline.js'
import { incarnationName, MemoryTopics } from '../support/memory-topics.js'
import { keepOneSnapshot } from './support/keep-one-snapshot.js'
import type { TestLake } from './support/lake.js'
import { testLake } from './support/lake.js'
import { setHead } from './support/set-head.js'

const TOPIC = 'lab.events'
const SOURCE: SourceDefinition = {
  kind: 'json',
  topic: TOPIC,
  schema: { id: 'string', 'n?': 'int' },
  identity: ['id'],
}
const BATCH = '20260701T020000Z'

let topics: MemoryTopics
let lake: TestLake
let deps: LakeDeps

function open(source: Partial<SourceDefinition> = {}): void {
  const pipeline: Pipeline = {
    name: 'events',
    namespace: 'event_features',
    directory: '/nowhere',
    sources: { events: { ...SOURCE, ...source } },
    tables: {},
    sqlTexts: {},
  }
  lake = testLake([pipeline])
  deps = { ...lake.deps, topics }
}

beforeEach(() => {
  topics = new MemoryTopics()
  topics.create(TOPIC, 2)
  open()
})
afterEach(() => lake.close())

async function plan(accept?: readonly LandingAnswer[], batch = BATCH): Promise<TopicLandingPlan> {
  const planned = await planLanding(deps, {
    pipeline: 'events',
    batch,
    ...(accept === undefined ? {} : { accept }),
  })
  if (planned.kind !== 'topic') throw new Error('not a topic')
  return planned
}

async function carryOut(planned: TopicLandingPlan): Promise<LandResult> {
  const fetched = await Promise.all(planned.slices.map((_, slice) => fetchLanding(deps, planned, slice)))
  return await commitLanding(deps, planned, fetched)
}

async function land(accept?: readonly LandingAnswer[], batch = BATCH): Promise<LandResult> {
  return await carryOut(await plan(accept, batch))
}

async function ledger(): Promise<readonly (readonly unknown[])[]> {
  const rows = await lake.rows('raw.events', 'row_number')
  return rows.map((row) => [
    Number(row['row_number']),
    row['partition'],
    Number(row['first']),
    Number(row['next_offset']),
    Number(row['records']),
  ])
}

/** Every landed record as `partition/offset`, in ledger order. */
async function landed(): Promise<readonly string[]> {
  const rows = await lake.rows('raw.events', 'row_number')
  return rows
    .filter((row) => row['records'] !== 0n)
    .flatMap((row) =>
      gunzipSync(readFileSync(toLocalPath(row['path'] as string)))
        .toString()
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => JSON.parse(line) as { partition: number; offset: number })
        .filter(({ offset }) => offset >= Number(row['first']) && offset < Number(row['next_offset']))
        .map(({ partition, offset }) => `${partition}/${offset}`),
    )
}

function send(count: number, partition = 0): void {
  for (let i = 0; i < count; i++) topics.send(TOPIC, partition, { id: `${partition}-${i}` })
}

async function head(): Promise<bigint> {
  const { metadata } = await lake.catalog.loadTable({ namespace: 'raw', name: 'events' })
  return metadata.refs['main']!['snapshot-id']
}

describe('landing a topic', () => {
  it('lands each offset of each partition once, with a ledger row an object', async () => {
    send(3)
    send(2, 1)
    expect(await land()).toMatchObject({ objects: 2, records: 5, deadLetters: 0, lag: 0, rowNumberEnd: 2 })
    expect(await ledger()).toEqual([
      [0, 0, 0, 3, 3],
      [1, 1, 0, 2, 2],
    ])
    expect(await land()).toMatchObject({ objects: 0, records: 0, rowNumberEnd: 2 })
    send(1, 1)
    expect(await land()).toMatchObject({ records: 1, rowNumberEnd: 3 })
    expect(await landed()).toEqual(['0/0', '0/1', '0/2', '1/0', '1/1', '1/2'])
    expect((await lake.rows('raw.events', 'row_number'))[0]!['path']).toMatch(
      /\/raw\/events\/2026-07-01\/[0-9a-f]{12}-0-0-3\.jsonl\.gz$/,
    )
    expect(topics.noted.at(-1)).toEqual({
      group: 'firn-events-events',
      offsets: [
        { partition: 0, offset: 3 },
        { partition: 1, offset: 3 },
      ],
    })
  })

  it('reads on to the planned end over offsets that hold no record', async () => {
    send(2)
    topics.skip(TOPIC, 0, 3)
    expect(await land()).toMatchObject({ records: 2 })
    topics.skip(TOPIC, 0, 4)
    expect(await land()).toMatchObject({ records: 0, objects: 0 })
    send(1)
    topics.compact(TOPIC, 0, 0)
    expect(await land()).toMatchObject({ records: 1 })
    expect(await ledger()).toEqual([
      [0, 0, 0, 5, 2],
      [1, 0, 5, 9, 0],
      [2, 0, 9, 10, 1],
    ])
  })

  it('lands what was planned, not what came later, and returns the recorded result where it is done twice', async () => {
    send(4)
    const planned = await plan()
    send(4)
    const fetched = await Promise.all(planned.slices.map((_, slice) => fetchLanding(deps, planned, slice)))
    const first = await commitLanding(deps, planned, fetched)
    expect(first).toMatchObject({ records: 4 })
    expect(await commitLanding(deps, planned, fetched)).toEqual(first)
    expect(await fetchLanding(deps, planned, 0)).toEqual(fetched[0])
    expect(await ledger()).toEqual([[0, 0, 0, 4, 4]])
  })

  it('refuses a zombie, and a plan that somebody else has overtaken', async () => {
    send(4)
    const zombie = await plan()
    const fetched = [await fetchLanding(deps, zombie, 0)]
    send(2)
    await land()
    await expect(commitLanding(deps, zombie, fetched)).rejects.toMatchObject({ kind: 'stale-range' })
    expect(await landed()).toHaveLength(6)
  })

  it('takes records that break the contract to the dead letters once, however often it is tried', async () => {
    send(2)
    topics.send(TOPIC, 0, '{"id": 7}', { key: Buffer.from('k') })
    topics.send(TOPIC, 1, null)
    expect(await land()).toMatchObject({
      records: 2,
      deadLetters: 2,
      deadLetterKinds: { 'wrong-type': 1, 'no-value': 1 },
    })
    const letters = await lake.rows('raw.dead_letters', 'partition')
    expect(
      letters.map((row) => [row['partition'], row['offset'], row['key'], row['error_kind'], row['path']]),
    ).toEqual([
      [0, 2n, 'k', 'wrong-type', null],
      [1, 0n, null, 'no-value', null],
    ])
    expect(letters[0]!['incarnation']).toBe(incarnationName('topic-1'))
    await land()
    expect(await lake.rows('raw.dead_letters')).toHaveLength(2)
  })

  it('pauses where every record is bad, and goes on by answer or once the contract is mended', async () => {
    for (let i = 0; i < 20; i++) topics.send(TOPIC, 0, { ID: i })
    const failure = await land().catch((error: unknown) => error)
    expect(failure).toMatchObject({ kind: 'contract-broken', context: { accept: 'all-bad' } })
    expect(String(failure)).toMatch(/all 20 records .* partition 0 \(offset 0\): missing-field at id/)
    expect(await lake.rows('raw.events')).toHaveLength(0)
    expect(await lake.rows('raw.dead_letters')).toHaveLength(0)
    expect(await land(['all-bad'])).toMatchObject({ records: 0, deadLetters: 20 })
    expect(await ledger()).toEqual([[0, 0, 0, 20, 0]])
  })

  it('stops at the first violation where the contract is frozen', async () => {
    lake.close()
    open({ contract: 'freeze' })
    send(2)
    topics.send(TOPIC, 0, { id: 'x', extra: 1 })
    await expect(land()).rejects.toMatchObject({ kind: 'contract-broken' })
    expect(await lake.rows('raw.events')).toHaveLength(0)
  })

  it('names members that nobody declared', async () => {
    topics.send(TOPIC, 0, { id: 'x', extra: 1 })
    expect((await land()).warnings).toEqual([expect.stringMatching(/nobody declared .*extra/)])
  })
})

describe('where a topic begins', () => {
  it('is its earliest record, which is no loss', async () => {
    send(5)
    topics.truncate(TOPIC, 0, 3)
    expect(await land()).toMatchObject({ records: 2 })
    expect(await ledger()).toEqual([
      [0, 0, 3, 3, 0],
      [1, 0, 3, 5, 2],
    ])
  })

  it('is its end where the source says so, once', async () => {
    lake.close()
    open({ startAt: 'latest' })
    send(5)
    expect(await land()).toMatchObject({ records: 0, lag: 0 })
    send(2)
    send(1, 1)
    expect(await land()).toMatchObject({ records: 3 })
    expect(await landed()).toEqual(['0/5', '0/6', '1/0'])
  })
})

describe('a topic that is not what it was', () => {
  it('says what retention removed before it was landed, and goes on by answer', async () => {
    send(3)
    await land()
    send(7)
    topics.truncate(TOPIC, 0, 8)
    const failure = await land().catch((error: unknown) => error)
    expect(failure).toMatchObject({ kind: 'offsets-lost', retryable: false })
    expect(String(failure)).toMatch(
      /5 offsets of topic lab\.events .* \(partition 0: 3 to 7\).*--accept lost-offsets/,
    )
    const result = await land(['lost-offsets'])
    expect(result).toMatchObject({ records: 2, lag: 0 })
    expect(result.warnings).toEqual([expect.stringMatching(/offsets 3 to 7 of partition 0 are lost/)])
    const rows = await lake.rows('raw.events', 'row_number')
    expect(rows[1]).toMatchObject({ path: 'gap:retention', first: 3n, next_offset: 8n, records: 0n })
    expect(await landed()).toEqual(['0/0', '0/1', '0/2', '0/8', '0/9'])
  })

  it('is not landed under the old name where it is made anew between plan and fetch', async () => {
    send(3)
    await land()
    send(3)
    const planned = await plan()
    topics.create(TOPIC, 2)
    send(9)
    await expect(fetchLanding(deps, planned, 0)).rejects.toMatchObject({ kind: 'stale-range' })
    await expect(land()).rejects.toMatchObject({ kind: 'source-changed' })
    expect(await ledger()).toEqual([[0, 0, 0, 3, 3]])
  })

  it('pauses where it was made anew, and lands the new one from its beginning by answer', async () => {
    send(3)
    await land()
    topics.create(TOPIC, 2)
    send(5)
    const failure = await land().catch((error: unknown) => error)
    const accept = `incarnation:${incarnationName('topic-2')}` as const
    expect(failure).toMatchObject({ kind: 'source-changed', context: { accept } })
    expect(await ledger()).toHaveLength(1)
    expect(await land([accept])).toMatchObject({ records: 5 })
    expect(await land()).toMatchObject({ records: 0 })
    send(1)
    expect(await land([accept])).toMatchObject({ records: 1 })
    expect(await ledger()).toEqual([
      [0, 0, 0, 3, 3],
      [1, 0, 0, 5, 5],
      [2, 0, 5, 6, 1],
    ])
  })

  it.each([
    ['ends before what was landed', 0, /ends at offset 2, but the ledger has landed up to 4/],
    ['holds other records at landed offsets', 9, /the record at offset 3 of partition 0 is another one/],
  ])('pauses where a restored broker %s', async (_, more, message) => {
    send(4)
    await land()
    topics.restore(TOPIC, 0, 2)
    for (let i = 0; i < more; i++) topics.send(TOPIC, 0, { id: `after-${i}` })
    const failure = await land().catch((error: unknown) => error)
    expect(failure).toMatchObject({ kind: 'source-changed' })
    expect(String(failure)).toMatch(message)
    const accept = (failure as { context: { accept: LandingAnswer } }).context.accept
    expect(await land([accept])).toMatchObject({ records: 2 + more })
    send(1)
    expect(await land()).toMatchObject({ records: 1 })
  })

  it('lands an added partition from its beginning and says so', async () => {
    send(1)
    await land()
    topics.addPartition(TOPIC)
    send(2, 2)
    const result = await land()
    expect(result).toMatchObject({ records: 2 })
    // Partition 1 has no record yet, so the ledger does not know it either.
    expect(result.warnings).toContain('partition 2 is new: it is landed from its beginning')
  })

  it('pauses where an added partition lost records before its first landing', async () => {
    send(1)
    await land()
    topics.addPartition(TOPIC)
    send(4, 2)
    topics.truncate(TOPIC, 2, 2)
    await expect(land()).rejects.toMatchObject({ kind: 'offsets-lost' })
  })

  it('is told from another broker by name and back', async () => {
    send(3)
    await land()
    const first = topics
    topics = new MemoryTopics()
    topics.create('other', 1)
    topics.create(TOPIC, 2)
    deps = { ...deps, topics }
    send(2)
    const failure = await land().catch((error: unknown) => error)
    await land([(failure as { context: { accept: LandingAnswer } }).context.accept])
    deps = { ...deps, topics: first }
    topics = first
    send(1)
    const back = await land().catch((error: unknown) => error)
    expect(back).toMatchObject({ kind: 'source-changed' })
    expect(await land([(back as { context: { accept: LandingAnswer } }).context.accept])).toMatchObject({
      records: 1,
    })
  })

  it('that is gone is said to be gone', async () => {
    deps = { ...deps, topics: new MemoryTopics() }
    await expect(land()).rejects.toMatchObject({ kind: 'not-found' })
  })
})

describe('a ledger that others touch', () => {
  it('goes on where it was after compaction and expiry', async () => {
    for (let i = 0; i < 6; i++) {
      send(2)
      await land()
    }
    const later = { ...deps, now: () => Date.now() + 400 * 86_400_000 }
    await keepOneSnapshot(lake.catalog, 'raw.events')
    await maintainTable(later, 'raw.events', { dryRun: false })
    expect(
      (await lake.catalog.loadTable({ namespace: 'raw', name: 'events' })).metadata.snapshots.length,
    ).toBe(1)
    send(1)
    expect(await land()).toMatchObject({ records: 1, rowNumberEnd: 7 })
    expect(new Set(await landed()).size).toBe(13)
    expect(await landed()).toHaveLength(13)
  })

  it('gets back exactly the rows that a rollback removed, before anything new', async () => {
    send(2)
    await land()
    const there = await head()
    topics.send(TOPIC, 0, '{bad')
    send(2)
    await land()
    send(2, 1)
    await land()
    const before = await lake.rows('raw.events', 'row_number')
    await setHead(lake.catalog, 'raw.events', there)
    send(3)
    topics.truncate(TOPIC, 0, 5)
    const result = await land()
    expect(result.warnings).toContain('2 ledger rows that a rollback had removed are back, as they were')
    const rows = await lake.rows('raw.events', 'row_number')
    expect(rows.slice(0, before.length)).toEqual(before)
    expect(new Set(await landed()).size).toBe((await landed()).length)
    expect(await landed()).toHaveLength(9)
    expect(await lake.rows('raw.dead_letters')).toHaveLength(1)
  })

  it('takes nothing while it is rolled back: who has read the missing rows would not see what takes their numbers', async () => {
    send(2)
    await land()
    const there = await head()
    send(2)
    const first = await plan()
    send(4)
    const zombie = await plan()
    const fetched = [await fetchLanding(deps, zombie, 0)]
    await carryOut(first)
    await setHead(lake.catalog, 'raw.events', there)
    await expect(commitLanding(deps, zombie, fetched)).rejects.toMatchObject({
      kind: 'stale-range',
      message: expect.stringMatching(/was rolled back since/) as string,
    })
    await land()
    expect((await ledger()).map(([row, , from, to]) => [row, from, to])).toEqual([
      [0, 0, 2],
      [1, 2, 4],
      [2, 4, 8],
    ])
  })

  it('lets a folder and a topic share it', async () => {
    send(2)
    await land()
    lake.put('a.json', { id: 'file' })
    const files = await planLanding(deps, { pipeline: 'events', batch: BATCH, from: lake.inbox })
    await commitLanding(deps, files, [await fetchLanding(deps, files)])
    send(1)
    expect(await land()).toMatchObject({ records: 1, rowNumberEnd: 3 })
    expect((await ledger()).map(([row, , first]) => [row, first])).toEqual([
      [0, 0],
      [1, 0],
      [2, 2],
    ])
  })

  it('numbers rows on what it commits onto: two partitions landed by two at once', async () => {
    send(2)
    const one = await plan()
    send(2, 1)
    const both = await plan()
    const onlySecond = {
      ...both,
      ranges: both.ranges.filter(({ partition }) => partition === 1),
      slices: [[0]],
    }
    const results = await Promise.all([carryOut(one), carryOut(onlySecond)])
    expect(results.map(({ records }) => records)).toEqual([2, 2])
    expect((await ledger()).map(([row]) => row)).toEqual([0, 1])
    expect(await landed()).toHaveLength(4)
  })
})
