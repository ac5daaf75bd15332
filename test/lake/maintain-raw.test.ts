import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { IcebergError } from '../../iceberg/error.js'
import { expireSnapshots } from '../../iceberg/maintain/expire.js'
import type { FileIO } from '../../iceberg/io/file-io.js'
import { replayLetters } from '../../lake/dead-letters/replay-letters.js'
import { commitLanding } from '../../lake/land/commit-landing.js'
import { fetchLanding } from '../../lake/land/fetch-landing.js'
import { planLanding } from '../../lake/land/plan-landing.js'
import { maintainRaw } from '../../lake/maintain/maintain-raw.js'
import { maintainTable } from '../../lake/maintain/maintain-lake.js'
import { batchIdOf } from '../../schemas/batch.js'
import type { LakeDeps } from '../../schemas/lake-deps.js'
import type { RawMaintenance } from '../../schemas/messages.js'
import { build, labPipeline } from './support/batches.js'
import type { TestLake } from './support/lake.js'
import { testLake } from './support/lake.js'
import { badRun, goodRun, landNew, mended, rollBack, strictPipeline } from './support/letters.js'

const DAY_MS = 86_400_000
const LEDGER = { namespace: 'raw', name: 'runs' }

let lake: TestLake
/** The lake's clock is the machine's, since files are as old as they are. */
let today: LakeDeps
beforeEach(() => {
  lake = testLake([labPipeline])
  today = daysOn(0)
})
afterEach(() => lake.close())

function daysOn(days: number, more: Partial<LakeDeps> = {}): LakeDeps {
  return { ...lake.deps, now: () => Date.now() + days * DAY_MS, ...more }
}

/** Batches of this day, one a minute. */
const batch = (n: number): string =>
  batchIdOf(new Date(Math.floor(Date.now() / DAY_MS) * DAY_MS + n * 60_000))

async function land(id: string, n: number, run: object = goodRun(id)): Promise<void> {
  lake.put(`${id}.json`, run)
  await landNew(lake, today, batch(n))
}

async function upkeep(
  deps: LakeDeps,
  dryRun = false,
): Promise<RawMaintenance & { notes: readonly string[] }> {
  const done = await maintainRaw(deps, await lake.catalog.loadTable(LEDGER), { dryRun })
  return { ...done!.raw, notes: done!.notes }
}

async function files(folder: string): Promise<readonly string[]> {
  const found: string[] = []
  for await (const { location } of lake.catalog.io.list(`${lake.deps.warehouse}/${folder}/`))
    found.push(location)
  return found.sort()
}

async function named(): Promise<readonly string[]> {
  const paths = (await lake.rows('raw.runs', 'path')).map((row) => row['path'] as string)
  return [...new Set(paths)].filter((path) => !path.startsWith('gap:'))
}

const nothing = { orphans: 0, retired: 0, plans: 0, bytes: 0, files: [] }

describe('raw objects that no ledger row names', () => {
  it('go once they are old and no lease is left; the dry run tells the same and changes nothing', async () => {
    await land('a', 1)
    lake.put('b.json', goodRun('b'))
    const plan = await planLanding(today, { pipeline: 'lab', from: lake.inbox, batch: batch(2) })
    const fetched = await fetchLanding(today, plan)
    const [stray, ...rest] = (await files('raw/runs')).filter((path) => !rest0(path))
    expect(rest).toEqual([])
    expect(await upkeep(today)).toMatchObject(nothing)
    // Old enough, but leased for seven days.
    expect(await upkeep(daysOn(4))).toMatchObject({ orphans: 0 })
    const late = daysOn(8)
    const told = await upkeep(late, true)
    expect(told).toMatchObject({
      orphans: 1,
      files: expect.arrayContaining([
        { location: stray, sizeBytes: expect.any(Number) as number, why: 'orphan', result: 'would-delete' },
      ]) as unknown,
    })
    expect(await files('raw/runs')).toContain(stray)
    const { raw } = await maintainTable(late, 'raw.runs', { dryRun: false })
    expect(raw).toMatchObject({ orphans: told.orphans, plans: told.plans, bytes: told.bytes })
    expect(await files('raw/runs')).toEqual(await named())
    expect(await upkeep(late)).toMatchObject({ orphans: 0 })
    // A zombie that comes back after all has to fetch again.
    await expect(commitLanding(late, plan, [fetched])).rejects.toMatchObject({ kind: 'stage-expired' })
    await commitLanding(late, plan, [await fetchLanding(late, plan)])
    expect(await files('raw/runs')).toEqual(await named())
    expect((await build(lake.deps, batch(2)))?.tables[0]?.rows).toBe(2)
  })

  it('stay while a snapshot names them that main was set back from', async () => {
    await land('a', 1)
    await land('b', 2)
    const before = await files('raw/runs')
    await rollBack(today, 'raw.runs')
    expect(await named()).toHaveLength(1)
    expect(await upkeep(daysOn(4))).toMatchObject({ orphans: 0 })
    expect(await files('raw/runs')).toEqual(before)
    // Another engine expires the snapshot; nothing can bring the row back.
    const nowMs = daysOn(8).now()
    const { catalog } = lake
    await expireSnapshots({ catalog, identifier: LEDGER, nowMs, maxSnapshotAgeMs: 0, minSnapshotsToKeep: 1 })
    expect(await upkeep(daysOn(8))).toMatchObject({ orphans: 1 })
    expect(await files('raw/runs')).toEqual(await named())
  })

  it('are looked for in folders of the look-back only, however long the history is', async () => {
    await land('a', 1)
    const old = `${lake.deps.warehouse}/raw/runs/2020-01-01/stray.jsonl.gz`
    await lake.catalog.io.write(old, Buffer.from('x'))
    const listed: string[] = []
    const io = watching(lake.catalog.io, { list: (prefix) => listed.push(prefix) })
    const watched = daysOn(4, { catalog: withIO(io) })
    await upkeep(watched)
    const dates = listed.flatMap((prefix) => /\/raw\/runs\/(.*)\/$/.exec(prefix)?.[1] ?? [])
    expect(dates.length).toBeLessThanOrEqual(33)
    expect(dates.every((date) => Date.now() - Date.parse(date) < 32 * DAY_MS)).toBe(true)
    expect(await files('raw/runs')).toContain(old)
  })

  it('that cannot be deleted are told of one by one', async () => {
    await land('a', 1)
    const date = batch(1).replace(/^(\d{4})(\d{2})(\d{2}).*/, '$1-$2-$3')
    for (const name of ['one', 'two'])
      await lake.catalog.io.write(
        `${lake.deps.warehouse}/raw/runs/${date}/${name}.jsonl.gz`,
        Buffer.from('x'),
      )
    const io = watching(lake.catalog.io, { delete: failFor('one.jsonl.gz') })
    const report = await upkeep(daysOn(4, { catalog: withIO(io) }))
    expect(report).toMatchObject({ orphans: 1, bytes: expect.any(Number) as number })
    expect(
      report.files.filter(({ why }) => why === 'orphan').map(({ result, error }) => [result, error]),
    ).toEqual([
      ['failed', 'injected'],
      ['deleted', undefined],
    ])
  })
})

describe('retention of raw objects', () => {
  const retaining = (days: number, after: number): LakeDeps =>
    daysOn(after, { settings: { ...lake.deps.settings, rawRetentionMs: days * DAY_MS } })

  it('is off unless it is asked for', async () => {
    await land('a', 1)
    await build(lake.deps, batch(1))
    expect(await upkeep(daysOn(4000))).toMatchObject({ retired: 0 })
  })

  it('removes what every pipeline has built; rows and positions stay, and who reads such a row is told', async () => {
    await land('a', 1)
    await land('b', 2)
    await build(lake.deps, batch(2))
    await land('c', 3)
    const [first, second, third] = await named()
    expect(await upkeep(retaining(10, 9))).toMatchObject({ retired: 0 })
    const later = retaining(10, 11)
    const told = await upkeep(later, true)
    expect(told.files.filter(({ why }) => why === 'retention')).toMatchObject([
      { location: first, result: 'would-delete' },
      { location: second, result: 'would-delete' },
    ])
    expect(await files('raw/runs')).toHaveLength(3)
    expect(await upkeep(later)).toMatchObject({ retired: 2 })
    expect(await files('raw/runs')).toEqual([third])
    expect(await upkeep(later)).toMatchObject({
      retired: 0,
      notes: [expect.stringContaining('from row 2 on')],
    })
    expect(await lake.rows('raw.runs')).toHaveLength(3)
    // Landing and building go on.
    await land('d', 4)
    expect((await build(lake.deps, batch(4)))?.tables[0]?.rows).toBe(2)
    expect(await upkeep(retaining(10, 11))).toMatchObject({ retired: 2 })
    // Whoever begins anew reads from the first row.
    const other = { ...labPipeline, namespace: 'other_features' }
    const both: LakeDeps = { ...lake.deps, pipelines: new Map([['lab', other]]) }
    await expect(build(both, batch(5))).rejects.toMatchObject({
      kind: 'not-found',
      message: expect.stringMatching(/rows 0 to 4 of source runs were removed by retention/) as string,
    })
  })

  it('waits for the slowest pipeline, and says for which one', async () => {
    await land('a', 1)
    await build(lake.deps, batch(1))
    const second = { ...labPipeline, name: 'second', namespace: 'second_features' }
    const pipelines = new Map([...lake.deps.pipelines, ['second', second]])
    const report = await upkeep({ ...retaining(10, 11), pipelines })
    expect(report).toMatchObject({ retired: 0, notes: [expect.stringContaining('second has built none')] })
    expect(await upkeep({ ...retaining(10, 11), pipelines: new Map() })).toMatchObject({
      retired: 0,
      notes: [expect.stringContaining('no pipeline here reads runs')],
    })
  })

  it('tries again what could not be deleted', async () => {
    for (const [i, id] of ['a', 'b', 'c'].entries()) await land(id, i + 1)
    await build(lake.deps, batch(3))
    const [, second] = await named()
    const io = watching(lake.catalog.io, { delete: failFor(second!.split('/').at(-1)!) })
    const report = await upkeep({ ...retaining(10, 11), catalog: withIO(io) })
    expect(report.retired).toBe(2)
    expect(report.files[0]).toMatchObject({ location: second, result: 'failed', error: 'injected' })
    expect(await files('raw/runs')).toEqual([second])
    expect(await upkeep(retaining(10, 11))).toMatchObject({ retired: 1 })
    expect(await files('raw/runs')).toEqual([])
  })

  it('leaves dead letters to be replayed when the rest of their landing is gone', async () => {
    const strict = new Map([['lab', strictPipeline]])
    today = { ...today, pipelines: strict }
    lake.put('a.jsonl', [goodRun('a'), badRun('b')].map((run) => JSON.stringify(run)).join('\n'))
    await landNew(lake, today, batch(1))
    await build(lake.deps, batch(1))
    expect(await upkeep(retaining(10, 11))).toMatchObject({ retired: 1 })
    expect(await replayLetters(mended(lake.deps), { selection: {}, batch: batch(2) })).toMatchObject([
      { replayed: 1 },
    ])
    expect((await build(lake.deps, batch(2)))?.tables[0]?.rows).toBe(1)
  })
})

describe('landing plans', () => {
  it('go when they are landed and old, with their stage, and the same batch may land again', async () => {
    await land('a', 1)
    expect(await files('_landing')).toHaveLength(1)
    expect(await upkeep(daysOn(2))).toMatchObject({ plans: 0 })
    // Planned and still due.
    lake.put('b.json', goodRun('b'))
    await planLanding(today, { pipeline: 'lab', from: lake.inbox, batch: batch(2) })
    expect(await upkeep(daysOn(4))).toMatchObject({ plans: 1 })
    expect((await files('_landing')).map((path) => path.split('/').at(-2))).toEqual([batch(2)])
    await land('c', 1)
    expect(await files('raw/runs')).toEqual(await named())
    const rows = await lake.rows('raw.runs', 'row_number')
    expect(rows.map((row) => [row['row_number'], row['records']])).toEqual([
      [0n, 1n],
      [1n, 1n],
      [2n, 1n],
    ])
  })

  it('that are damaged stay and are told of', async () => {
    await land('a', 1)
    const [plan = ''] = await files('_landing')
    await lake.catalog.io.write(plan, Buffer.from('{'))
    expect(await upkeep(daysOn(4))).toMatchObject({
      plans: 0,
      notes: [expect.stringMatching(/kept .*runs\.json: .*damaged/)],
    })
  })
})

function rest0(path: string): boolean {
  return /-0-0-1\.jsonl\.gz$/.test(path)
}

/** The store, with somebody who looks at calls, or makes them fail. */
function watching(
  io: FileIO,
  on: { readonly list?: (prefix: string) => void; readonly delete?: (location: string) => void },
): FileIO {
  return new Proxy(io, {
    get(target, key) {
      const value = Reflect.get(target, key, target) as (...args: unknown[]) => unknown
      return (location: string, ...args: unknown[]) => {
        if (key === 'list') on.list?.(location)
        if (key === 'delete') on.delete?.(location)
        return value.call(target, location, ...args)
      }
    },
  })
}

function failFor(name: string): (location: string) => void {
  return (location) => {
    if (location.endsWith(name)) throw new IcebergError('io', 'injected')
  }
}

function withIO(io: FileIO): LakeDeps['catalog'] {
  return new Proxy(lake.deps.catalog, {
    get: (target, key) => {
      if (key === 'io') return io
      const value = Reflect.get(target, key, target) as unknown
      return typeof value === 'function' ? (value.bind(target) as unknown) : value
    },
  })
}
