import type { Command } from 'commander'
import type { TrainModelInput, TrainModelResult } from '../../schemas/model-messages.js'
import { workflowIds } from '../../schemas/workflow-names.js'
import { integerOption } from '../integer-option.js'
import { printJson } from '../output.js'
import { printTraining } from '../print-training.js'
import { runWorkflow } from '../run-workflow.js'

export function addTrainCommand(program: Command): void {
  program
    .command('train')
    .description(
      'train a model on the tables as they are at a tag, and register it with what it was trained on',
    )
    .argument('<pipeline>')
    .argument('<model>')
    .option('--at <tag>', "tag to train on (default: the pipeline's newest batch)")
    .option('--seed <n>', 'seed of everything random (default 0)', integerOption)
    .option('--json', 'print the result as JSON')
    .action(async (pipeline: string, model: string, options: { at?: string; seed?: number; json?: true }) => {
      const input: TrainModelInput = {
        pipeline,
        model,
        ...(options.at === undefined ? {} : { at: options.at }),
        ...(options.seed === undefined ? {} : { seed: options.seed }),
      }
      const workflowId = workflowIds.train(pipeline, model)
      const result = await runWorkflow<TrainModelResult>({
        workflow: 'trainModel',
        workflowId,
        input,
        summary: `train ${model}`,
      })
      if (options.json === true) printJson(result)
      else printTraining(result)
    })
}
