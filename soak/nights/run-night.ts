import { buildTables } from '../../lake/features/build-tables.js'
import { planBuild } from '../../lake/features/plan-build.js'
import { commitLanding } from '../../lake/land/commit-landing.js'
import { fetchLanding } from '../../lake/land/fetch-landing.js'
import { planLanding } from '../../lake/land/plan-landing.js'
import { publishBatch } from '../../lake/publish/publish-batch.js'
import { runChecks } from '../../lake/quality/run-checks.js'
import { FirnError } from '../../schemas/error.js'
import type { PublishBatchInput } from '../../schemas/messages.js'
import type { PublishResult } from '../../schemas/publish.js'
import type { NightsLake } from './nights-lake.js'

/** One in so many steps of a night begins with a process that will die. */
const STEP_FAULTS = 8
const PLANS_MAX = 20

export interface NightRun {
  readonly publish?: PublishResult
  /** What was handed to the last publish: a zombie does it once more. */
  readonly input?: PublishBatchInput
  /** Calls to store and catalog, by step; of nights without a fault only. */
  readonly calls?: { readonly land: number; readonly build: number; readonly publish: number }
}

/** The steps of a night as its workflow orders them, each of which may die and is tried again. */
export async function runNight(
  lake: NightsLake,
  night: { readonly batch: string; readonly skip?: string; readonly onChange?: 'forward' },
): Promise<NightRun> {
  const faults = lake.faults
  const start = lake.crash.total
  await land(lake, night.batch)
  const landed = lake.crash.total
  const { built, ...run } = await inPlans(() => build(lake, night))
  if (lake.faults > faults) return run
  const calls = { land: landed - start, build: built - landed, publish: lake.crash.total - built }
  return { ...run, calls }
}

/** From the plan on again where the tables have moved meanwhile. */
export async function inPlans<T>(planToCommit: () => Promise<T>): Promise<T> {
  for (let plans = 1; ; plans += 1) {
    try {
      return await planToCommit()
    } catch (error) {
      if (!isOutdated(error) || plans === PLANS_MAX) throw error
    }
  }
}

async function land(lake: NightsLake, batch: string): Promise<void> {
  const survive = <T>(step: () => Promise<T>): Promise<T> => lake.survive(step, STEP_FAULTS)
  await inPlans(async () => {
    const plan = await survive(() => planLanding(lake.deps, { pipeline: 'shop', from: lake.inbox, batch }))
    const fetched = await survive(() => fetchLanding(lake.deps, plan))
    await survive(() => commitLanding(lake.deps, plan, [fetched]))
  })
}

async function build(
  lake: NightsLake,
  { batch, ...options }: { readonly batch: string; readonly skip?: string },
): Promise<Omit<NightRun, 'calls'> & { readonly built: number }> {
  const survive = <T>(step: () => Promise<T>): Promise<T> => lake.survive(step, STEP_FAULTS)
  const plan = await survive(() => planBuild(lake.deps, { pipeline: 'shop', batch, ...options }))
  if (plan.kind === 'nothing-new') return { built: lake.crash.total }
  if (plan.kind === 'already-published') return { publish: plan.result, built: lake.crash.total }
  if (plan.kind === 'rebuild-first')
    throw new FirnError('check-failed', `${batch}: a rebuild was not asked for`)
  for (const group of plan.groups) await survive(() => buildTables(lake.deps, plan, group))
  const checks = await survive(() => runChecks(lake.deps, plan))
  const run = { workflowId: 'night', runId: batch, startedAtMs: lake.nowMs }
  const built = lake.crash.total
  const input = { plan, checks, run }
  return { publish: await survive(() => publishBatch(lake.deps, input)), input, built }
}

/** What a workflow answers with a new plan. */
export function isOutdated(error: unknown): boolean {
  return error instanceof FirnError && ['rebuild-needed', 'stage-expired', 'stale-range'].includes(error.kind)
}
