import { userInfo } from 'node:os'
import type { Command } from 'commander'
import type { ModelRegistry } from '../../ml/registry/model-registry.js'
import { FirnError } from '../../schemas/error.js'
import { readConfig } from '../../workers/config.js'
import { integerOption } from '../integer-option.js'
import { hasLake, noLake, withCatalog } from '../lake.js'
import { print, printJson } from '../output.js'
import { printAliasHistory, printComparison, printVersion, printVersions } from '../print-models.js'
import { withRegistry } from '../registry.js'
import { addPromoteCommand } from './models-promote.js'

interface Options {
  readonly reason?: string
  readonly json?: true
}

export function addModelsCommand(program: Command): void {
  const models = program.command('models').description('registered models: their versions and aliases')
  models
    .command('list')
    .description('every version of every model, newest first')
    .argument('[model]')
    .option('--json', 'print the versions')
    .action(list)
  models
    .command('show')
    .description('all that is known of a version: data, code, metrics, aliases')
    .argument('<uri>', 'models:/<name>/<version>, models:/<name>@<alias> or models:/<name>/latest')
    .option('--json', 'print {version, aliases, aliasHistory}')
    .action(show)
  models
    .command('compare')
    .description('two versions side by side; refused where their test rows are not the same')
    .argument('<a>', 'URI of a version')
    .argument('<b>', 'URI of another one')
    .option('--json', 'print {a, b, sameRows, testRows, metrics}')
    .action(compare)
  models
    .command('delete')
    .description(
      'free what a version was trained on; what it was stays known, its number is never given again',
    )
    .argument('<uri>', 'models:/<name>/<version>')
    .option('--json', 'print {model, version}')
    .action(remove)
  addPromoteCommand(models, noModels)
  addAliasCommands(models)
}

function addAliasCommands(models: Command): void {
  const alias = models.command('alias').description('names of versions, such as champion')
  alias
    .command('set')
    .description('give an alias to a version that is READY, whatever its metrics say')
    .argument('<model>')
    .argument('<alias>')
    .argument('<version>', 'its number', integerOption)
    .option('--reason <text>', 'kept in the history')
    .option('--json', 'print the aliases of the model')
    .action(setAlias)
  alias
    .command('delete')
    .description('delete an alias; its history stays')
    .argument('<model>')
    .argument('<alias>')
    .option('--reason <text>', 'kept in the history')
    .option('--json', 'print the aliases of the model')
    .action(deleteAlias)
  alias
    .command('history')
    .description('who was what when, and who changed it')
    .argument('<model>')
    .argument('[alias]')
    .option('--json', 'print the changes, oldest first')
    .action(history)
}

async function list(model: string | undefined, options: Options): Promise<void> {
  const versions = await withRegistry(
    (registry) => listVersions(registry, model),
    () => [],
  )
  if (options.json === true) printJson(versions)
  else printVersions(versions)
}

export type ListedVersion = ReturnType<typeof listVersions>[number]

function listVersions(registry: ModelRegistry, model: string | undefined) {
  const aliases = registry.aliases(model)
  const listed = registry.list(model).map(({ pin, dataset, trained, ...version }) => ({
    ...{ model: version.model, version: version.version, state: version.state },
    aliases: aliases
      .filter((alias) => alias.model === version.model && alias.version === version.version)
      .map(({ alias }) => alias),
    ...{ pipeline: pin.pipeline, estimator: pin.estimator, service: pin.service, tag: pin.tag },
    ...{ rows: dataset.rows, runId: version.runId, registeredAtMs: version.registeredAtMs },
    metrics: trained.metrics,
  }))
  const legacy = registry.listLegacy(model).map((version) => ({
    ...{ model: version.model, version: version.version, state: 'of Firn 0.1: train it again' },
    ...{ aliases: [], pipeline: version.pipelines.join(', '), estimator: null, service: null, tag: null },
    ...{ rows: null, runId: null, registeredAtMs: version.registeredAtMs, metrics: {} },
  }))
  return [...listed, ...legacy]
}

async function show(uri: string, options: Options): Promise<void> {
  const { parseModelUri, resolveModel } = await import('../../ml/registry/resolve-model-uri.js')
  const reference = parseModelUri(uri)
  const shown = await withRegistry((registry) => {
    // A version that was deleted, or is not READY yet, is shown too.
    const found = 'version' in reference ? registry.findVersion(reference) : undefined
    const version = found ?? resolveModel(registry, reference)
    return {
      version,
      aliases: registry
        .aliases(version.model)
        .filter((alias) => alias.version === version.version)
        .map(({ alias }) => alias),
      aliasHistory: registry
        .aliasHistory(version.model)
        .filter(
          (change, at, all) =>
            change.version === version.version ||
            all.slice(0, at).findLast(({ alias }) => alias === change.alias)?.version === version.version,
        ),
    }
  }, noModels)
  if (options.json === true) printJson(shown)
  else printVersion(shown)
}

async function compare(a: string, b: string, options: Options): Promise<void> {
  const { resolveModelUri } = await import('../../ml/registry/resolve-model-uri.js')
  const { compareVersions } = await import('../../ml/registry/compare-versions.js')
  const { readTestPredictions } = await import('../../ml/training/model-artifact.js')
  const config = readConfig()
  if (!hasLake(config)) noLake(config)
  const compared = await withRegistry(
    (registry) =>
      withCatalog(
        (deps) =>
          compareVersions(resolveModelUri(registry, a), resolveModelUri(registry, b), (version) =>
            readTestPredictions(deps, version),
          ),
        noLake,
      ),
    noModels,
  )
  if (options.json === true) printJson(compared)
  else printComparison(compared)
}

async function remove(uri: string, options: Options): Promise<void> {
  const { parseModelUri, resolveModel } = await import('../../ml/registry/resolve-model-uri.js')
  const { deleteVersion } = await import('../../ml/registry/register-version.js')
  const reference = parseModelUri(uri)
  if (!('version' in reference)) throw numberNeeded(uri)
  const config = readConfig()
  if (!hasLake(config)) noLake(config)
  const { randomUUID } = await import('node:crypto')
  await withRegistry(
    (registry) =>
      withCatalog(async ({ catalog }) => {
        const isKnown =
          registry.findVersion(reference) ??
          registry.listLegacy(reference.model).find(({ version }) => version === reference.version)
        // Says what there is.
        if (isKnown === undefined) resolveModel(registry, reference)
        await deleteVersion({ catalog, now: Date.now, newUuid: randomUUID }, registry, reference)
      }, noLake),
    noModels,
  )
  const { model, version } = reference
  if (options.json === true) printJson({ model, version })
  else print(`deleted version ${version} of ${model}; what it was trained on may expire now`)
}

async function setAlias(model: string, alias: string, version: number, options: Options): Promise<void> {
  await changeAlias(model, options, (registry) =>
    registry.setAlias({ model, alias, version, ...changedBy(options) }),
  )
}

async function deleteAlias(model: string, alias: string, options: Options): Promise<void> {
  await changeAlias(model, options, (registry) =>
    registry.deleteAlias({ model, alias, ...changedBy(options) }),
  )
}

async function changeAlias(
  model: string,
  options: Options,
  change: (registry: ModelRegistry) => void,
): Promise<void> {
  const aliases = await withRegistry((registry) => {
    change(registry)
    return registry.aliases(model)
  }, noModels)
  if (options.json === true) printJson(aliases)
  else if (aliases.length === 0) print(`${model} has no aliases`)
  else for (const { alias, version } of aliases) print(`models:/${model}@${alias} is version ${version}`)
}

function changedBy({ reason }: Options) {
  const base = { by: userInfo().username, forced: false, atMs: Date.now() }
  return reason === undefined ? base : { ...base, reason }
}

async function history(model: string, alias: string | undefined, options: Options): Promise<void> {
  const changes = await withRegistry(
    (registry) => registry.aliasHistory(model, alias),
    () => [],
  )
  if (options.json === true) printJson(changes)
  else printAliasHistory(changes)
}

function numberNeeded(uri: string): FirnError {
  return new FirnError(
    'invalid-input',
    `a version is deleted by its number: write models:/<name>/<version>, not ${JSON.stringify(uri)}.`,
  )
}

function noModels(): never {
  throw new FirnError(
    'not-found',
    'no model is registered yet: `firn train <pipeline> <model>` does it, and FIRN_HOME names another lake.',
  )
}
