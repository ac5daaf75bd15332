import { buildTables } from '../lake/features/build-tables.js'
import { planBuild } from '../lake/features/plan-build.js'
import { commitLanding } from '../lake/land/commit-landing.js'
import { fetchLanding } from '../lake/land/fetch-landing.js'
import { planLanding } from '../lake/land/plan-landing.js'
import { publishBatch } from '../lake/publish/publish-batch.js'
import { runChecks } from '../lake/quality/run-checks.js'
import type { LakeDeps } from '../schemas/lake-deps.js'
import type { BuildPlan, CheckedBatch, LandResult } from '../schemas/messages.js'
import type { PublishResult } from '../schemas/publish.js'

/** How long each part took, in milliseconds; `engine` is building and checking. */
export interface NightTimes {
  readonly landing: number
  readonly engine: number
  readonly commit: number
}

export interface Night {
  readonly landed: LandResult
  readonly plan: BuildPlan
  readonly checks?: CheckedBatch
  readonly publish?: PublishResult
  readonly times: NightTimes
}

const RUN = { workflowId: 'direct', runId: 'direct' }

/** The steps of a night without Temporal: land what is in `from`, build, check, publish. */
export async function runNight(
  deps: LakeDeps,
  night: { readonly pipeline: string; readonly from: string; readonly batch: string },
): Promise<Night> {
  const { pipeline, batch } = night
  const signal = new AbortController().signal
  const quiet = { onProgress: () => undefined, signal }
  const [t0, startedAtMs] = [performance.now(), deps.now()]
  const landing = await planLanding(deps, night)
  const landed = await commitLanding(deps, landing, [await fetchLanding(deps, landing, 0, quiet)])
  const t1 = performance.now()
  const plan = await planBuild(deps, { pipeline, batch })
  if (plan.kind !== 'build')
    return { landed, plan, times: { landing: t1 - t0, engine: performance.now() - t1, commit: 0 } }
  for (const tables of plan.groups) await buildTables(deps, plan, tables, quiet)
  const checks = await runChecks(deps, plan)
  const t2 = performance.now()
  const publish = await publishBatch(deps, { plan, checks, run: { ...RUN, startedAtMs } })
  return {
    landed,
    plan,
    checks,
    publish,
    times: { landing: t1 - t0, engine: t2 - t1, commit: performance.now() - t2 },
  }
}
