import type { PlannedBuild } from '../schemas/messages.js'
import { data } from './activity-groups.js'
import type { Progress } from './progress.js'

/** Stages the files of every table of a planned batch, group after group in dependency order. */
export async function buildGroups(plan: PlannedBuild, progress: Progress): Promise<void> {
  let rows = 0
  for (const [index, tables] of plan.groups.entries()) {
    const summary = tables.join(', ').slice(0, 190)
    progress.tell('build', { note: `group ${index + 1} of ${plan.groups.length}: ${summary}` })
    const built = await data.buildTables.executeWithOptions({ summary }, [{ plan, tables }])
    rows += built.tables.reduce((sum, table) => sum + table.rows, 0)
  }
  progress.tell('build', { note: `${rows} rows in ${plan.groups.flat().length} tables` })
}
