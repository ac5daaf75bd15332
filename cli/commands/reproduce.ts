import type { Command } from 'commander'
import type { Part, ReproduceResult } from '../../schemas/model-messages.js'
import { workflowIds } from '../../schemas/workflow-names.js'
import { integerOption } from '../integer-option.js'
import { print, printJson, printTable } from '../output.js'
import { runWorkflow } from '../run-workflow.js'

export function addReproduceCommand(program: Command): void {
  program
    .command('reproduce')
    .description(
      'make a model version again from its pins and compare: data, weights, metrics; exit code 1 where a part differs',
    )
    .argument('<uri>', 'models:/<name>/<version>, models:/<name>@<alias> or models:/<name>/latest')
    .option('--seed <n>', 'another seed than the recorded one, to see it differ', integerOption)
    .option('--json', 'print {verdict, data, weights, metrics}, each part with its own verdict')
    .action(reproduce)
}

async function reproduce(uri: string, { seed, json }: { seed?: number; json?: true }): Promise<void> {
  const result = await runWorkflow<ReproduceResult>({
    workflow: 'reproduceModel',
    workflowId: workflowIds.reproduce(uri),
    input: { uri, ...(seed === undefined ? {} : { seed }) },
    summary: `reproduce ${uri}`,
  })
  if (json === true) printJson(result)
  else printReproduction(result)
  if (result.verdict !== 'identical') process.exitCode = 1
}

function printReproduction({ verdict, model, version, data, weights, metrics }: ReproduceResult): void {
  const row = (name: string, part: Part, digest: string | null, recorded: string) =>
    [name, part.verdict, digest ?? '—', recorded, part.reasons.join('; ')] as const
  const differing = Object.entries(metrics.differences)
  printTable(
    ['part', 'verdict', 'now', 'recorded', ''],
    [
      row('data', data, data.digest, data.recorded),
      row('weights', weights, weights.digest, weights.recorded),
      row('metrics', metrics, null, '—'),
    ],
  )
  if (differing.length > 0) {
    printTable(
      ['metric', 'recorded', 'now'],
      differing.map(([key, [recorded, now]]) => [key, recorded, now]),
    )
  }
  print(`${model} v${version}: ${verdict}`)
}
