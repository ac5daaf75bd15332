import { publishWindows } from '../lake/windows/publish-windows.js'
import { refreshWindows } from '../lake/windows/refresh-windows.js'
import type { LakeDeps } from '../schemas/lake-deps.js'
import type {
  WindowPublishInput,
  WindowPublishResult,
  WindowRefreshInput,
  WindowRefreshResult,
} from '../schemas/messages.js'
import { runCore } from './run-core.js'

export type WindowActivities = ReturnType<typeof createWindowActivities>

export function createWindowActivities(deps: LakeDeps) {
  return {
    /**
     * Effect: one catalog transaction: the open windows that new ledger rows fall in, computed whole, in every window table.
     * Key: the ledger row that each table is at, by the marker in the metadata committed onto; the same batch again gives the
     * recorded result.
     * Heartbeat: every 2 s with rows and windows. Kinds: not-found, check-failed (rows are not one a key and window),
     * sql-invalid, definition-changed, rebuild-needed (plan again: call it again), cancelled, commit-unknown, io.
     */
    refreshWindows: (input: WindowRefreshInput): Promise<WindowRefreshResult> =>
      runCore((run) => refreshWindows(deps, input, run)),

    /**
     * Effect: one catalog transaction: a tag on the pipeline's tables as they are, and the audit row.
     * Key: batch and range, by the audit row in that transaction; a second run returns the recorded result.
     * Heartbeat: every 2 s. Kinds: not-found, invalid-input, commit-conflict, commit-unknown, io.
     */
    publishWindows: (input: WindowPublishInput): Promise<WindowPublishResult> =>
      runCore(() => publishWindows(deps, input)),
  }
}
