import { Option, type Command } from 'commander'
import type { ScoreBatchInput, ScoreBatchResult } from '../../schemas/model-messages.js'
import { workflowIds } from '../../schemas/workflow-names.js'
import { integerOption } from '../integer-option.js'
import { print, printJson } from '../output.js'
import { runWorkflow } from '../run-workflow.js'

export function addScoreCommand(program: Command): void {
  program
    .command('score')
    .description('score the newest batch with a registered model and publish the predictions')
    .argument('<pipeline>')
    .argument('<model>')
    .option(
      '--model-version <n>',
      'default: the one that is champion, else the newest READY one',
      integerOption,
    )
    .addOption(new Option('--alias <name>', 'the version that has this alias').conflicts('modelVersion'))
    .option('--at <tag>', "tag to read features at (default: the pipeline's newest batch)")
    .option('--batch <id>', 'batch id of the scoring run (default: now)')
    .option('--json', 'print the result as JSON')
    .action(
      async (
        pipeline: string,
        model: string,
        options: { modelVersion?: number; alias?: string; at?: string; batch?: string; json?: true },
      ) => {
        const input: ScoreBatchInput = {
          pipeline,
          model,
          ...(options.modelVersion === undefined ? {} : { version: options.modelVersion }),
          ...(options.alias === undefined ? {} : { alias: options.alias }),
          ...(options.at === undefined ? {} : { at: options.at }),
          ...(options.batch === undefined ? {} : { batch: options.batch }),
        }
        const workflowId = workflowIds.score(pipeline, model)
        const result = await runWorkflow<ScoreBatchResult>({
          workflow: 'scoreBatch',
          workflowId,
          input,
          summary: `score ${model}`,
        })
        if (options.json === true) {
          printJson(result)
          return
        }
        print(
          result.status === 'no_changes'
            ? `nothing to score at ${result.featuresTag}`
            : `scored ${result.rows} rows with ${result.model} v${result.version} at ${result.featuresTag}, snapshot ${result.snapshotId ?? '—'}`,
        )
      },
    )
}
