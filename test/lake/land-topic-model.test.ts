import { readFileSync } from 'node:fs'
import { gunzipSync } from 'node:zlib'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { expireSnapshots } from '../../iceberg/maintain/expire.js'
import { ancestorsOf, headOf } from '../../iceberg/spec/refs.js'
import { toLocalPath } from '../../iceberg/io/location.js'
import { commitTransaction } from '../../iceberg/write/transaction.js'
import { isReplayed } from '../../lake/dead-letters/replay-objects.js'
import { replayLetters } from '../../lake/dead-letters/replay-letters.js'
import { commitLanding } from '../../lake/land/commit-landing.js'
import { fetchLanding } from '../../lake/land/fetch-landing.js'
import { nextRowNumber, readLedger, type LedgerRow } from '../../lake/land/ledger.js'
import { planLanding } from '../../lake/land/plan-landing.js'
import { maintainTable } from '../../lake/maintain/maintain-lake.js'
import { SUMMARY } from '../../lake/publish/audit.js'
import { ensureTables } from '../../lake/tables/ensure-tables.js'
import type { LakeDeps } from '../../schemas/lake-deps.js'
import { auditIdentifier } from '../../schemas/lake-tables.js'
import type { FetchedLanding, LandingPlan, TopicLandingPlan } from '../../schemas/messages.js'
import type { Pipeline } from '../../schemas/pipeline.js'
import { FULL } from '../support/full.js'
import { incarnationName, MemoryTopics } from '../support/memory-topics.js'
import { Crash } from './support/crashing.js'
import { testLake, type TestLake } from './support/lake.js'
import { setHead } from './support/set-head.js'

const TOPIC = 'lab.events'
const PARTITIONS = 3
const BATCH = '20260701T020000Z'
const LEDGER = { namespace: 'raw', name: 'events' }

const events: Pipeline = {
  name: 'events',
  namespace: 'event_features',
  directory: '/nowhere',
  sources: { events: { kind: 'json', topic: TOPIC, schema: { id: 'string' }, identity: ['id'] } },
  tables: {},
  sqlTexts: {},
}

type Op =
  | { readonly op: 'send'; readonly partition: number; readonly good: number; readonly bad: number }
  | { readonly op: 'skip'; readonly partition: number }
  | { readonly op: 'land'; readonly crashAt: number; readonly when: 'before' | 'after' }
  | { readonly op: 'hold' }
  | { readonly op: 'zombie' }
  | { readonly op: 'together' }
  | { readonly op: 'rollback'; readonly back: number }
  | { readonly op: 'maintain' }
  | { readonly op: 'expire' }
  | { readonly op: 'file'; readonly crashAt: number; readonly when: 'before' | 'after' }
  | { readonly op: 'replay'; readonly crashAt: number; readonly when: 'before' | 'after' }
  | { readonly op: 'retention'; readonly partition: number; readonly keep: number }
  | { readonly op: 'read' }

const partition = fc.nat(PARTITIONS - 1)
const crashAt = fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 60 }))
const when = fc.constantFrom('before' as const, 'after' as const)
const op: fc.Arbitrary<Op> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      op: fc.constant('send' as const),
      partition,
      good: fc.integer({ min: 1, max: 20 }),
      bad: fc.nat(2),
    }),
  },
  { weight: 1, arbitrary: fc.record({ op: fc.constant('skip' as const), partition }) },
  {
    weight: 6,
    arbitrary: fc.record({ op: fc.constant('land' as const), crashAt, when }),
  },
  { weight: 1, arbitrary: fc.record({ op: fc.constant('file' as const), crashAt, when }) },
  { weight: 1, arbitrary: fc.record({ op: fc.constant('replay' as const), crashAt, when }) },
  { weight: 1, arbitrary: fc.record({ op: fc.constant('expire' as const) }) },
  { weight: 2, arbitrary: fc.record({ op: fc.constant('hold' as const) }) },
  { weight: 2, arbitrary: fc.record({ op: fc.constant('zombie' as const) }) },
  { weight: 1, arbitrary: fc.record({ op: fc.constant('together' as const) }) },
  {
    weight: 1,
    arbitrary: fc.record({ op: fc.constant('rollback' as const), back: fc.integer({ min: 1, max: 4 }) }),
  },
  { weight: 1, arbitrary: fc.record({ op: fc.constant('maintain' as const) }) },
  { weight: 1, arbitrary: fc.record({ op: fc.constant('retention' as const), partition, keep: fc.nat(8) }) },
  { weight: 2, arbitrary: fc.record({ op: fc.constant('read' as const) }) },
)

/** What the lake has to hold, and what a reader by row number has seen. */
class Model {
  readonly topics = new MemoryTopics()
  readonly lake: TestLake
  readonly deps: LakeDeps
  readonly good: Set<string>[] = Array.from({ length: PARTITIONS }, () => new Set())
  /** Bad ones are dead letters until a replay lands them. */
  readonly bad: Set<string>[] = Array.from({ length: PARTITIONS }, () => new Set())
  readonly files: string[] = []
  /** What retention took before it was landed, or landed again, while somebody still held it. */
  readonly maybe = new Set<string>()
  /** Landed by rows that were rolled back and have expired: they are read from the source again. */
  readonly again = new Set<string>()
  readonly seen: string[] = []
  readTo = 0
  sent = 0
  held: { readonly plan: TopicLandingPlan; readonly fetched: readonly FetchedLanding[] }[] = []

  constructor() {
    this.lake = testLake([events])
    this.deps = { ...this.lake.deps, topics: this.topics }
    this.topics.create(TOPIC, PARTITIONS)
  }

  async run(step: Op): Promise<void> {
    const { topics, lake } = this
    if (step.op === 'send') this.send(step)
    else if (step.op === 'skip') topics.skip(TOPIC, step.partition, 3)
    else if (step.op === 'land') {
      await this.crashing(step, () => this.land())
    } else if (step.op === 'file') {
      const name = `f${this.files.length}.json`
      this.files.push(name)
      lake.put(name, { id: name })
      await this.crashing(step, () => this.landFiles())
    } else if (step.op === 'replay') {
      await this.crashing(step, () => this.replay())
    } else if (step.op === 'hold') {
      await expected(this.fetch().then((held) => this.held.push(held)))
    } else if (step.op === 'zombie') {
      const held = this.held.shift()
      if (held !== undefined) await expected(commitLanding(this.deps, held.plan, held.fetched))
    } else if (step.op === 'together') await Promise.all([expected(this.land()), expected(this.land())])
    else if (step.op === 'rollback') await this.rollBack(step.back)
    else if (step.op === 'maintain') await this.maintain()
    else if (step.op === 'expire') await this.expire()
    else if (step.op === 'retention') await this.retention(step)
    else await this.read()
  }

  private async crashing(
    { crashAt, when }: { readonly crashAt: number; readonly when: 'before' | 'after' },
    work: () => Promise<unknown>,
  ): Promise<void> {
    if (crashAt > 0) this.lake.crash.set(crashAt, when)
    await expected(work())
    this.lake.crash.revive()
  }

  async settle(): Promise<void> {
    // First what an attempt that was cut off has planned, then what came after.
    while ((await this.landFiles()) > 0);
    for (;;) {
      const { plan, fetched } = await this.fetch()
      await commitLanding(this.deps, plan, fetched)
      if (plan.ranges.length === 0) break
    }
    await this.read()
  }

  private send({ partition, good, bad }: Extract<Op, { op: 'send' }>): void {
    for (let i = 0; i < good + bad; i++) {
      const isGood = i < good
      const offset = this.topics.send(TOPIC, partition, { id: isGood ? `r${this.sent++}` : this.sent++ })
      ;(isGood ? this.good : this.bad)[partition]!.add(`${partition}/${offset}`)
    }
  }

  private async land(): Promise<void> {
    const { plan, fetched } = await this.fetch()
    await commitLanding(this.deps, plan, fetched)
  }

  /** How many files it landed. */
  private async landFiles(): Promise<number> {
    const plan = await planLanding(this.deps, { pipeline: 'events', batch: BATCH, from: this.lake.inbox })
    await commitLanding(this.deps, plan, [await fetchLanding(this.deps, plan)])
    return plan.kind === 'files' ? plan.files : 0
  }

  /** As after the contract was mended: ids may be numbers. */
  private async replay(): Promise<void> {
    const source = { ...events.sources['events']!, schema: { id: 'long' } }
    const pipelines = new Map([['events', { ...events, sources: { events: source } }]])
    await replayLetters({ ...this.deps, pipelines }, { selection: { source: 'events' }, batch: BATCH })
  }

  /** Another engine expires all that main does not show. */
  private async expire(): Promise<void> {
    if ((await this.lake.catalog.loadTable(LEDGER).catch(() => undefined)) === undefined) return
    const before = await this.everLanded()
    const { catalog, now } = this.deps
    const nowMs = now()
    await expireSnapshots({ catalog, identifier: LEDGER, nowMs, maxSnapshotAgeMs: 0, minSnapshotsToKeep: 1 })
    const left = new Set(await this.everLanded())
    const gone = before.filter((name) => !left.has(name))
    const { partitions } = await this.topics.describe(TOPIC)
    for (const name of gone) {
      this.again.add(name)
      const [partition, offset] = name.split('/').map(Number)
      if (offset! < (partitions[partition!]?.earliest ?? 0)) this.loseAgain(name, partition!)
    }
  }

  private loseAgain(name: string, partition: number): void {
    this.good[partition]!.delete(name)
    this.bad[partition]!.delete(name)
    this.maybe.add(name)
  }

  private async fetch(): Promise<{ plan: TopicLandingPlan; fetched: readonly FetchedLanding[] }> {
    const accept = ['lost-offsets', 'all-bad'] as const
    const plan: LandingPlan = await planLanding(this.deps, { pipeline: 'events', batch: BATCH, accept })
    if (plan.kind !== 'topic') throw new Error('not a topic')
    const fetched: FetchedLanding[] = []
    for (const slice of plan.slices.keys()) fetched.push(await fetchLanding(this.deps, plan, slice))
    return { plan, fetched }
  }

  private async rollBack(back: number): Promise<void> {
    const { metadata } = await this.lake.catalog.loadTable(LEDGER).catch(() => ({ metadata: undefined }))
    const head = metadata === undefined ? undefined : headOf(metadata)
    if (metadata === undefined || head === undefined) return
    const target = [...ancestorsOf(metadata, head['snapshot-id'])][back]
    if (target !== undefined) await setHead(this.lake.catalog, 'raw.events', target['snapshot-id'])
  }

  private async maintain(): Promise<void> {
    if ((await this.lake.catalog.loadTable(LEDGER).catch(() => undefined)) === undefined) return
    await expected(maintainTable(this.deps, 'raw.events', { dryRun: false }))
  }

  /** Retention takes the oldest records; those that no landing has brought are lost for good. */
  private async retention({ partition, keep }: Extract<Op, { op: 'retention' }>): Promise<void> {
    const { partitions } = await this.topics.describe(TOPIC)
    const earliest = Math.max(0, partitions[partition]!.end - keep)
    this.topics.truncate(TOPIC, partition, earliest)
    const landed = new Set(await this.everLanded())
    const held = new Set(this.held.flatMap(({ plan }) => plan.ranges).flatMap(offsetsOf))
    for (const sets of [this.good, this.bad]) {
      for (const name of sets[partition]!) {
        if (Number(name.split('/')[1]) >= earliest || landed.has(name)) continue
        sets[partition]!.delete(name)
        if (held.has(name) || this.again.has(name)) this.maybe.add(name)
      }
    }
  }

  /** Offsets that some snapshot of the ledger covers. */
  private async everLanded(): Promise<readonly string[]> {
    const loaded = await this.lake.catalog.loadTable(LEDGER).catch(() => undefined)
    const names: string[] = []
    const incarnations = new Set([incarnationName('topic-1')])
    for (const snapshot of loaded?.metadata.snapshots ?? []) {
      const main = { type: 'branch', 'snapshot-id': snapshot['snapshot-id'] } as const
      const at = { ...loaded!, metadata: { ...loaded!.metadata, refs: { main } } }
      const rows = await readLedger(this.deps, at, { rowFrom: 0, rowEnd: Number.MAX_SAFE_INTEGER })
      for (const row of rows.filter(({ path }) => path !== 'gap:retention')) {
        const isRange = incarnations.has(row.incarnation) && !isReplayed(row.path)
        names.push(...(isRange ? offsetsOf({ ...row, end: row.nextOffset }) : recordsOf(row)))
      }
    }
    return names
  }

  /** What a batch that has read so far leaves behind: its audit row, of which the summary is enough. */
  private async recordBuilt(end: number): Promise<void> {
    await ensureTables(this.deps, events)
    const summary = {
      [SUMMARY.pipeline]: 'events',
      [SUMMARY.status]: 'published',
      [SUMMARY.inputTo]: `${end}`,
    }
    const { catalog, now, newUuid, newSnapshotId } = this.deps
    const identifier = auditIdentifier(events.namespace)
    const change = { kind: 'append' as const, files: [] }
    const changes = [{ identifier, change, snapshotId: newSnapshotId(), summary, evenIfEmpty: true as const }]
    await commitTransaction({ catalog, now, newUuid, changes })
  }

  async read(): Promise<void> {
    const ledger = await this.lake.catalog.loadTable(LEDGER).catch(() => undefined)
    if (ledger === undefined) return
    const end = await nextRowNumber(this.deps, ledger)
    if (end <= this.readTo) return
    const rows = await readLedger(this.deps, ledger, { rowFrom: this.readTo, rowEnd: end })
    for (const row of rows) if (row.records > 0) this.seen.push(...recordsOf(row))
    this.readTo = end
    await this.recordBuilt(end)
  }
}

function offsetsOf(range: { partition: number; first: number; end: number }): string[] {
  const { partition, first, end } = range
  return Array.from({ length: end - first }, (_, i) => `${partition}/${first + i}`)
}

/** Of files their paths, else `partition/offset`. */
function recordsOf(row: LedgerRow): readonly string[] {
  return gunzipSync(readFileSync(toLocalPath(row.path)))
    .toString()
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as { path: string | null; partition: number; offset: number })
    .filter(({ offset }) => offset >= row.first && offset < row.nextOffset)
    .map(({ path, partition, offset }) => path ?? `${partition}/${offset}`)
}

const HARMLESS = new Set([
  'stale-range',
  'stage-expired',
  'commit-unknown',
  'commit-conflict',
  'rebuild-needed',
])

/** Crashes and refusals are part of life; anything else is a defect. */
async function expected(work: Promise<unknown>): Promise<void> {
  try {
    await work
  } catch (error) {
    for (let cause: unknown = error; cause instanceof Error; cause = cause.cause) {
      if (cause instanceof Crash || HARMLESS.has(String((cause as { kind?: unknown }).kind))) return
    }
    throw error
  }
}

test('each offset is landed and read once, whatever is killed, held back, rolled back or compacted', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(op, { minLength: 5, maxLength: 40 }), async (steps) => {
      const model = new Model()
      try {
        for (const step of steps) await model.run(step)
        await model.settle()
        const known = (name: string): boolean => !model.maybe.has(name)
        const once = (names: readonly string[]): readonly string[] =>
          names.filter((name, i) => names.indexOf(name) === i || !model.again.has(name))
        const seen = once(model.seen).filter(known)
        const letters = once(
          (await model.lake.rows('raw.dead_letters')).map(
            (row) => `${Number(row['partition'])}/${Number(row['offset'])}`,
          ),
        ).filter(known)
        const bad = new Set(model.bad.flatMap((set) => [...set]))
        const good = [...model.good.flatMap((set) => [...set]), ...model.files]
        expect(seen.filter((name) => !bad.has(name)).sort()).toEqual(good.sort())
        // A letter is replayed or still there, and both only where it came from the source again.
        const replayed = seen.filter(
          (name) => bad.has(name) && !(model.again.has(name) && letters.includes(name)),
        )
        expect([...letters, ...replayed].sort()).toEqual([...bad].sort())
      } finally {
        model.lake.close()
      }
    }),
    { numRuns: FULL ? 80 : 20, endOnFailure: true },
  )
})
