import { listMaintainable, maintainTable } from '../../lake/maintain/maintain-lake.js'
import { recordRuns } from '../../lake/maintain/record-runs.js'
import { publishBatch } from '../../lake/publish/publish-batch.js'
import { planRollback } from '../../lake/rollback/plan-rollback.js'
import { runRollback } from '../../lake/rollback/run-rollback.js'
import { batchIdOf } from '../../schemas/batch.js'
import { FirnError } from '../../schemas/error.js'
import type { PublishBatchInput, TableMaintenance } from '../../schemas/messages.js'
import type { PublishResult } from '../../schemas/publish.js'
import { Random } from '../random.js'
import { judgeFiles, judgeRows, judgeTags, tagsOf, type Verdict } from './judge.js'
import { NightsLake } from './nights-lake.js'
import { ordersOf } from './orders-of.js'
import { rebuildBatch } from './rebuild-batch.js'
import { isOutdated, runNight } from './run-night.js'
import { shopPipeline } from './shop.js'
import { ShopModel } from './shop-model.js'

export interface NightsSoakOptions {
  /** Of nights, beginning with January 2025. */
  readonly months: number
  readonly seed: number
  readonly report: (text: string) => void
}

export interface NightsSoakResult {
  readonly months: number
  readonly seed: number
  readonly nights: number
  readonly batches: number
  readonly failedBatches: number
  readonly missedNights: number
  readonly backfilled: number
  readonly rebuilds: number
  readonly rollbacks: number
  readonly definitions: number
  readonly maintenanceRuns: number
  readonly zombies: number
  readonly faults: number
  readonly lost: number
  readonly doubled: number
  readonly missingFiles: number
  /** The largest ever of a table. */
  readonly snapshots: number
  readonly metadataFiles: number
  readonly diskRatio: number
  /** Calls to store and catalog a night, of the second month and of the last: each step's median, maintenance's mean. */
  readonly calls: Readonly<Record<Step, readonly [number, number]>>
  /** Last month by second month; 1: as many. Maintenance by snapshot that is kept, since once a week it reads of all of them. */
  readonly growth: Readonly<Record<Step, number>>
  /** What is above its limit, in words. */
  readonly exceeded: readonly string[]
}

type Step = 'land' | 'build' | 'publish' | 'maintain'

/** Tags of 400 days, at most one for each, and a hundred snapshots more; the log of metadata that tables keep. */
const LIMITS = { snapshots: 520, metadataFiles: 110, diskRatio: 2.5, growth: 1.5 }
const DAY_MS = 86_400_000
const BEGIN = Date.UTC(2025, 0, 1, 2)

/**
 * Months of nights on a real catalog and real files, with a clock of its own: processes die at any call, nights are missed
 * and run later, bad data is refused and skipped, zombies publish again, and maintenance goes on beside it all. Every row
 * of every table is compared with plain loops over what was landed, and every file that a snapshot names is looked for.
 */
export async function soakNights({ months, seed, report }: NightsSoakOptions): Promise<NightsSoakResult> {
  const soak = new NightsSoak(months, seed, report)
  try {
    return await soak.run()
  } finally {
    soak.lake.close()
  }
}

class NightsSoak {
  readonly random: Random
  readonly lake: NightsLake
  private readonly model = new ShopModel()
  private readonly missed: string[] = []
  private readonly calls: Record<Step, number[][]> = { land: [], build: [], publish: [], maintain: [] }
  /** Snapshots that a table has at a month's end, at most. */
  private readonly kept: number[] = []
  /** Ledger rows up to here are built or skipped. */
  private end = 0
  private failing: PublishResult | undefined
  private last: PublishBatchInput | undefined
  private readonly counts = {
    ...{ nights: 0, batches: 0, failedBatches: 0, missedNights: 0, backfilled: 0, rebuilds: 0, rollbacks: 0 },
    ...{
      definitions: 1,
      maintenanceRuns: 0,
      zombies: 0,
      lost: 0,
      doubled: 0,
      missingFiles: 0,
      snapshots: 0,
      metadataFiles: 0,
      diskRatio: 0,
    },
  }

  constructor(
    private readonly months: number,
    private readonly seed: number,
    private readonly report: (text: string) => void,
  ) {
    this.random = new Random(seed)
    this.lake = new NightsLake(BEGIN, shopPipeline(1), this.random)
  }

  async run(): Promise<NightsSoakResult> {
    for (let month = 0; month < this.months; month += 1) {
      for (const step of Object.values(this.calls)) step.push([])
      const [first, next] = [Date.UTC(2025, month, 1, 2), Date.UTC(2025, month + 1, 1, 2)]
      for (let at = first; at < next; at += DAY_MS) await this.day(at)
      await this.endOfMonth(month)
      if (this.counts.lost + this.counts.doubled + this.counts.missingFiles > 0) break
    }
    const { months, seed, counts } = this
    const { calls, growth } = this.costs()
    const exceeded = exceededBy({ ...counts, growth })
    return { months, seed, ...counts, faults: this.lake.faults, calls, growth, exceeded }
  }

  private async day(atMs: number): Promise<void> {
    if (new Date(atMs).getUTCDate() % 10 === 0) this.report(`at ${new Date(atMs).toISOString().slice(0, 10)}`)
    this.lake.nowMs = Math.max(atMs, this.lake.nowMs)
    this.produce(atMs)
    const batch = batchIdOf(new Date(atMs))
    this.counts.nights += 1
    if (this.random.chance(15)) {
      this.counts.missedNights += 1
      this.missed.push(batch)
      return
    }
    await this.night(batch)
    if (this.missed.length > 0 && this.random.chance(3)) await this.backfill()
    if (this.failing !== undefined && this.random.chance(2)) await this.skip(batch, this.failing)
    if (this.random.chance(10)) await this.zombie()
    if (this.random.chance(15)) await this.rebuild()
    if (this.random.chance(40)) await this.rollBack()
    if (this.random.chance(200)) this.define()
    await this.maintain({ due: true })
    this.lake.files.see()
    if (this.random.chance(7)) this.note(await judgeRows(this.lake.deps, this.model), batch)
  }

  /** Files of the day, whose names rise. */
  private produce(atMs: number): void {
    const files = this.random.chance(10) ? 0 : 1 + this.random.below(3)
    for (let n = 0; n < files; n += 1) {
      const orders = ordersOf(this.random, atMs, this.model.rows)
      this.model.rows.push(orders)
      const number = String(this.model.rows.length).padStart(6, '0')
      this.lake.put(`${number}.jsonl`, orders)
    }
  }

  /** Of two at once the one finds what the other did. */
  private async night(batch: string, skip?: string): Promise<void> {
    const options = skip === undefined ? {} : { skip }
    const run = await runNight(this.lake, { batch, onChange: 'forward', ...options })
    for (const [step, calls] of Object.entries(run.calls ?? {})) this.calls[step as Step].at(-1)?.push(calls)
    if (run.publish === undefined || run.publish.inputTo <= this.end) return
    this.take(run.publish)
    this.last = run.input ?? this.last
  }

  /** The range must be the one that is due, whole: what the model believes doesn't come from what it judges. */
  private take(published: PublishResult): void {
    if (published.inputFrom !== this.end || published.inputTo !== this.model.rows.length) {
      throw new FirnError(
        'check-failed',
        `seed ${this.seed}: ${published.batch} took rows ${published.inputFrom} to ${published.inputTo}, due were ${this.end} to ${this.model.rows.length}`,
      )
    }
    this.failing = published.status === 'failed' ? published : undefined
    if (published.status === 'failed') {
      this.counts.failedBatches += 1
      return
    }
    this.counts.batches += 1
    this.end = published.inputTo
    const { batch, inputFrom: rowFrom, inputTo: rowEnd, tag } = published
    this.model.publish({ batch, rowFrom, rowEnd, version: this.counts.definitions }, tag)
  }

  private async skip(batch: string, failed: PublishResult): Promise<void> {
    this.end = failed.inputTo
    this.failing = undefined
    await this.night(batch, failed.batch)
  }

  /** Dates whose night never ran are run, oldest first. */
  private async backfill(): Promise<void> {
    for (const batch of this.missed.splice(0)) {
      await this.night(batch)
      this.counts.backfilled += 1
    }
  }

  /** A worker that was thought dead publishes what it had in its hands. */
  private async zombie(): Promise<void> {
    const input = this.last
    if (input === undefined) return
    this.counts.zombies += 1
    try {
      await publishBatch(this.lake.deps, input)
    } catch (error) {
      if (!isOutdated(error)) throw error
    }
  }

  /** One of the last batches, by the definition of today. */
  private async rebuild(): Promise<void> {
    const batches = this.model.batches().slice(-30)
    if (batches.length === 0) return
    const { batch } = this.random.pick(batches)
    const { tag } = await rebuildBatch(this.lake, batch)
    this.model.rebuild(batch, this.counts.definitions, tag)
    this.counts.rebuilds += 1
  }

  /** Back to one of the last batches; what was built since is due again, and so is what was skipped. */
  private async rollBack(): Promise<void> {
    const { deps } = this.lake
    const target = this.model.batches().slice(-4)[this.random.below(4)]
    if (target === undefined) return
    const survive = <T>(step: () => Promise<T>): Promise<T> => this.lake.survive(step, 3)
    const plan = await survive(() => planRollback(deps, { pipeline: 'shop', to: target.batch }))
    await survive(() => runRollback(deps, plan))
    this.model.rollBack(target.batch)
    this.end = target.rowEnd
    this.failing = undefined
    this.counts.rollbacks += 1
  }

  /** New rows are computed by another definition from now on. */
  private define(): void {
    this.counts.definitions += 1
    this.lake.define(shopPipeline(this.counts.definitions))
  }

  private async maintain({ due }: { readonly due: boolean }): Promise<void> {
    const { lake } = this
    this.counts.maintenanceRuns += 1
    const [faults, calls] = [lake.faults, lake.crash.total]
    const runId = String(this.counts.maintenanceRuns)
    const tables: TableMaintenance[] = []
    for (const table of await listMaintainable(lake.deps, {}))
      tables.push(
        await lake.survive(() => maintainTable(lake.deps, table, { dryRun: false, due, runId }), 40),
      )
    await lake.survive(() => recordRuns(lake.deps, { runId, workflowId: 'maintain-lake', tables }), 10)
    if (due && lake.faults === faults) this.calls.maintain.at(-1)?.push(lake.crash.total - calls)
  }

  private async endOfMonth(month: number): Promise<void> {
    const { lake, model, counts } = this
    await this.maintain({ due: false })
    const name = new Date(Date.UTC(2025, month, 1)).toISOString().slice(0, 7)
    this.note(await judgeRows(lake.deps, model), name)
    const tags = await tagsOf(lake.deps)
    const some = tags.length === 0 ? [] : [0, 1, 2].map(() => this.random.pick(tags))
    this.note(await judgeTags(lake.deps, model, some), name)
    const files = await judgeFiles(lake)
    this.note(files, name)
    this.kept.push(files.snapshots)
    for (const key of ['snapshots', 'metadataFiles', 'diskRatio'] as const)
      counts[key] = Math.max(counts[key], files[key])
    this.report(
      `${name}: ${counts.batches} batches, ${counts.failedBatches} failed, ${lake.faults} faults, ${files.snapshots} snapshots, disk ${files.diskRatio.toFixed(2)}`,
    )
  }

  private costs(): Pick<NightsSoakResult, 'calls' | 'growth'> {
    const { land, build, publish, maintain } = this.calls
    const calls = {
      land: ofTwoMonths(land.map(median)),
      build: ofTwoMonths(build.map(median)),
      publish: ofTwoMonths(publish.map(median)),
      maintain: ofTwoMonths(maintain.map(mean)),
    }
    const [then, now] = ofTwoMonths(this.kept)
    const growth = {
      land: growthOf(calls.land),
      build: growthOf(calls.build),
      publish: growthOf(calls.publish),
      maintain: growthOf([calls.maintain[0] / then, calls.maintain[1] / now]),
    }
    return { calls, growth }
  }

  private note(verdict: Verdict, where: string): void {
    this.counts.lost += verdict.lost
    this.counts.doubled += verdict.doubled
    this.counts.missingFiles += verdict.missingFiles
    for (const problem of verdict.problems) this.report(`seed ${this.seed}, ${where}: ${problem}`)
  }
}

function exceededBy({
  growth,
  ...sizes
}: Pick<NightsSoakResult, 'snapshots' | 'metadataFiles' | 'diskRatio' | 'growth'>): readonly string[] {
  const { growth: growthMax, ...sizesMax } = LIMITS
  const values = [
    ...Object.entries(sizesMax).map(([name, max]) => ({
      name,
      max,
      is: sizes[name as keyof typeof sizesMax],
    })),
    ...Object.entries(growth).map(([step, is]) => ({ name: `growth of ${step}`, max: growthMax, is })),
  ]
  return values.filter(({ is, max }) => is > max).map(({ name, is, max }) => `${name}: ${is}, at most ${max}`)
}

/** The second month, since the first one begins with an empty lake, and the last one. */
function ofTwoMonths(byMonth: readonly number[]): readonly [number, number] {
  return [byMonth[Math.min(1, byMonth.length - 1)] ?? 0, byMonth.at(-1) ?? 0]
}

function growthOf([then, now]: readonly [number, number]): number {
  return Number((now / then).toFixed(2))
}

function mean(numbers: readonly number[]): number {
  return Math.round(numbers.reduce((sum, one) => sum + one, 0) / Math.max(numbers.length, 1))
}

function median(numbers: readonly number[]): number {
  return [...numbers].sort((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? 0
}
