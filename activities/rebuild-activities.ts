import { checkRebuild } from '../lake/rebuild/check-rebuild.js'
import { planRebuild } from '../lake/rebuild/plan-rebuild.js'
import { publishRebuild } from '../lake/rebuild/publish-rebuild.js'
import { rebuildTables } from '../lake/rebuild/rebuild-tables.js'
import type { LakeDeps } from '../schemas/lake-deps.js'
import type { BuiltTables, CheckedBatch } from '../schemas/messages.js'
import type { PublishResult } from '../schemas/publish.js'
import type { PublishRebuildInput, RebuildBatchInput, RebuildPlan } from '../schemas/rebuild-messages.js'
import { runCore } from './run-core.js'

export type RebuildActivities = ReturnType<typeof createRebuildActivities>

export function createRebuildActivities(deps: LakeDeps) {
  return {
    /**
     * Effect: creates tables that are new in the definition, but in a dry run; otherwise reads only.
     * Key: not needed: the id it finds is free until something is published under it.
     * Heartbeat: every 2 s. Kinds: not-found, invalid-input, definition-changed, config, io.
     */
    planRebuild: (input: RebuildBatchInput): Promise<RebuildPlan> => runCore(() => planRebuild(deps, input)),

    /**
     * Effect: writes the tables' data files and, create-if-absent, their staging descriptors; nothing is visible.
     * Key: pipeline, the rebuild's id and table: the first staged attempt wins, later ones return it.
     * Heartbeat: every 2 s with the table at work. Kinds: sql-invalid, data-invalid, cancelled, stage-expired, io.
     */
    rebuildTables: ({ plan }: { readonly plan: RebuildPlan }): Promise<BuiltTables> =>
      runCore((run) => rebuildTables(deps, plan, run)),

    /**
     * Effect: none; runs the checks on the tables as the rebuild will leave them.
     * Key: not needed. Heartbeat: every 2 s with the checks done. Kinds: sql-invalid, stage-expired, cancelled, io.
     */
    checkRebuild: ({ plan }: { readonly plan: RebuildPlan }): Promise<CheckedBatch> =>
      runCore((run) => checkRebuild(deps, plan, run)),

    /**
     * Effect: writes files that lose rows anew, then one catalog transaction: rows replaced, tags, audit row; or the failed
     * branches and their row.
     * Key: pipeline, the rebuild's id and range, by the audit row in that transaction; a second run returns the result.
     * Heartbeat: every 2 s. Kinds: rebuild-needed, stage-expired (plan again), commit-unknown, commit-conflict, io.
     */
    publishRebuild: (input: PublishRebuildInput): Promise<PublishResult> =>
      runCore(() => publishRebuild(deps, input)),
  }
}
