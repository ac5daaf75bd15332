import type { Command } from 'commander'
import { snapshotById } from '../../iceberg/spec/refs.js'
import type { SnapshotId } from '../../iceberg/spec/snapshot.js'
import type { RollbackPlan, TableRollback } from '../../lake/rollback/rollback-plan.js'
import { askFirst } from '../ask-first.js'
import { hasLake, noLake, pipelineNamed, withLake } from '../lake.js'
import { print, printJson, printTable } from '../output.js'
import { readConfig } from '../../workers/config.js'

interface Options {
  readonly to: string
  readonly yes?: true
  readonly dryRun?: true
  readonly json?: true
}

export function addRollbackCommand(program: Command): void {
  program
    .command('rollback')
    .description('take all tables of a pipeline back to a published batch, in one transaction')
    .argument('<pipeline>')
    .requiredOption('--to <batch>', 'the batch to go back to; later ones are built again by the next build')
    .option('--yes', 'ask nothing')
    .option('--dry-run', 'say what would be taken back')
    .option('--json', 'print {pipeline, to, dueFrom, takenBack, tables, foreign, kept, done}')
    .action(run)
}

async function run(name: string, options: Options): Promise<void> {
  const { planRollback } = await import('../../lake/rollback/plan-rollback.js')
  const { runRollback } = await import('../../lake/rollback/run-rollback.js')
  const { isNothing } = await import('../../lake/rollback/rollback-plan.js')
  const config = readConfig()
  if (!hasLake(config)) noLake(config)
  await withLake(async ({ deps }) => {
    const pipeline = pipelineNamed(deps.pipelines, name).name
    const plan = await planRollback(deps, { pipeline, to: options.to })
    const isDue = !isNothing(plan)
    if (options.json !== true) printPlan(plan, isDue)
    const question = `take this back?`
    const goes =
      isDue && options.dryRun !== true && (options.yes === true || (await askFirst(question, what(plan))))
    const done = goes && (await runRollback(deps, plan))
    if (options.json === true) printJson({ ...answerOf(plan), done })
    else if (done)
      print(
        `rolled back: ${pipeline} is as batch ${plan.to.batch} left it. The next build takes ledger rows from ${dueFrom(plan)} on.`,
      )
    else if (isDue) print('nothing was changed')
  })
}

function what({ takenBack, to }: RollbackPlan): string {
  return `${takenBack.length} batches and scorings after ${to.batch} would be taken back`
}

function dueFrom({ builtUpTo, pipeline }: RollbackPlan): number {
  return builtUpTo.get(pipeline) ?? 0
}

function answerOf(plan: RollbackPlan) {
  return {
    pipeline: plan.pipeline,
    to: plan.to.batch,
    dueFrom: dueFrom(plan),
    takenBack: plan.takenBack.map(({ processingName, batch, status, inputFrom, inputTo }) => ({
      ...{ name: processingName, batch, status, inputFrom, inputTo },
    })),
    tables: plan.tables.map(({ table, action, from, to, tags, loaded }) => ({
      ...{ table, action, from: from?.toString() ?? null, to: to?.toString() ?? null },
      ...{ rowsNow: rowsAt(loaded, from), rowsThen: rowsAt(loaded, to), tags },
    })),
    foreign: plan.tables.flatMap(({ foreign }) => foreign),
    kept: plan.kept,
  }
}

function printPlan(plan: RollbackPlan, isDue: boolean): void {
  const { pipeline, to, takenBack, tables, kept } = plan
  if (!isDue) {
    print(`nothing to take back: ${pipeline} is as batch ${to.batch} left it`)
    return
  }
  print(`${pipeline} goes back to batch ${to.batch}; ledger rows from ${dueFrom(plan)} on are due again`)
  if (takenBack.length > 0) {
    printTable(
      ['taken back', 'batch', 'status', 'rows from', 'to'],
      takenBack.map((row) => [row.processingName, row.batch, row.status, row.inputFrom, row.inputTo]),
    )
  }
  printTable(
    ['table', 'what', 'rows now', 'rows then', 'tags renamed'],
    tables.map((one) => [
      one.table,
      ACTIONS[one.action],
      rowsAt(one.loaded, one.from),
      rowsAt(one.loaded, one.to),
      one.tags.length,
    ]),
  )
  for (const one of tables.flatMap(({ foreign }) => foreign)) {
    print(
      `also goes: snapshot ${one.snapshotId} of ${one.table} (${one.operation}, ${one.addedRows} rows added), which no batch made`,
    )
  }
  for (const { ref, tables: names } of kept) {
    print(`stays: ${ref} goes on showing rows that are taken back, in ${names.join(', ')}`)
  }
}

const ACTIONS: Readonly<Record<TableRollback['action'], string>> = {
  stay: 'stays',
  move: 'goes back',
  empty: 'is emptied',
}

function rowsAt({ metadata }: TableRollback['loaded'], id: SnapshotId | null): number | null {
  if (id === null) return 0
  const rows = snapshotById(metadata, id)?.summary?.['total-records']
  return rows === undefined ? null : Number(rows)
}
