import { gunzipSync } from 'node:zlib'
import fc from 'fast-check'
import { afterEach, describe, expect, it } from 'vitest'
import { replayLetters } from '../../lake/dead-letters/replay-letters.js'
import { dropLetters, planDrop } from '../../lake/dead-letters/drop-letters.js'
import { listLetters } from '../../lake/dead-letters/list-letters.js'
import { PointerCatalog } from '../../iceberg/catalog/pointer-catalog.js'
import { MemoryPointerStore } from '../../iceberg/catalog/memory.js'
import { LocalFileIO } from '../../iceberg/io/local.js'
import { runSql } from '../../lake/query/sql.js'
import type { LakeDeps } from '../../schemas/lake-deps.js'
import { FaultyFileIO, FaultyPointerStore, Scheduler, Session, type Fault } from '../../soak/faults.js'
import { restorableLake, type RestorableLake } from './support/restorable-lake.js'
import type { TestLake } from './support/lake.js'
import { testLake } from './support/lake.js'
import { badRun, goodRun, landNew, mended, strictPipeline } from './support/letters.js'

const [DAY_1, DAY_2, DAY_3] = ['20260701T020000Z', '20260702T020000Z', '20260703T020000Z'] as const

const lines = (runs: readonly object[]) => runs.map((run) => JSON.stringify(run)).join('\n')

/** Ids of the records that the ledger's rows name, sorted; row numbers have no hole and none twice. */
async function landedIds(lake: Pick<TestLake, 'rows' | 'catalog'>): Promise<string> {
  const found: string[] = []
  const rows = await lake.rows('raw.runs', 'row_number')
  expect(rows.map((row) => Number(row['row_number']))).toEqual(rows.map((_, i) => i))
  for (const row of rows) {
    if (row['records'] === 0n) continue
    const text = gunzipSync(await lake.catalog.io.read(row['path'] as string)).toString('utf8')
    for (const line of text.trimEnd().split('\n')) {
      const { offset, payload } = JSON.parse(line) as { offset: number; payload: string }
      const isOf =
        BigInt(offset) >= (row['first'] as bigint) && BigInt(offset) < (row['next_offset'] as bigint)
      if (isOf) found.push((JSON.parse(payload) as { id: string }).id)
    }
  }
  return found.sort().join('')
}

describe('a process that ends after any call of a replay', { timeout: 120_000 }, () => {
  let saved: RestorableLake
  afterEach(() => saved.lake.close())

  it('leaves each letter either landed or a letter; done again all are landed, once', async () => {
    saved = restorableLake([strictPipeline])
    const { lake } = saved
    lake.put('a.jsonl', lines([goodRun('a'), badRun('b'), goodRun('c'), badRun('d')]))
    await landNew(lake, lake.deps, DAY_1)
    saved.save()
    const replay = () => replayLetters(mended(lake.deps), { selection: {}, batch: DAY_2 })
    lake.crash.revive()
    await replay()
    const { calls } = lake.crash
    expect(calls).toBeGreaterThan(20)
    const outcomes = new Set<string>()
    for (let at = calls; at >= 1; at -= 2) {
      saved.restore()
      lake.crash.set(at, 'after')
      await replay().catch(() => undefined)
      lake.crash.revive()
      const landed = await landedIds(lake)
      const { total } = await listLetters(lake.deps, {}, { limit: 0 })
      expect([`ac 2`, `abcd 0`], `after call ${at}`).toContain(`${landed} ${total}`)
      outcomes.add(landed)
      await replay()
      expect(await landedIds(lake), `replayed after call ${at}`).toBe('abcd')
      expect((await listLetters(lake.deps, {}, { limit: 0 })).total).toBe(0)
    }
    expect(outcomes).toEqual(new Set(['ac', 'abcd']))
  })
})

const FAULTS: readonly Fault[] = ['fail-before', 'fail-after', 'lost', 'crash-before', 'crash-after']

describe(
  'replays, a drop and a landing at the same time, whose calls fail in every way',
  { timeout: 120_000 },
  () => {
    it('land each record once, and lose none that was not dropped', async () => {
      let faultsMet = 0
      await fc.assert(
        fc.asyncProperty(
          fc.array(fc.nat(999), { minLength: 64, maxLength: 64 }),
          fc.array(fc.array(fc.tuple(fc.nat(60), fc.constantFrom(...FAULTS)), { maxLength: 2 }), {
            minLength: 4,
            maxLength: 4,
          }),
          async (draws, faults) => {
            const world = openWorld(draws)
            try {
              faultsMet += await playRound(world, faults)
            } finally {
              world.lake.close()
            }
          },
        ),
        { numRuns: 8, endOnFailure: true },
      )
      expect(faultsMet).toBeGreaterThan(3)
    })
  },
)

interface World {
  readonly lake: TestLake
  /** Nothing fails here. */
  readonly sound: LakeDeps
  readonly scheduler: Scheduler
  readonly open: (faults: readonly (readonly [number, Fault])[]) => {
    readonly deps: LakeDeps
    readonly session: Session
  }
}

function openWorld(draws: readonly number[]): World {
  const lake = testLake([strictPipeline])
  const { now, newUuid, warehouse } = lake.deps
  let turn = 0
  const scheduler = new Scheduler((bound) => (draws[turn++ % draws.length] ?? 0) % bound)
  const store = new MemoryPointerStore()
  const files = new LocalFileIO({ durability: 'none' })
  const options = { name: 'firn', warehouse, now, newUuid }
  const sound = { ...lake.deps, catalog: new PointerCatalog(store, { ...options, io: files }) }
  return {
    lake,
    sound,
    scheduler,
    open(faults) {
      const session = new Session(scheduler, new Map(faults))
      const io = new FaultyFileIO(files, session)
      const catalog = new PointerCatalog(new FaultyPointerStore(store, session), { ...options, io })
      return { deps: { ...sound, catalog }, session }
    },
  }
}

/** Returns how many faults were met. */
async function playRound(
  { lake, sound, scheduler, open }: World,
  faults: readonly (readonly (readonly [number, Fault])[])[],
): Promise<number> {
  lake.put('a.jsonl', lines([goodRun('a'), badRun('b'), badRun('c'), badRun('d')]))
  await landNew(lake, sound, DAY_1)
  lake.put('b.jsonl', lines([goodRun('e'), badRun('f')]))
  const [doomed] = (await listLetters(sound, {}, { limit: 1 })).letters
  const works: readonly ((deps: LakeDeps) => Promise<unknown>)[] = [
    (deps) => replayLetters(mended(deps), { selection: {}, batch: DAY_2 }),
    (deps) => replayLetters(mended(deps), { selection: {}, batch: DAY_3 }),
    async (deps) =>
      dropLetters(deps, await planDrop(deps, { ids: [doomed!] }), { reason: 'no use', by: 'test' }),
    (deps) => landNew(lake, deps, DAY_3),
  ]
  const sessions = works.map((work, i) => {
    const { deps, session } = open(faults[i] ?? [])
    return { session, ended: Promise.race([work(deps).catch(() => undefined), session.crashed]) }
  })
  await scheduler.runUntil(Promise.all(sessions.map(({ ended }) => ended)))
  await scheduler.drain()
  await landNew(lake, sound, DAY_3)
  await replayLetters(mended(sound), { selection: {}, batch: DAY_3 })
  const rows = async (table: string) =>
    (await runSql(sound, { sql: `SELECT * FROM ${table} ORDER BY row_number` })).rows
  const landed = await landedIds({ rows, catalog: sound.catalog })
  expect(['abcdef', 'abcdef'.replace(idOf(doomed?.offset), '')]).toContain(landed)
  expect((await listLetters(sound, {}, { limit: 0 })).total).toBe(0)
  return sessions.reduce((sum, { session }) => sum + session.faultsMet, 0)
}

function idOf(offset: number | undefined): string {
  return 'abcdef'[offset ?? 0] ?? ''
}
