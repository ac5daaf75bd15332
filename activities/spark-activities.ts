import { buildOnSpark } from '../lake/spark/build-on-spark.js'
import type { LakeDeps } from '../schemas/lake-deps.js'
import type { BuiltTables, PlannedBuild } from '../schemas/messages.js'
import { runCore } from './run-core.js'

export type SparkActivities = ReturnType<typeof createSparkActivities>

export function createSparkActivities(deps: LakeDeps) {
  return {
    /**
     * Effect: writes the tables' data files through Spark to the branch `stage_<batch>` of each and, create-if-absent,
     * their staging descriptors; main stays as it is.
     * Key: pipeline, batch and table: the first staged attempt wins, a later one starts from what it left.
     * Heartbeat: every 2 s with what Spark is at. Cancelling kills the session.
     * Kinds: sql-invalid, data-invalid, unsupported, config, stage-expired, rebuild-needed, cancelled, io.
     */
    buildTablesOnSpark: (build: {
      readonly plan: PlannedBuild
      readonly tables: readonly string[]
    }): Promise<BuiltTables> => runCore((run) => buildOnSpark(deps, build.plan, build.tables, run)),
  }
}
