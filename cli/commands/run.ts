import type { Command } from 'commander'
import type { OnChange } from '../../schemas/definition-change.js'
import type { NightlyInput, NightlyResult } from '../../schemas/messages.js'
import { workflowIds } from '../../schemas/workflow-names.js'
import { absoluteFolder } from '../folder.js'
import { onChangeOption } from '../on-change-option.js'
import { print, printJson } from '../output.js'
import { printBuild } from '../print-build.js'
import { printLand } from '../print-land.js'
import { printMaintenance } from '../print-maintenance.js'
import { runWorkflow } from '../run-workflow.js'

interface NightlyOptions {
  readonly from?: string
  readonly date?: string
  readonly batch?: string
  readonly onChange?: OnChange
  readonly maintain: boolean
  readonly json?: true
}

export function addRunCommand(program: Command): void {
  program
    .command('run')
    .description('run a whole workflow')
    .command('nightly')
    .description('land, build, check, publish, score and maintain: what the schedule does every night')
    .argument('<pipeline>')
    .option('--from <folder>', 'folder or s3://bucket/prefix of JSON documents')
    .option('--date <date>', 'logical date, 2026-07-01; the batch is that date at the schedule’s time of day')
    .option('--batch <id>', 'batch id instead of a date')
    .addOption(onChangeOption())
    .option('--no-maintain', 'leave maintenance out')
    .option('--json', 'print the result as JSON')
    .action(async (pipeline: string, options: NightlyOptions) => {
      const input: NightlyInput = {
        pipeline,
        ...(options.from === undefined ? {} : { from: absoluteFolder(options.from) }),
        ...(options.date === undefined ? {} : { date: options.date }),
        ...(options.batch === undefined ? {} : { batch: options.batch }),
        ...(options.onChange === undefined ? {} : { onChange: options.onChange }),
        ...(options.maintain ? {} : { maintain: false }),
      }
      const workflowId = workflowIds.nightly(pipeline, options.batch ?? options.date ?? 'now')
      const result = await runWorkflow<NightlyResult>({
        workflow: 'nightly',
        workflowId,
        input,
        summary: `nightly ${pipeline}`,
      })
      if (options.json === true) printJson(nightlyJson(result))
      else printNightly(result)
      const unmaintained = result.maintenance?.tables.some((table) => table.error !== undefined) ?? false
      if (result.build.status === 'failed' || unmaintained) process.exitCode = 1
    })
}

/** The night as one flat answer: what the batch is called, what it added, and then every step's own result. */
export function nightlyJson(result: NightlyResult): object {
  const { publish } = result.build
  const tables = (publish?.tables ?? []).map((t) => ({
    name: t.table,
    newRows: t.rows,
    snapshotId: t.snapshotId,
    tags: t.snapshotId === null ? [] : [publish?.tag],
  }))
  return { status: result.build.status, tag: publish?.tag ?? null, tables, ...result }
}

function printNightly(result: NightlyResult): void {
  printLand(result.land)
  printBuild(result.build)
  for (const score of result.scores)
    print(`scored ${score.rows} rows with ${score.model} v${score.version} at ${score.featuresTag}`)
  for (const { batch, why } of result.missed ?? []) print(`missed ${batch}: ${why}`)
  if (result.maintenance !== undefined) printMaintenance(result.maintenance)
}
