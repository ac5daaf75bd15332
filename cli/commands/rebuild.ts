import type { Command } from 'commander'
import type { RebuildBatchInput, RebuildBatchResult, RebuildPlan } from '../../schemas/rebuild-messages.js'
import { workflowIds } from '../../schemas/workflow-names.js'
import { print, printJson, printTable } from '../output.js'
import { printBuild } from '../print-build.js'
import { runWorkflow } from '../run-workflow.js'

interface Options {
  readonly batch: string
  readonly tables?: readonly string[]
  readonly forward?: true
  readonly dryRun?: true
  readonly json?: true
}

export function addRebuildCommand(program: Command): void {
  program
    .command('rebuild')
    .description('compute the rows of a published batch again, by the definition as it is now')
    .argument('<pipeline>')
    .requiredOption('--batch <id>', 'the batch, as its rows name it, e.g. 20260701T020000Z')
    .option('--tables <names...>', 'only these tables and those that read them (default: all)')
    .option('--forward', 'all later batches too, in order: as if all had been built so from here on')
    .option('--dry-run', 'say what would be built again, and change nothing')
    .option('--json', 'print the result as JSON')
    .action(async (pipeline: string, options: Options) => {
      const { batch, tables, forward, dryRun } = options
      const input: RebuildBatchInput = {
        ...{ pipeline, batch },
        ...(tables === undefined ? {} : { tables: tables.flatMap((names) => names.split(',')) }),
        ...(forward === undefined ? {} : { forward }),
        ...(dryRun === undefined ? {} : { dryRun }),
      }
      const result = await runWorkflow<RebuildBatchResult>({
        workflow: 'rebuildBatch',
        workflowId: workflowIds.rebuild(pipeline),
        input,
        summary: `rebuild ${pipeline} ${batch}`,
      })
      if (options.json === true) printJson(result)
      else printRebuild(result)
      if (result.status === 'failed') process.exitCode = 1
    })
}

function printRebuild({ status, plan, rebuilt, count }: RebuildBatchResult): void {
  if (status === 'planned') printPlan(plan)
  for (const note of plan.notes) print(`! ${note}`)
  for (const { batch, publish, checks } of rebuilt) {
    if (publish.status === 'published') print(`rows of batch ${batch} are computed again:`)
    printBuild({ status: publish.status, batch, publish, checks })
  }
  if (count > rebuilt.length) print(`${count} batches were computed again`)
}

function printPlan({ build, rebuilds, tables, later }: RebuildPlan): void {
  print(`batch ${rebuilds}, ledger rows ${build.inputFrom} to ${build.inputTo - 1}, as ${build.batch}:`)
  printTable(
    ['table', 'write mode', 'rows so far', 'because of'],
    tables.map(({ table, write, rows, because }) => [table, write, rows, because.join(', ')]),
  )
  if (later.length === 0) return
  const last = later.length === 1 ? '' : ` to ${later.at(-1) ?? ''}`
  print(`then ${later.length} later batches: ${later[0] ?? ''}${last}`)
}
