import { commitLanding } from '../lake/land/commit-landing.js'
import { fetchLanding } from '../lake/land/fetch-landing.js'
import { planLanding } from '../lake/land/plan-landing.js'
import type { LakeDeps } from '../schemas/lake-deps.js'
import type { FetchedLanding, FileLandingPlan, LandResult, LandSourceInput } from '../schemas/messages.js'
import { runCore } from './run-core.js'

export type LandActivities = ReturnType<typeof createLandActivities>

export function createLandActivities(deps: LakeDeps) {
  return {
    /**
     * Effect: fixes the range of new files and writes its list; nothing is visible.
     * Key: pipeline, source and batch on the ledger as it stands; running it again plans on the newest ledger.
     * Heartbeat: every 2 s. Kinds: invalid-input, not-found, config, raw-differs, io.
     */
    planLanding: (input: LandSourceInput & { readonly batch: string }): Promise<FileLandingPlan> =>
      runCore(() => planLanding(deps, input)),

    /**
     * Effect: reads exactly the plan's files, writes raw objects and stages ledger rows; nothing is visible.
     * Key: the plan; objects are named by their range and equal content is used again.
     * Heartbeat: every 2 s with the files done. Kinds: raw-differs, contract-broken, cancelled, io.
     */
    fetchLanding: (plan: FileLandingPlan): Promise<FetchedLanding> =>
      runCore((run) => fetchLanding(deps, plan, run)),

    /**
     * Effect: one commit of ledger rows and dead letters.
     * Key: the first offset of every object, which must be the ledger's next one; a landing committed before is found.
     * Heartbeat: every 2 s. Kinds: stale-range (plan again), commit-conflict, commit-unknown, commit-rejected, io.
     */
    commitLanding: (landing: {
      readonly plan: FileLandingPlan
      readonly fetched: FetchedLanding
    }): Promise<LandResult> => runCore(() => commitLanding(deps, landing.plan, landing.fetched)),
  }
}
