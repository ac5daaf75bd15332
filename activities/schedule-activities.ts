import { Context, log } from '@temporalio/activity'
import { lateSources } from '../lake/alerts/late-sources.js'
import { raiseAlerts } from '../lake/alerts/raise-alerts.js'
import type { LateSource, RaiseAlertsInput, RaisedAlerts } from '../schemas/alerts.js'
import { instantOf, parseBatchId } from '../schemas/batch.js'
import { findPipeline } from '../schemas/find-pipeline.js'
import type { LakeDeps } from '../schemas/lake-deps.js'
import type { LookBackInput, MissedNights } from '../schemas/night-messages.js'
import { findMissedNights } from './find-missed-nights.js'
import { runCore } from './run-core.js'

export type ScheduleActivities = ReturnType<typeof createScheduleActivities>

export function createScheduleActivities(deps: LakeDeps) {
  return {
    /**
     * Effect: none; asks Temporal, and the audit table where that leaves a date open.
     * Key: not needed. Heartbeat: every 2 s. Kinds: not-found, invalid-input, io.
     */
    findMissedNights: (input: LookBackInput): Promise<MissedNights> =>
      runCore(() =>
        findMissedNights(deps, Context.current().client, findPipeline(deps.pipelines, input.pipeline), {
          nowMs: deps.now(),
          beforeMs: instantOf(parseBatchId(input.batch)).getTime(),
        }),
      ),

    /**
     * Effect: none; reads the ledgers' metadata.
     * Key: not needed. Heartbeat: every 2 s. Kinds: not-found, io.
     */
    findLateSources: (input: { readonly pipeline: string }): Promise<readonly LateSource[]> =>
      runCore(() => lateSources(deps, findPipeline(deps.pipelines, input.pipeline))),

    /**
     * Effect: a log line and a row of `audit.alerts` for each alert that has none, and one POST to the webhook.
     * Key: the alert's key: told once; killed between the POST and the rows, posted again.
     * Heartbeat: every 2 s. Kinds: commit-conflict, commit-unknown, io. A webhook that fails is a result.
     */
    raiseAlerts: (input: RaiseAlertsInput): Promise<RaisedAlerts> =>
      runCore(() =>
        raiseAlerts(deps, input, {
          ...(deps.webhook === undefined ? {} : { webhook: deps.webhook }),
          log: (message, alert) => {
            log.warn(message, { alert })
          },
        }),
      ),
  }
}
