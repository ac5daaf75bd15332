import type { PlannedBuild } from '../schemas/messages.js'
import { data, spark } from './activity-groups.js'
import { buildInParts } from './build-in-parts.js'
import type { Progress } from './progress.js'

/** Stages the files of every table of a planned batch, group after group in dependency order, by the engine of the plan. */
export async function buildGroups(plan: PlannedBuild, progress: Progress): Promise<void> {
  const onSpark = plan.engine === 'spark'
  if (!onSpark && plan.parts !== undefined && plan.parts > 1) await buildInParts(plan, plan.parts, progress)
  let rows = 0
  for (const [index, tables] of plan.groups.entries()) {
    const summary = tables.join(', ').slice(0, 190)
    progress.tell('build', { note: `group ${index + 1} of ${plan.groups.length}: ${summary}` })
    const build = onSpark ? spark.buildTablesOnSpark : data.buildTables
    const built = await build.executeWithOptions({ summary }, [{ plan, tables }])
    rows += built.tables.reduce((sum, table) => sum + table.rows, 0)
  }
  progress.tell('build', { note: `${rows} rows in ${plan.groups.flat().length} tables` })
}
