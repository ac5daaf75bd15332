import { isCancellation, rootCause } from '@temporalio/workflow'
import type { MaintainLakeInput, MaintenanceReport, TableMaintenance } from '../schemas/messages.js'
import { readMaintainLakeInput } from '../schemas/validate-input.js'
import { control, data } from './activity-groups.js'
import { startProgress } from './progress.js'
import { readInput } from './read-input.js'

/**
 * Maintains the lake's tables, one after another so that builds keep a free slot:
 * 1. settle: model versions that a crash left half registered are finished or freed, and what trainings left behind a
 *    week ago is removed;
 * 2. list: the tables of the pipeline, or of the whole lake, or those of them that were asked for;
 * 3. maintain: thin tags, expire, compact, remove orphans, table by table. A table that fails is told in the report
 *    and the others go on.
 *
 * Query `status`. A cancel stops between two commits of a table; what was committed stays.
 */
export async function maintainLake(input: MaintainLakeInput): Promise<MaintenanceReport> {
  const given = readInput(readMaintainLakeInput, input)
  const dryRun = given.dryRun ?? false
  const about = given.pipeline === undefined ? {} : { pipeline: given.pipeline }
  const progress = startProgress(about, ['settle', 'list', 'maintain'])
  if (dryRun || given.tables !== undefined) progress.skip('settle', dryRun ? 'dry run' : 'not asked for')
  else {
    await progress.step(
      'settle',
      async () => ({ settled: await control.settleVersions(), swept: await control.sweepScratch() }),
      ({ settled, swept }) => `${settled} model versions; ${swept} files of old trainings removed`,
    )
  }
  const { tables: wanted, ...where } = given
  const names = await progress.step(
    'list',
    async () => {
      const summary = given.pipeline ?? 'the lake'
      const known = await control.listMaintainable.executeWithOptions({ summary }, [where])
      return known.filter((table) => wanted?.includes(table) ?? true)
    },
    (listed) => `${listed.length} tables`,
  )
  const tables = await progress.step(
    'maintain',
    async () => {
      const reports: TableMaintenance[] = []
      for (const [index, table] of names.entries()) {
        progress.tell('maintain', { note: `${index + 1} of ${names.length}: ${table}` })
        reports.push(await maintainOne(table, dryRun))
      }
      return reports
    },
    summarize,
  )
  progress.finish(tables.some((table) => table.error !== undefined) ? 'failed' : 'done')
  return { dryRun, tables }
}

async function maintainOne(table: string, dryRun: boolean): Promise<TableMaintenance> {
  try {
    return await data.maintainTable.executeWithOptions({ summary: table }, [{ table, dryRun }])
  } catch (error) {
    if (isCancellation(error)) throw error
    return {
      table,
      compactedFiles: 0,
      writtenFiles: 0,
      expiredSnapshots: 0,
      droppedTags: [],
      deletedFiles: 0,
      deletedBytes: 0,
      orphans: 0,
      taggedBytes: 0,
      notes: [],
      error: rootCause(error) ?? 'maintenance failed; look at the failed activity in Temporal',
    }
  }
}

function summarize(tables: readonly TableMaintenance[]): string {
  const sum = (count: (table: TableMaintenance) => number): number =>
    tables.reduce((total, t) => total + count(t), 0)
  const failed = tables.filter((table) => table.error !== undefined).length
  return [
    `${tables.length} tables`,
    `${sum((t) => t.compactedFiles)} files compacted`,
    `${sum((t) => t.expiredSnapshots)} snapshots expired`,
    `${sum((t) => t.deletedFiles)} files deleted`,
    ...(failed === 0 ? [] : [`${failed} failed`]),
  ].join(', ')
}
