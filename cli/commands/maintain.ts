import type { Command } from 'commander'
import type { MaintainLakeInput, MaintenanceReport } from '../../schemas/messages.js'
import { workflowIds } from '../../schemas/workflow-names.js'
import { printJson } from '../output.js'
import { printMaintenance } from '../print-maintenance.js'
import { runWorkflow } from '../run-workflow.js'
import { addMaintainOrphansCommand } from './maintain-orphans.js'

export function addMaintainCommand(program: Command): void {
  const maintain = program
    .command('maintain')
    .description(
      'thin tags, expire snapshots, compact files, merge deletes, cluster manifests, remove orphans; never what a tag or a model holds',
    )
    .argument('[pipeline]', 'default: every table of the lake')
    .option('--dry-run', 'say what would be done and change nothing')
    .option('--json', 'print the report as JSON')
    .action(async (pipeline: string | undefined, options: { dryRun?: true; json?: true }) => {
      const input: MaintainLakeInput = {
        ...(pipeline === undefined ? {} : { pipeline }),
        dryRun: options.dryRun === true,
      }
      const report = await runWorkflow<MaintenanceReport>({
        workflow: 'maintainLake',
        workflowId: workflowIds.maintain(),
        input,
        summary: 'maintain',
      })
      if (options.json === true) printJson(report)
      else printMaintenance(report)
      if (report.tables.some((table) => table.error !== undefined)) process.exitCode = 1
    })
  addMaintainOrphansCommand(maintain)
}
