import type { Command } from 'commander'
import type { OnChange } from '../../schemas/definition-change.js'
import type { BuildFeaturesInput, BuildFeaturesResult } from '../../schemas/messages.js'
import { workflowIds } from '../../schemas/workflow-names.js'
import { onChangeOption } from '../on-change-option.js'
import { print, printJson } from '../output.js'
import { printBuild } from '../print-build.js'
import { runWorkflow } from '../run-workflow.js'

interface Options {
  readonly batch?: string
  readonly skip?: string
  readonly onChange?: OnChange
  readonly json?: true
}

export function addBuildCommand(program: Command): void {
  program
    .command('build')
    .description('build, check and publish what has landed since the last published batch')
    .argument('<pipeline>')
    .option('--batch <id>', 'batch id, e.g. 20260701T020000Z (default: now)')
    .option('--skip <batch>', 'leave out the input of this failed batch; recorded in the audit table')
    .addOption(onChangeOption())
    .option('--json', 'print the result as JSON')
    .action(async (pipeline: string, options: Options) => {
      const input: BuildFeaturesInput = {
        pipeline,
        ...(options.batch === undefined ? {} : { batch: options.batch }),
        ...(options.skip === undefined ? {} : { skip: options.skip }),
        ...(options.onChange === undefined ? {} : { onChange: options.onChange }),
      }
      if (options.skip !== undefined && options.json !== true)
        print(`skipping the input of failed batch ${options.skip}`)
      const workflowId = workflowIds.build(pipeline)
      const result = await runWorkflow<BuildFeaturesResult>({
        workflow: 'buildFeatures',
        workflowId,
        input,
        summary: `build ${pipeline}`,
      })
      if (options.json === true) printJson(result)
      else printBuild(result)
      if (result.status === 'failed') process.exitCode = 1
    })
}
