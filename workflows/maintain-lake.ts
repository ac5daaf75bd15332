import { CancellationScope, isCancellation, patched, rootCause } from '@temporalio/workflow'
import type { MaintainLakeInput, MaintenanceReport, TableMaintenance } from '../schemas/messages.js'
import { readMaintainLakeInput } from '../schemas/validate-input.js'
import { control, data } from './activity-groups.js'
import { boundReport, withoutLists } from './bound-report.js'
import { startProgress, type Progress } from './progress.js'
import { readInput } from './read-input.js'

/**
 * Maintains the lake's tables, one after another so that builds keep a free slot:
 * 1. settle: model versions that a crash left half registered are finished or freed, and what trainings left behind a
 *    week ago is removed;
 * 2. list: the tables of the pipeline, or of the whole lake, or those of them that were asked for;
 * 3. maintain: thin tags, expire, compact, remove orphans, table by table; with `due` only what is due. A table that fails
 *    is told in the report and the others go on;
 * 4. record: what was done, in `audit.maintenance_runs`; nothing of a dry run.
 *
 * Query `status`. Its fixed id lets one run at a time. A cancel stops between two commits of a table; what was committed
 * stays and is recorded.
 */
export async function maintainLake(input: MaintainLakeInput): Promise<MaintenanceReport> {
  const given = readInput(readMaintainLakeInput, input)
  const dryRun = given.dryRun ?? false
  const about = given.pipeline === undefined ? {} : { pipeline: given.pipeline }
  const records = patched('record-maintenance')
  const progress = startProgress(about, ['settle', 'list', 'maintain', ...(records ? ['record'] : [])])
  await settle(given, progress)
  const names = await listTables(given, progress)
  const tables: TableMaintenance[] = []
  try {
    await progress.step(
      'maintain',
      async () => {
        for (const [index, table] of names.entries()) {
          progress.tell('maintain', { note: `${index + 1} of ${names.length}: ${table}` })
          tables.push(await maintainOne(table, given))
        }
      },
      () => summarize(tables),
    )
  } catch (error) {
    if (records && isCancellation(error))
      await CancellationScope.nonCancellable(() => record(tables, dryRun, progress))
    throw error
  }
  if (records) await record(tables, dryRun, progress)
  progress.finish(tables.some((table) => table.error !== undefined) ? 'failed' : 'done')
  return { dryRun, tables: records ? boundReport(tables) : tables }
}

async function settle({ dryRun, tables, only }: MaintainLakeInput, progress: Progress): Promise<void> {
  if (dryRun === true || tables !== undefined || only !== undefined) {
    progress.skip('settle', dryRun === true ? 'dry run' : 'not asked for')
    return
  }
  await progress.step(
    'settle',
    async () => ({ settled: await control.settleVersions(), swept: await control.sweepScratch() }),
    ({ settled, swept }) => `${settled} model versions; ${swept} files of old trainings removed`,
  )
}

function listTables(
  { pipeline, tables: wanted, dryRun }: MaintainLakeInput,
  progress: Progress,
): Promise<readonly string[]> {
  const where = {
    ...(pipeline === undefined ? {} : { pipeline }),
    ...(dryRun === undefined ? {} : { dryRun }),
  }
  return progress.step(
    'list',
    async () => {
      const summary = pipeline ?? 'the lake'
      const known = await control.listMaintainable.executeWithOptions({ summary }, [where])
      return known.filter((table) => wanted?.includes(table) ?? true)
    },
    (listed) => `${listed.length} tables`,
  )
}

async function maintainOne(
  table: string,
  { dryRun = false, due, only }: MaintainLakeInput,
): Promise<TableMaintenance> {
  const startedAtMs = Date.now()
  const asked = { ...(due === undefined ? {} : { due }), ...(only === undefined ? {} : { only }) }
  try {
    return await data.maintainTable.executeWithOptions({ summary: table }, [{ table, dryRun, ...asked }])
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
      outcome: 'failed',
      startedAtMs,
      durationMs: Date.now() - startedAtMs,
      error: rootCause(error) ?? 'maintenance failed; look at the failed activity in Temporal',
    }
  }
}

async function record(
  tables: readonly TableMaintenance[],
  dryRun: boolean,
  progress: Progress,
): Promise<void> {
  const done = tables.filter(({ outcome }) => outcome !== 'nothing-due')
  if (dryRun || done.length === 0) {
    progress.skip('record', dryRun ? 'dry run' : 'nothing was due')
    return
  }
  await progress.step(
    'record',
    () => control.recordMaintenance({ tables: done.map(withoutLists) }),
    (rows) => `${rows} tables`,
  )
}

function summarize(tables: readonly TableMaintenance[]): string {
  const sum = (count: (table: TableMaintenance) => number): number =>
    tables.reduce((total, t) => total + count(t), 0)
  const failed = tables.filter((table) => table.error !== undefined).length
  const yielded = tables.filter((table) => table.outcome === 'yielded').length
  return [
    `${tables.length} tables`,
    `${sum((t) => t.compactedFiles)} files compacted`,
    `${sum((t) => t.expiredSnapshots)} snapshots expired`,
    `${sum((t) => t.deletedFiles)} files deleted`,
    ...(yielded === 0 ? [] : [`${yielded} gave way to writers`]),
    ...(failed === 0 ? [] : [`${failed} failed`]),
  ].join(', ')
}
