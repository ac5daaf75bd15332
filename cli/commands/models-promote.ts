import { userInfo } from 'node:os'
import type { Command } from 'commander'
import { loadPipelines } from '../../lake/define/load-pipeline.js'
import type { ModelRegistry } from '../../ml/registry/model-registry.js'
import type { ModelVersion } from '../../ml/registry/version-store.js'
import { FirnError } from '../../schemas/error.js'
import type { PromoteRequest, PromoteResult } from '../../schemas/model-messages.js'
import { readPromoteRequest } from '../../schemas/validate-input.js'
import { readConfig } from '../../workers/config.js'
import { integerOption } from '../integer-option.js'
import { print, printJson, printTable } from '../output.js'
import { withRegistry } from '../registry.js'

interface Options {
  readonly to?: number
  readonly alias?: string
  readonly by?: string
  readonly reason?: string
  readonly force?: true
  readonly json?: true
}

/** The trainer's update `promote` asks for the same. */
export function addPromoteCommand(models: Command, noModels: () => never): void {
  models
    .command('promote')
    .description(
      'give a version an alias if it beats who has it, and the baseline; exit code 1 where it does not',
    )
    .argument('<model>', 'models:/<name>/<version>, models:/<name>@<alias>, or a name and --to')
    .option('--to <version>', 'its number', integerOption)
    .option('--alias <name>', 'default: champion')
    .option('--by <who>', 'kept in the history (default: your user name)')
    .option('--reason <text>', 'kept in the history')
    .option('--force', 'whatever the metrics say; the history keeps that too')
    .option('--json', 'print what was compared, and what spoke against it')
    .action((model: string, options: Options) => promote(model, options, noModels))
}

async function promote(named: string, options: Options, noModels: () => never): Promise<void> {
  const { promoteVersion } = await import('../../ml/promotion/promote-version.js')
  const pipelines = await loadPipelines(readConfig().pipelineFolders)
  const result = await withRegistry(async (registry) => {
    const { model, version, pin } = await challengerOf(registry, named, options.to)
    const request = readPromoteRequest(requestOf(version, options))
    return promoteVersion({ pipelines, now: Date.now }, registry, { pipeline: pin.pipeline, model, request })
  }, noModels)
  if (options.json === true) printJson(result)
  else printPromotion(result)
  if (!result.promoted) process.exitCode = 1
}

async function challengerOf(
  registry: ModelRegistry,
  named: string,
  to: number | undefined,
): Promise<ModelVersion> {
  const { resolveModel, resolveModelUri } = await import('../../ml/registry/resolve-model-uri.js')
  if (!named.startsWith('models:/')) {
    if (to !== undefined) return resolveModel(registry, { model: named, version: to })
    throw new FirnError(
      'invalid-input',
      `which version of ${named} is to be promoted? Say --to <version>, or write models:/${named}/<version>.`,
    )
  }
  const found = resolveModelUri(registry, named)
  if (to === undefined || to === found.version) return found
  throw new FirnError(
    'invalid-input',
    `${named} is version ${found.version}, but --to says ${to}. Leave out one of them.`,
  )
}

function requestOf(version: number, { alias, by, reason, force }: Options): PromoteRequest {
  return {
    version,
    by: by ?? userInfo().username,
    ...(alias === undefined ? {} : { alias }),
    ...(reason === undefined ? {} : { reason }),
    ...(force === undefined ? {} : { force }),
  }
}

function printPromotion(result: PromoteResult): void {
  const { model, version, alias, promoted, forced, metric, challenger, champion, baseline, problems } = result
  printTable(
    ['', metric],
    [
      [`version ${version}`, challenger],
      ...(champion === null ? [] : [[`${alias} (version ${champion.version})`, champion.value]]),
      [`baseline: ${baseline.name}`, baseline.value],
    ],
  )
  for (const problem of problems) print(`${forced ? 'overruled' : 'against it'}: ${problem}`)
  print(
    promoted
      ? `models:/${model}@${alias} is version ${version}`
      : `version ${version} was not promoted; --force does it all the same`,
  )
}
