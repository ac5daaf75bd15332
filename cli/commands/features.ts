import { userInfo } from 'node:os'
import { Option, type Command } from 'commander'
import type { DefinitionKind, RecordedDefinition } from '../../ml/views/definition-history.js'
import type { DefinitionState } from '../../ml/views/definition-states.js'
import type { Pipeline } from '../../schemas/pipeline.js'
import { readConfig } from '../../workers/config.js'
import { printDefinition, printDifferences, printStates, printUses } from '../print-features.js'
import { print, printJson } from '../output.js'
import { withRegistry } from '../registry.js'
import { addHistoricalCommand } from './features-historical.js'

interface Options {
  readonly pipeline?: string
  readonly kind?: DefinitionKind
  readonly json?: true
}

const KINDS: readonly DefinitionKind[] = [
  'entity',
  'feature-view',
  'label-view',
  'feature-service',
  'split',
  'model',
]

export function addFeaturesCommand(program: Command): void {
  const features = program
    .command('features')
    .description('what features, labels, splits and models mean now, and what they meant before')
  withChoice(features.command('list').description('all definitions, and whether they changed since recorded'))
    .option('--json', 'print [{kind, pipeline, name, fingerprint, state, recordings, …}]')
    .action(list)
  withChoice(features.command('show').description('one definition with its SQL, its history and its users'))
    .argument('<name>', 'a view, service, label view, split, entity or model')
    .option('--json', 'print it as JSON')
    .action(show)
  withChoice(
    features.command('diff').description('what changed since it was recorded, or between two states'),
  )
    .argument('<name>')
    .argument('[from]', 'fingerprint, or its beginning (default: the last recorded other one)')
    .argument('[to]', 'the same (default: as it is defined now)')
    .option('--json', 'print {from, to, differences}')
    .action(diff)
  features
    .command('used-by')
    .description('services, splits, models and registered versions that would notice a change')
    .argument('<reference>', 'namespace.table, table, view or view:feature')
    .option('--json', 'print it as JSON')
    .action(usedByCommand)
  addHistoricalCommand(features)
  features
    .command('apply')
    .description('record all definitions as they are; data sets do the same when they are built')
    .option('--pipeline <name>', 'its definitions only')
    .option('--json', 'print what was recorded')
    .action(apply)
}

function withChoice(command: Command): Command {
  return command
    .option('--pipeline <name>', 'of this pipeline only')
    .addOption(new Option('--kind <kind>', 'of this kind only').choices(KINDS))
}

async function list(options: Options): Promise<void> {
  const states = await statesOf(options)
  if (options.json === true) printJson(states.map(asJson))
  else if (states.length === 0) print('no pipeline defines features yet: see docs/features.md')
  else printStates(states)
}

async function show(name: string, options: Options): Promise<void> {
  const { findDefinition } = await import('../../ml/views/definition-states.js')
  const state = findDefinition(await statesOf(options), { name, ...choiceOf(options) })
  const isView = state.kind === 'feature-view' || state.kind === 'label-view'
  const uses = isView && state.current !== undefined ? await usesOf(name) : []
  const own = uses.filter(({ kind, pipeline }) => kind === state.kind && pipeline === state.pipeline)
  if (options.json === true) {
    printJson({
      ...asJson(state),
      definition: (state.current ?? state.history.at(-1))?.definition,
      history: state.history.map(({ fingerprint, recordedAtMs, recordedBy }) => ({
        ...{ fingerprint, recordedAtMs, recordedBy },
      })),
      usedBy: own[0] ?? null,
    })
    return
  }
  printDefinition(state)
  for (const use of own) {
    print('')
    printUses(use)
  }
}

async function diff(
  name: string,
  from: string | undefined,
  to: string | undefined,
  options: Options,
): Promise<void> {
  const { findDefinition, recordedAs } = await import('../../ml/views/definition-states.js')
  const { diffDefinitions } = await import('../../ml/views/diff-definitions.js')
  const state = findDefinition(await statesOf(options), { name, ...choiceOf(options) })
  const after = to === undefined ? (state.current ?? state.history.at(-1)) : recordedAs(state, to)
  const others = state.history.filter(({ fingerprint }) => fingerprint !== after?.fingerprint)
  const before = from === undefined ? others.at(-1) : recordedAs(state, from)
  const differences =
    before === undefined || after === undefined ? [] : diffDefinitions(before.definition, after.definition)
  if (options.json === true) {
    printJson({ from: before?.fingerprint ?? null, to: after?.fingerprint ?? null, differences })
    return
  }
  if (before === undefined || after === undefined) print(`${state.kind} ${name}: nothing else is recorded`)
  else printDifferences({ before, after, differences })
}

async function usedByCommand(reference: string, options: Options): Promise<void> {
  const uses = await usesOf(reference)
  if (options.json === true) printJson(uses)
  else for (const use of uses) printUses(use)
}

async function apply(options: Options): Promise<void> {
  const { definitionsOf } = await import('../../ml/views/definitions-of.js')
  const { openModelRegistry } = await import('../../ml/registry/model-registry.js')
  const definitions = (await pipelinesOf(options)).flatMap(definitionsOf)
  const registry = openModelRegistry({ path: readConfig().registryPath })
  try {
    const by = `firn features apply by ${userInfo().username}`
    const recorded = registry.recordDefinitions(definitions, { atMs: Date.now(), by })
    if (options.json === true) {
      printJson(
        recorded.map(({ kind, pipeline, name, fingerprint }) => ({ kind, pipeline, name, fingerprint })),
      )
    } else if (recorded.length === 0) print('nothing changed since it was recorded')
    else for (const one of recorded) print(`recorded ${one.kind} ${one.name} of ${one.pipeline}`)
  } finally {
    registry.close()
  }
}

async function pipelinesOf({ pipeline }: Pick<Options, 'pipeline'>): Promise<readonly Pipeline[]> {
  const { loadPipelines } = await import('../../lake/define/load-pipeline.js')
  const pipelines = await loadPipelines(readConfig().pipelineFolders)
  if (pipeline === undefined) return [...pipelines.values()]
  const { pipelineNamed } = await import('../lake.js')
  return [pipelineNamed(pipelines, pipeline)]
}

async function statesOf(options: Options): Promise<readonly DefinitionState[]> {
  const { definitionsOf } = await import('../../ml/views/definitions-of.js')
  const { definitionStates } = await import('../../ml/views/definition-states.js')
  const current = (await pipelinesOf(options)).flatMap(definitionsOf)
  const history = await withRegistry(
    (registry) =>
      registry.listDefinitions(options.pipeline === undefined ? {} : { pipeline: options.pipeline }),
    (): readonly RecordedDefinition[] => [],
  )
  const states = definitionStates(current, history)
  return states.filter(({ kind }) => kind === (options.kind ?? kind))
}

async function usesOf(reference: string) {
  const { usedBy } = await import('../../ml/views/used-by.js')
  const pipelines = await pipelinesOf({})
  const versions = await withRegistry(
    (registry) => registry.list(),
    () => [],
  )
  return usedBy(new Map(pipelines.map((pipeline) => [pipeline.name, pipeline])), versions, reference)
}

function choiceOf({ kind, pipeline }: Options) {
  return { ...(kind === undefined ? {} : { kind }), ...(pipeline === undefined ? {} : { pipeline }) }
}

function asJson({ kind, pipeline, name, state, current, history }: DefinitionState) {
  const last = history.at(-1)
  return {
    ...{ kind, pipeline, name, state },
    fingerprint: current?.fingerprint ?? null,
    recordings: history.length,
    lastRecorded:
      last === undefined
        ? null
        : { fingerprint: last.fingerprint, recordedAtMs: last.recordedAtMs, recordedBy: last.recordedBy },
  }
}
