import { awaitRecords } from '../lake/land/await-records.js'
import { commitLanding } from '../lake/land/commit-landing.js'
import { fetchLanding } from '../lake/land/fetch-landing.js'
import { planLanding, type PlanLandingInput } from '../lake/land/plan-landing.js'
import type { LakeDeps } from '../schemas/lake-deps.js'
import type {
  AwaitRecordsInput,
  DueRecords,
  FetchedLanding,
  LandingPlan,
  LandResult,
} from '../schemas/messages.js'
import { runCore } from './run-core.js'

export type LandActivities = ReturnType<typeof createLandActivities>

export function createLandActivities(deps: LakeDeps) {
  return {
    /**
     * Effect: none; waits until records, bytes or age say that a landing of a topic is due, or until `waitMs` are over.
     * Key: not needed. Heartbeat: every 2 s with what waits. Kinds: not-found, config, cancelled, io.
     */
    awaitRecords: (input: AwaitRecordsInput): Promise<DueRecords> =>
      runCore((run) => awaitRecords(deps, input, run)),

    /**
     * Effect: fixes the range of new files (and writes its list) or of a topic's offsets; ledger rows that a rollback
     * removed come back under their numbers. Nothing new is visible.
     * Key: pipeline, source and batch on the ledger as it stands; running it again plans on the newest ledger.
     * Heartbeat: every 2 s. Kinds: invalid-input, not-found, config, source-changed, offsets-lost, raw-differs, io.
     */
    planLanding: (input: PlanLandingInput & { readonly batch: string }): Promise<LandingPlan> =>
      runCore(() => planLanding(deps, input)),

    /**
     * Effect: reads exactly a slice of the plan (files: slice 0), writes raw objects and dead letters; nothing is visible.
     * Key: the slice's ranges; objects are named by their range and equal content is used again.
     * Heartbeat: every 2 s with the records done. Kinds: raw-differs, contract-broken, stale-range, cancelled, io.
     */
    fetchLanding: (fetch: { readonly plan: LandingPlan; readonly slice: number }): Promise<FetchedLanding> =>
      runCore((run) => fetchLanding(deps, fetch.plan, fetch.slice, run)),

    /**
     * Effect: one commit of ledger rows and dead letters.
     * Key: the first offset of every partition, which must be the ledger's next one; a landing committed before is found.
     * Heartbeat: every 2 s. Kinds: stale-range, stage-expired (plan again), contract-broken, commit-conflict,
     * commit-unknown, commit-rejected, io.
     */
    commitLanding: (landing: {
      readonly plan: LandingPlan
      readonly fetched: readonly FetchedLanding[]
    }): Promise<LandResult> => runCore(() => commitLanding(deps, landing.plan, landing.fetched)),
  }
}
