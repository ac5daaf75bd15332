import type { Command } from 'commander'
import { InvalidArgumentError } from 'commander'
import { MAINTENANCE_STEPS, type MaintenanceStep } from '../../schemas/maintenance.js'
import type { MaintainLakeInput, MaintenanceReport } from '../../schemas/messages.js'
import { workflowIds } from '../../schemas/workflow-names.js'
import { readConfig } from '../../workers/config.js'
import { hasLake, withLake } from '../lake.js'
import { printJson } from '../output.js'
import { printMaintenance } from '../print-maintenance.js'
import { runWorkflow } from '../run-workflow.js'
import { addMaintainHistoryCommand } from './maintain-history.js'
import { addMaintainOrphansCommand } from './maintain-orphans.js'

interface Options {
  readonly dryRun?: true
  readonly due?: true
  readonly only?: readonly MaintenanceStep[]
  readonly table?: readonly string[]
  readonly files?: true
  readonly json?: true
}

export function addMaintainCommand(program: Command): void {
  const maintain = program
    .command('maintain')
    .description(
      'thin tags, expire snapshots, compact files, merge deletes, cluster manifests, remove orphans; never what a tag or a model holds',
    )
    .argument('[pipeline]', 'default: every table of the lake')
    .option('--dry-run', 'say what would be done and change nothing')
    .option('--due', 'only what is due, as nights do it; default: all that there is to do')
    .option('--only <steps>', `only these steps, of ${MAINTENANCE_STEPS.join(',')}`, stepsOption)
    .option('--table <tables...>', 'only these tables, such as raw.events')
    .option('--files', 'name every file, snapshot and tag, however many there are')
    .option('--json', 'print the report as JSON')
    .action(async (pipeline: string | undefined, options: Options) => {
      const { dryRun, due, only, table: tables } = options
      if (tables !== undefined) await refuseUnknown(tables)
      const input: MaintainLakeInput = {
        ...(pipeline === undefined ? {} : { pipeline }),
        ...(due === undefined ? {} : { due }),
        ...(only === undefined ? {} : { only }),
        ...(tables === undefined ? {} : { tables }),
        dryRun: dryRun === true,
      }
      const report = await runWorkflow<MaintenanceReport>({
        workflow: 'maintainLake',
        workflowId: workflowIds.maintain(),
        input,
        summary: 'maintain',
      })
      const shown = options.files === true ? await withAllFiles(report) : report
      if (options.json === true) printJson(shown)
      else printMaintenance(shown)
      if (report.tables.some((table) => table.error !== undefined)) process.exitCode = 1
    })
  addMaintainHistoryCommand(maintain)
  addMaintainOrphansCommand(maintain)
}

async function refuseUnknown(tables: readonly string[]): Promise<void> {
  const config = readConfig()
  if (!hasLake(config)) return
  const { loadNamedTable } = await import('../../lake/query/table-names.js')
  await withLake(async ({ deps }) => {
    for (const table of tables) await loadNamedTable(deps, table)
  })
}

/** The report with what was left out of it for its size. */
async function withAllFiles(report: MaintenanceReport): Promise<MaintenanceReport> {
  const { readFullDetail } = await import('../../lake/maintain/report-detail.js')
  return await withLake(async ({ deps }) => ({
    ...report,
    tables: await Promise.all(
      report.tables.map(async (table) =>
        table.detail === undefined ? table : { ...table, detail: await readFullDetail(deps, table.detail) },
      ),
    ),
  }))
}

function stepsOption(text: string): readonly MaintenanceStep[] {
  return text.split(',').map((name) => {
    const step = MAINTENANCE_STEPS.find((one) => one === name.trim())
    if (step !== undefined) return step
    throw new InvalidArgumentError(`There is no step ${JSON.stringify(name)}.`)
  })
}
