import { Context } from '@temporalio/activity'
import { readBatchHistory, type DateRange } from '../lake/backfill/batch-history.js'
import { lookAtDates } from '../lake/backfill/look-at-dates.js'
import type { BackfillRow, ListBackfillInput } from '../schemas/backfill-messages.js'
import { findPipeline } from '../schemas/find-pipeline.js'
import type { LakeDeps } from '../schemas/lake-deps.js'
import { quietNights } from './quiet-nights.js'
import { runCore } from './run-core.js'

export type BackfillActivities = ReturnType<typeof createBackfillActivities>

export function createBackfillActivities(deps: LakeDeps) {
  return {
    /**
     * Effect: none; says of each date which batches have to run, by the audit table, and of what found nothing new by
     * Temporal's list of nights. Answers for the first of the keys where all are too many for a message.
     * Key: not needed. Heartbeat: every 2 s. Kinds: not-found, config, io.
     */
    listBackfill: ({
      pipeline,
      mode,
      keys,
      ownFolders,
    }: ListBackfillInput): Promise<readonly BackfillRow[]> =>
      runCore(async () => {
        const { client } = Context.current()
        const quiet = (batches: readonly string[]) => quietNights(client, pipeline, batches)
        const of = findPipeline(deps.pipelines, pipeline)
        const history = (range: DateRange) => readBatchHistory(deps, of, range)
        const look = { pipeline: of, mode, keys, history }
        const dates = await lookAtDates(ownFolders ? look : { ...look, quiet })
        return dates.map(({ key, state, batches }) => ({ key, state, batches }))
      }),
  }
}
