import { publish } from '../lake/publish/publish.js'
import { ensureSplitTables } from '../lake/tables/ensure-tables.js'
import { extendSplit, type ExtendedSplit, type ExtendSplitInput } from '../ml/splits/extend-split.js'
import type { LakeDeps } from '../schemas/lake-deps.js'
import type { RunInfo } from '../schemas/publish.js'
import { runCore } from './run-core.js'

export type FeatureActivities = ReturnType<typeof createFeatureActivities>

export function createFeatureActivities(deps: LakeDeps) {
  return {
    /**
     * Effect: rows of `ml_datasets.splits` for the observations that have none, in one transaction with their audit row.
     * Key: split version and observation: what has a split keeps it, so a second attempt adds nothing.
     * Heartbeat: every 2 s. Kinds: not-found, definition-changed, check-failed, rebuild-needed (again), commit-unknown, io.
     */
    extendSplit: (extension: {
      readonly input: ExtendSplitInput
      readonly run: RunInfo
    }): Promise<ExtendedSplit> =>
      runCore(async () => {
        await ensureSplitTables(deps)
        return await extendSplit(deps, (request) => publish(deps, request), extension.input, extension.run)
      }),
  }
}
