import { readFileSync } from 'node:fs'
import { gunzipSync } from 'node:zlib'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { ancestorsOf, headOf } from '../../iceberg/spec/refs.js'
import { toLocalPath } from '../../iceberg/io/location.js'
import { commitLanding } from '../../lake/land/commit-landing.js'
import { fetchLanding } from '../../lake/land/fetch-landing.js'
import { nextRowNumber, readLedger } from '../../lake/land/ledger.js'
import { planLanding } from '../../lake/land/plan-landing.js'
import { maintainTable } from '../../lake/maintain/maintain-lake.js'
import type { LakeDeps } from '../../schemas/lake-deps.js'
import type { FetchedLanding, LandingPlan, TopicLandingPlan } from '../../schemas/messages.js'
import type { Pipeline } from '../../schemas/pipeline.js'
import { FULL } from '../support/full.js'
import { MemoryTopics } from '../support/memory-topics.js'
import { Crash } from './support/crashing.js'
import { testLake, type TestLake } from './support/lake.js'

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
  | { readonly op: 'retention'; readonly partition: number; readonly keep: number }
  | { readonly op: 'read' }

const partition = fc.nat(PARTITIONS - 1)
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
    arbitrary: fc.record({
      op: fc.constant('land' as const),
      crashAt: fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 60 })),
      when: fc.constantFrom('before' as const, 'after' as const),
    }),
  },
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
  readonly bad: Set<string>[] = Array.from({ length: PARTITIONS }, () => new Set())
  /** What retention took before it was landed, while a zombie still held it. */
  readonly maybe = new Set<string>()
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
      if (step.crashAt > 0) lake.crash.set(step.crashAt, step.when)
      await expected(this.land())
      lake.crash.revive()
    } else if (step.op === 'hold') {
      await expected(this.fetch().then((held) => this.held.push(held)))
    } else if (step.op === 'zombie') {
      const held = this.held.shift()
      if (held !== undefined) await expected(commitLanding(this.deps, held.plan, held.fetched))
    } else if (step.op === 'together') await Promise.all([expected(this.land()), expected(this.land())])
    else if (step.op === 'rollback') await this.rollBack(step.back)
    else if (step.op === 'maintain') await this.maintain()
    else if (step.op === 'retention') await this.retention(step)
    else await this.read()
  }

  async settle(): Promise<void> {
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
      const offset = this.topics.send(TOPIC, partition, isGood ? { id: `r${this.sent++}` } : '{"id":')
      ;(isGood ? this.good : this.bad)[partition]!.add(`${partition}/${offset}`)
    }
  }

  private async land(): Promise<void> {
    const { plan, fetched } = await this.fetch()
    await commitLanding(this.deps, plan, fetched)
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
    if (target === undefined) return
    const update = {
      action: 'set-snapshot-ref',
      'ref-name': 'main',
      type: 'branch',
      'snapshot-id': target['snapshot-id'],
    } as const
    await this.lake.catalog.commit([{ identifier: LEDGER, requirements: [], updates: [update] }])
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
        if (held.has(name)) this.maybe.add(name)
      }
    }
  }

  /** Offsets that some snapshot of the ledger covers. */
  private async everLanded(): Promise<readonly string[]> {
    const loaded = await this.lake.catalog.loadTable(LEDGER).catch(() => undefined)
    const names: string[] = []
    for (const snapshot of loaded?.metadata.snapshots ?? []) {
      const main = { type: 'branch', 'snapshot-id': snapshot['snapshot-id'] } as const
      const at = { ...loaded!, metadata: { ...loaded!.metadata, refs: { main } } }
      const rows = await readLedger(this.deps, at, { rowFrom: 0, rowEnd: Number.MAX_SAFE_INTEGER })
      const landed = rows.filter(({ path }) => path !== 'gap:retention')
      names.push(...landed.flatMap((row) => offsetsOf({ ...row, end: row.nextOffset })))
    }
    return names
  }

  async read(): Promise<void> {
    const ledger = await this.lake.catalog.loadTable(LEDGER).catch(() => undefined)
    if (ledger === undefined) return
    const end = await nextRowNumber(this.deps, ledger)
    if (end <= this.readTo) return
    const rows = await readLedger(this.deps, ledger, { rowFrom: this.readTo, rowEnd: end })
    for (const row of rows) if (row.records > 0) this.seen.push(...recordsOf(row.path))
    this.readTo = end
  }
}

function offsetsOf(range: { partition: number; first: number; end: number }): string[] {
  const { partition, first, end } = range
  return Array.from({ length: end - first }, (_, i) => `${partition}/${first + i}`)
}

function recordsOf(path: string): readonly string[] {
  return gunzipSync(readFileSync(toLocalPath(path)))
    .toString()
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as { partition: number; offset: number })
    .map(({ partition, offset }) => `${partition}/${offset}`)
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
        const good = model.good.flatMap((set) => [...set]).sort()
        const seen = [...model.seen].sort()
        expect(seen).toEqual([...new Set(seen)])
        expect(seen.filter((name) => !model.maybe.has(name))).toEqual(good)
        const letters = (await model.lake.rows('raw.dead_letters'))
          .map((row) => `${Number(row['partition'])}/${Number(row['offset'])}`)
          .filter((name) => !model.maybe.has(name))
          .sort()
        expect(letters).toEqual(model.bad.flatMap((set) => [...set]).sort())
      } finally {
        model.lake.close()
      }
    }),
    { numRuns: FULL ? 150 : 25, endOnFailure: true },
  )
})
