import type { Command } from 'commander'
import type { RecordedRun } from '../../lake/maintain/list-runs.js'
import { readConfig } from '../../workers/config.js'
import { integerOption } from '../integer-option.js'
import { hasLake, noLake, withLake } from '../lake.js'
import { formatBytes, print, printJson, printTable } from '../output.js'

interface Options {
  readonly limit: number
  readonly json?: true
}

export function addMaintainHistoryCommand(maintain: Command): void {
  maintain
    .command('history')
    .description(
      'what maintenance did to which table and why, the newest first; nights with nothing due have no row',
    )
    .argument('[table]', 'namespace.table; default: all of them')
    .option('--limit <runs>', 'at most so many', integerOption, 20)
    .option('--json', 'print {total, runs}')
    // `maintain` takes options of its own name for itself, wherever they stand.
    .action((table: string | undefined, _own: unknown, command: Command) =>
      history(table, command.optsWithGlobals<Options>()),
    )
}

async function history(table: string | undefined, { limit, json }: Options): Promise<void> {
  const config = readConfig()
  if (!hasLake(config)) noLake(config)
  const { listRuns } = await import('../../lake/maintain/list-runs.js')
  const asked = table === undefined ? { limit } : { table, limit }
  const found = await withLake(({ deps }) => listRuns(deps, asked))
  if (json === true) printJson(found)
  else printRuns(found, table)
}

function printRuns(
  { total, runs }: { readonly total: number; readonly runs: readonly RecordedRun[] },
  table: string | undefined,
): void {
  if (total === 0) {
    print(`no maintenance of ${table ?? 'any table'} is recorded yet: \`firn maintain\` does it`)
    return
  }
  printTable(
    ['started', 'table', 'outcome', 'compacted', 'expired', 'files deleted', 'freed', 'seconds', 'why'],
    runs.map((run) => [
      run.startedAt.slice(0, 19),
      run.table,
      run.outcome,
      run.compactedFiles,
      run.expiredSnapshots,
      run.deletedFiles,
      formatBytes(run.deletedBytes),
      run.durationMs / 1000,
      run.steps.join('; '),
    ]),
  )
  if (total > runs.length) print(`${total - runs.length} more: --limit ${total}`)
  for (const { table: name, startedAt, error } of runs)
    if (error !== null) print(`✗ ${name} at ${startedAt}: ${error}`)
}
