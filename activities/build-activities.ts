import { buildTables } from '../lake/features/build-tables.js'
import { buildPart, type BuiltPart } from '../lake/features/parts/build-part.js'
import { mergeParts } from '../lake/features/parts/merge-parts.js'
import { planBuild } from '../lake/features/plan-build.js'
import { publishBatch } from '../lake/publish/publish-batch.js'
import { runChecks } from '../lake/quality/run-checks.js'
import { findPipeline } from '../schemas/find-pipeline.js'
import type { LakeDeps } from '../schemas/lake-deps.js'
import type {
  BuildFeaturesInput,
  BuildPlan,
  BuiltTables,
  CheckedBatch,
  PartStep,
  PlannedBuild,
  PublishBatchInput,
} from '../schemas/messages.js'
import type { PublishResult } from '../schemas/publish.js'
import { batchOfDate } from '../schemas/scheduled-instant.js'
import { runCore } from './run-core.js'

export type BuildActivities = ReturnType<typeof createBuildActivities>

export function createBuildActivities(deps: LakeDeps) {
  return {
    /**
     * Effect: none; the batch id of a calendar date by the pipeline's schedule.
     * Key: not needed. Heartbeat: every 2 s. Kinds: not-found, invalid-input, config.
     */
    resolveBatch: (input: { readonly pipeline: string; readonly date: string }): Promise<string> =>
      runCore(() => {
        const { schedule } = findPipeline(deps.pipelines, input.pipeline)
        return Promise.resolve(batchOfDate(input.date, schedule))
      }),

    /**
     * Effect: creates missing tables; otherwise reads only. Decides range, batch id and table order.
     * Key: pipeline and batch; a published batch gives its recorded result.
     * Heartbeat: every 2 s. Kinds: not-found, invalid-input, definition-changed, config, io.
     */
    planBuild: (input: BuildFeaturesInput & { readonly batch: string }): Promise<BuildPlan> =>
      runCore(() => planBuild(deps, input)),

    /**
     * Effect: writes the tables' data files and, create-if-absent, their staging descriptors; nothing is visible.
     * Key: pipeline, batch and table: the first staged attempt wins, later ones return it.
     * Heartbeat: every 2 s with the table at work. Kinds: sql-invalid, data-invalid, cancelled, rebuild-needed, io.
     */
    buildTables: (build: {
      readonly plan: PlannedBuild
      readonly tables: readonly string[]
    }): Promise<BuiltTables> => runCore((run) => buildTables(deps, build.plan, build.tables, run)),

    /**
     * Effect: as `buildTables`, for one part of a batch; read by nobody but mergeParts.
     * Key: pipeline, batch, table and part. Heartbeat: every 2 s with the table at work. Kinds: as `buildTables`.
     */
    buildPart: (build: {
      readonly plan: PlannedBuild
      readonly part: number
      readonly step: PartStep
    }): Promise<BuiltPart> => runCore((run) => buildPart(deps, build, run)),

    /**
     * Effect: stages what the parts of a batch have staged, as one; then their descriptors go.
     * Key: pipeline, batch and table. Heartbeat: every 2 s. Kinds: stage-expired (plan again), cancelled, io.
     */
    mergeParts: (build: { readonly plan: PlannedBuild; readonly step: PartStep }): Promise<BuiltPart> =>
      runCore((run) => mergeParts(deps, build, run)),

    /**
     * Effect: none; runs the checks on what is staged.
     * Key: not needed. Heartbeat: every 2 s with the checks done. Kinds: sql-invalid, stage-expired, cancelled, io.
     * A failed check is a result.
     */
    runChecks: (checked: { readonly plan: PlannedBuild }): Promise<CheckedBatch> =>
      runCore((run) => runChecks(deps, checked.plan, run)),

    /**
     * Effect: one catalog transaction: every table's snapshot, tags, audit row; or the failed branches and their row.
     * Key: pipeline, batch and range, by the audit row in that transaction; a second run returns the recorded result.
     * Heartbeat: every 2 s. Kinds: rebuild-needed, stage-expired (plan again), commit-unknown, commit-conflict, io.
     */
    publishBatch: (input: PublishBatchInput): Promise<PublishResult> =>
      runCore(() => publishBatch(deps, input)),
  }
}
