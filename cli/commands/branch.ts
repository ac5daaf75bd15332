import type { Command } from 'commander'
import { pipelineNamed, withCatalog, withLake } from '../lake.js'
import { print, printJson, printTable } from '../output.js'

interface Options {
  readonly dryRun?: true
  readonly json?: true
}

export function addBranchCommand(program: Command): void {
  const branch = program
    .command('branch')
    .description('branches of tables: batches that failed, and your own')
  branch
    .command('list')
    .description('every branch but main and the tables that have it')
    .option('--json', 'print [{name, type, holds, tables, expiresAt}]')
    .action(list)
  branch
    .command('show')
    .description('what a branch of a pipeline has beside main, and why its batch failed')
    .argument('<pipeline>')
    .argument('<name>')
    .option('--json', 'print {name, tables, reason, failedChecks}')
    .action(show)
  branch
    .command('drop')
    .description('drop a branch from every table of a pipeline, in one transaction')
    .argument('<pipeline>')
    .argument('<name>')
    .option('--dry-run', 'say which tables have it')
    .option('--json', 'print the tables')
    .action(drop)
}

async function list(options: Options): Promise<void> {
  const { listRefs } = await import('../../lake/tables/list-refs.js')
  const branches = await withCatalog(
    (deps) => listRefs(deps, 'branch'),
    () => [],
  )
  if (options.json === true) printJson(branches)
  else if (branches.length === 0) print('no branches: a batch that fails its checks leaves one')
  else
    printTable(
      ['branch', 'holds', 'tables', 'names'],
      branches.map((one) => [one.name, one.holds, one.tables.length, one.tables.join(' ')]),
    )
}

async function show(pipeline: string, name: string, options: Options): Promise<void> {
  const { showBranch } = await import('../../lake/tables/branches.js')
  const shown = await withLake(({ deps }) =>
    showBranch(deps, { pipeline: pipelineNamed(deps.pipelines, pipeline).name, name }),
  )
  if (options.json === true) {
    printJson(shown)
    return
  }
  if (shown.reason !== null) print(shown.reason)
  printTable(
    ['table', 'rows', 'rows on main', 'added'],
    shown.tables.map((one) => [one.table, one.rows, one.rowsOnMain, one.addedRows]),
  )
  for (const { check, severity, failingRows, sample } of shown.failedChecks) {
    print(`${severity} check ${check}: ${failingRows} rows${sample === null ? '' : `, such as ${sample}`}`)
  }
  print(`look at it: firn sql "SELECT * FROM ${shown.tables[0]?.table ?? ''}" --at ${name}`)
}

async function drop(pipeline: string, name: string, options: Options): Promise<void> {
  const { dropBranch } = await import('../../lake/tables/branches.js')
  const tables = await withLake(({ deps }) =>
    dropBranch(deps, {
      pipeline: pipelineNamed(deps.pipelines, pipeline).name,
      ...{ name, dryRun: options.dryRun === true },
    }),
  )
  if (options.json === true) printJson(tables)
  else print(`${options.dryRun === true ? 'would drop' : 'dropped'} ${name} from ${tables.length} tables`)
}
