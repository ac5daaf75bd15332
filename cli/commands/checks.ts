import type { Command } from 'commander'
import type { BatchChecks } from '../../lake/quality/list-checks.js'
import { parseBatchId } from '../../schemas/batch.js'
import { FirnError } from '../../schemas/error.js'
import { integerOption } from '../integer-option.js'
import { pipelineNamed, withLake } from '../lake.js'
import { print, printHeading, printJson, printTable } from '../output.js'

interface Options {
  readonly batch?: string
  readonly limit: number
  readonly json?: true
}

export function addChecksCommand(program: Command): void {
  program
    .command('checks')
    .description('what the checks of a pipeline’s batches found, with some of the rows that break a rule')
    .argument('<pipeline>')
    .option('--batch <id>', 'of this batch, and of what was built again under its id')
    .option('--limit <batches>', 'at most so many batches, newest first', integerOption, 5)
    .option('--json', 'print [{batch, passed, checks}]')
    .action(checks)
}

async function checks(name: string, { batch, limit, json }: Options): Promise<void> {
  const wanted = batch === undefined ? {} : { batch: parseBatchId(batch) }
  const { listChecks } = await import('../../lake/quality/list-checks.js')
  const found = await withLake(async ({ deps }) => {
    const { name: pipeline } = pipelineNamed(deps.pipelines, name)
    return await listChecks(deps, { pipeline, ...wanted, limit })
  })
  if (batch !== undefined && found.length === 0) {
    throw new FirnError(
      'not-found',
      `no check results of batch ${batch} of ${name} are stored: \`firn checks ${name}\` shows the newest batches.`,
    )
  }
  if (json === true) printJson(found)
  else if (found.length === 0) print(`no batch of ${name} was checked yet`)
  else for (const one of found) printChecks(name, one)
}

function printChecks(pipeline: string, { batch, passed, checks: results }: BatchChecks): void {
  const failed = results.filter((result) => !result.passed)
  printHeading(`${batch}: ${passed ? 'passed' : 'failed'}, ${results.length} checks`)
  if (failed.length === 0) return
  printTable(
    ['check', 'severity', 'rows', 'some of them'],
    failed.map(({ name, severity, failingRows, sample }) => [name, severity, failingRows, sample]),
  )
  if (!passed)
    print(
      `all of it: \`firn sql … --at failed_${batch}\`; left out: \`firn build ${pipeline} --skip ${batch}\``,
    )
}
