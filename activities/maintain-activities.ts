import { Context } from '@temporalio/activity'
import { listMaintainable, maintainTable, type MaintainOptions } from '../lake/maintain/maintain-lake.js'
import { recordRuns } from '../lake/maintain/record-runs.js'
import type { LakeDeps } from '../schemas/lake-deps.js'
import type { MaintainLakeInput, TableMaintenance } from '../schemas/messages.js'
import { runCore } from './run-core.js'

export type MaintainActivities = ReturnType<typeof createMaintainActivities>

export type MaintainTableInput = MaintainOptions & { readonly table: string }

export function createMaintainActivities(deps: LakeDeps) {
  return {
    /**
     * Effect: none; names the tables to maintain.
     * Key: not needed. Heartbeat: every 2 s. Kinds: not-found, io.
     */
    listMaintainable: async (input: MaintainLakeInput): Promise<readonly string[]> =>
      runCore(async () => listMaintainable(deps, input)),

    /**
     * Effect: thins tags, expires, compacts and removes orphans of one table; none with `dryRun`, but for a list of files
     * that is too long for its result.
     * Key: the table's state: what an earlier attempt did is no longer due.
     * Heartbeat: every 2 s. Kinds: commit-conflict, commit-unknown, not-found, io.
     */
    maintainTable: ({ table, ...options }: MaintainTableInput): Promise<TableMaintenance> =>
      runCore(() =>
        maintainTable(deps, table, {
          ...options,
          runId: Context.current().info.workflowExecution?.runId ?? deps.newUuid(),
        }),
      ),

    /**
     * Effect: rows of `audit.maintenance_runs`, one commit for all tables.
     * Key: the run id in a snapshot's summary. Heartbeat: every 2 s. Kinds: commit-conflict, commit-unknown, io.
     */
    recordMaintenance: (input: { readonly tables: readonly TableMaintenance[] }): Promise<number> =>
      runCore(() => {
        const { runId = '', workflowId = '' } = Context.current().info.workflowExecution ?? {}
        return recordRuns(deps, { ...input, runId, workflowId })
      }),
  }
}
