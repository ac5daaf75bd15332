import type { LakeDeps, RunControl } from '../../schemas/lake-deps.js'
import type { CheckedBatch } from '../../schemas/messages.js'
import type { RebuildPlan } from '../../schemas/rebuild-messages.js'
import { attachBatch } from '../features/batch-relations.js'
import { checkState } from '../quality/run-checks.js'
import { openRebuild } from './open-rebuild.js'
import { attachIds, attachView } from './rebuild-relations.js'

/**
 * Runs the checks on the state as the rebuild will leave it: a table's plain name is what the batch adds, as it is now made;
 * `all_<table>` is the whole table. Errors: as `runChecks`.
 */
export async function checkRebuild(
  deps: LakeDeps,
  plan: RebuildPlan,
  control: RunControl = {},
): Promise<CheckedBatch> {
  const rebuild = await openRebuild(deps, plan)
  const state = {
    tables: plan.tables.map(({ table }) => table),
    async attachBatch(session: Parameters<typeof attachBatch>[0]) {
      await attachBatch(session, { plan: { ...plan.build, batch: plan.rebuilds } })
      await attachIds(deps, session, rebuild)
    },
    attach: (session: Parameters<typeof attachBatch>[0], table: string, name: string, all: boolean) =>
      attachView(deps, session, rebuild, { name, table, view: all ? 'current' : 'added' }),
  }
  return await checkState(deps, rebuild.batch, state, control)
}
