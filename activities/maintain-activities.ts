import { listMaintainable, maintainTable } from '../lake/maintain/maintain-lake.js'
import type { LakeDeps } from '../schemas/lake-deps.js'
import type { MaintainLakeInput, TableMaintenance } from '../schemas/messages.js'
import { runCore } from './run-core.js'

export type MaintainActivities = ReturnType<typeof createMaintainActivities>

export function createMaintainActivities(deps: LakeDeps) {
  return {
    /**
     * Effect: none; names the tables to maintain.
     * Key: not needed. Heartbeat: every 2 s. Kinds: not-found, io.
     */
    listMaintainable: async (input: MaintainLakeInput): Promise<readonly string[]> =>
      runCore(async () => listMaintainable(deps, input)),

    /**
     * Effect: thins tags, expires, compacts and removes orphans of one table; none with `dryRun`.
     * Key: the table's state: what an earlier attempt did is no longer due.
     * Heartbeat: every 2 s. Kinds: commit-conflict, commit-unknown, not-found, io.
     */
    maintainTable: (input: { readonly table: string; readonly dryRun: boolean }): Promise<TableMaintenance> =>
      runCore(() => maintainTable(deps, input.table, { dryRun: input.dryRun })),
  }
}
