import type { Command } from 'commander'
import type { SplitReport } from '../../ml/splits/split-report.js'
import { hasLake, noLake, withLake } from '../lake.js'
import { escapeInvisible, print, printJson, printTable } from '../output.js'
import { readConfig } from '../../workers/config.js'

interface Options {
  readonly pipeline?: string
  readonly at?: string
  readonly json?: true
}

export function addSplitsCommand(program: Command): void {
  const splits = program
    .command('splits')
    .description('which observations are trained on, stopped by and tested on: rows of ml_datasets.splits')
  splits
    .command('list')
    .description('versions that pipelines define, and their rows')
    .option('--json', 'print them as JSON')
    .action(list)
  splits
    .command('show')
    .description('rows by split and class, and what lies in two splits')
    .argument('<version>')
    .option('--pipeline <name>', 'where several define a version of this name')
    .option('--at <tag>', "tag to read the label view at (default: the pipeline's newest batch)")
    .option('--json', 'print it as JSON')
    .action(show)
  splits
    .command('extend')
    .description('assign the observations that have no split; a training does the same first')
    .argument('<pipeline>')
    .argument('<version>')
    .option('--at <tag>', "tag to read the label view at (default: the pipeline's newest batch)")
    .option('--json', 'print it as JSON')
    .action(extend)
}

async function list(options: Options): Promise<void> {
  const { listSplits } = await import('../../ml/splits/list-splits.js')
  // Without a lake there is nothing to make for a look at definitions.
  const found = hasLake(readConfig()) ? await withLake(({ deps }) => listSplits(deps)) : await defined()
  if (options.json === true) printJson(found)
  else if (found.length === 0) print('no pipeline defines a split yet: see docs/features.md')
  else
    printTable(
      ['pipeline', 'split', 'label view', 'method', 'seed', 'state', 'train', 'val', 'test'],
      found.map((one) => [
        ...[one.pipeline, one.split, one.labels, one.method, one.seed, one.state],
        ...[one.rows.train, one.rows.val, one.rows.test],
      ]),
    )
}

async function defined() {
  const { loadPipelines } = await import('../../lake/define/load-pipeline.js')
  const { definedSplits } = await import('../../ml/splits/list-splits.js')
  return definedSplits(await loadPipelines(readConfig().pipelineFolders))
}

async function show(version: string, options: Options): Promise<void> {
  const { pipelineOfSplit, showSplit } = await import('../../ml/splits/show-split.js')
  requireLake()
  const found = await withLake(({ deps }) =>
    showSplit(deps, {
      pipeline: options.pipeline ?? pipelineOfSplit(deps, version),
      split: version,
      ...(options.at === undefined ? {} : { at: options.at }),
    }),
  )
  if (options.json === true) {
    printJson(found)
    return
  }
  print(
    `${found.split} of ${found.pipeline}: ${found.method}, seed ${found.seed}, of ${found.labels} at ${found.tag}`,
  )
  printReport(found)
}

async function extend(pipeline: string, version: string, options: Options): Promise<void> {
  const { publish } = await import('../../lake/publish/publish.js')
  const { ensureSplitTables } = await import('../../lake/tables/ensure-tables.js')
  const { extendSplit } = await import('../../ml/splits/extend-split.js')
  requireLake()
  const result = await withLake(async ({ deps }) => {
    await ensureSplitTables(deps)
    return await extendSplit(
      deps,
      (request) => publish(deps, request),
      { pipeline, split: version, ...(options.at === undefined ? {} : { at: options.at }) },
      { workflowId: 'firn splits extend', runId: deps.newUuid(), startedAtMs: deps.now() },
    )
  })
  if (options.json === true) {
    printJson(result)
    return
  }
  print(`${version}: ${result.added} observations of ${result.tag} were assigned`)
  printReport(result)
}

function requireLake(): void {
  const config = readConfig()
  if (!hasLake(config)) noLake(config)
}

function printReport({ splits, rows, unassigned, leaks }: SplitReport): void {
  const entries = Object.entries(splits)
  const classes = [...new Set(entries.flatMap(([, { classes: own = {} }]) => Object.keys(own)))].sort()
  printTable(
    ['split', 'rows', 'share', ...classes.map((name) => `class ${name}`)],
    entries.map(([name, split]) => [
      ...[name, split.rows, `${((100 * split.rows) / Math.max(rows, 1)).toFixed(1)} %`],
      ...classes.map((one) => split.classes?.[one] ?? 0),
    ]),
  )
  if (unassigned > 0)
    print(`${unassigned} observations have no split yet: \`firn splits extend\` assigns them`)
  for (const [count, what] of [
    [leaks.entities, 'entities'],
    [leaks.groups, 'groups'],
  ] as const)
    if (count > 0) print(`! ${count} ${what} lie in more than one split`)
  for (const example of leaks.examples) print(escapeInvisible(`  ${example}`))
}
