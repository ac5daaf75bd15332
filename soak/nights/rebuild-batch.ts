import { checkRebuild } from '../../lake/rebuild/check-rebuild.js'
import { planRebuild } from '../../lake/rebuild/plan-rebuild.js'
import { publishRebuild } from '../../lake/rebuild/publish-rebuild.js'
import { rebuildTables } from '../../lake/rebuild/rebuild-tables.js'
import type { PublishResult } from '../../schemas/publish.js'
import type { NightsLake } from './nights-lake.js'
import { inPlans } from './run-night.js'

const STEP_FAULTS = 4

/** Computes a published batch again, as its workflow does. */
export async function rebuildBatch(lake: NightsLake, batch: string): Promise<PublishResult> {
  const survive = <T>(step: () => Promise<T>): Promise<T> => lake.survive(step, STEP_FAULTS)
  return await inPlans(async () => {
    const plan = await survive(() => planRebuild(lake.deps, { pipeline: 'shop', batch }))
    await survive(() => rebuildTables(lake.deps, plan))
    const checks = await survive(() => checkRebuild(lake.deps, plan))
    const run = { workflowId: 'rebuild-shop', runId: plan.build.batch, startedAtMs: lake.nowMs }
    return await survive(() => publishRebuild(lake.deps, { plan, checks, run }))
  })
}
