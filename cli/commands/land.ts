import type { Command } from 'commander'
import type { LandingAnswer, LandResult, LandSourceInput } from '../../schemas/messages.js'
import { workflowIds } from '../../schemas/workflow-names.js'
import { ACCEPT, answerOption } from '../answer-option.js'
import { absoluteFolder } from '../folder.js'
import { printJson } from '../output.js'
import { printLand } from '../print-land.js'
import { runWorkflow } from '../run-workflow.js'

interface Options {
  readonly from?: string
  readonly source?: string
  readonly batch?: string
  readonly accept?: readonly LandingAnswer[]
  readonly json?: true
}

export function addLandCommand(program: Command): void {
  program
    .command('land')
    .description(
      'land what is new in a topic, a folder or a prefix of JSON: raw objects and ledger rows, each record exactly once',
    )
    .argument('<pipeline>')
    .option('--from <folder>', 'folder or s3://bucket/prefix of .json, .jsonl or .ndjson files, also gzipped')
    .option('--source <name>', "one of the pipeline's sources (default: its only one)")
    .option('--batch <id>', 'batch id, e.g. 20260701T020000Z (default: now)')
    .option('--accept <answer>', ACCEPT, answerOption)
    .option('--json', 'print the result as JSON')
    .action(async (pipeline: string, options: Options) => {
      const input: LandSourceInput = {
        pipeline,
        ...(options.source === undefined ? {} : { source: options.source }),
        ...(options.from === undefined ? {} : { from: absoluteFolder(options.from) }),
        ...(options.batch === undefined ? {} : { batch: options.batch }),
        ...(options.accept === undefined ? {} : { accept: options.accept }),
      }
      const workflowId = workflowIds.land(pipeline, options.source)
      const result = await runWorkflow<LandResult>({
        workflow: 'landSource',
        workflowId,
        input,
        summary: `land ${pipeline}`,
      })
      if (options.json === true) printJson(result)
      else printLand(result)
    })
}
