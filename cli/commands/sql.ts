import type { Command } from 'commander'
import { integerOption } from '../integer-option.js'
import { withLake } from '../lake.js'
import { jsonSafe, printJson, printTable, type Cell } from '../output.js'
import { displayRow } from '../display-row.js'

const LIMIT_DEFAULT = 10_000

export function addSqlCommand(program: Command): void {
  program
    .command('sql')
    .description('run a SELECT over the lake; tables are named namespace.table')
    .argument('<query>', 'SQL text')
    .option('--at <tag|snapshot>', 'read every table as it was at a tag or a snapshot id')
    .option('--limit <rows>', 'largest number of rows to return', integerOption, LIMIT_DEFAULT)
    .option('--json', 'print an array of objects')
    .action(async (query: string, options: { at?: string; limit: number; json?: true }) => {
      const { runSql } = await import('../../lake/query/sql.js')
      await withLake(async ({ deps }) => {
        const at = options.at === undefined ? {} : { at: options.at }
        const { columns, rows } = await runSql(deps, { sql: query, ...at, limit: options.limit })
        const shown = rows.map((row) => displayRow(row, columns))
        if (options.json === true) printJson(shown)
        else
          printTable(
            columns.map((c) => c.name),
            shown.map((row) => columns.map((c) => cell(row[c.name]))),
          )
      })
    })
}

function cell(value: unknown): Cell {
  if (value === null || value === undefined) return null
  if (typeof value === 'object') return JSON.stringify(value, jsonSafe)
  return value as Cell
}
