import type { Command } from 'commander'
import { listTables } from '../../lake/query/list-tables.js'
import { showTable } from '../../lake/query/show-table.js'
import { tableHistory } from '../../lake/query/table-history.js'
import { withLake } from '../lake.js'
import { formatBytes, print, printJson, printTable } from '../output.js'

export function addTablesCommand(program: Command): void {
  const tables = program.command('tables').description('what tables there are, and what became of them')
  tables
    .command('list')
    .description('every table with its rows, files, newest snapshot and tags')
    .option('--json', 'print [{name, rows, snapshotId, tags, …}]')
    .action(async (options: { json?: true }) => {
      await withLake(async ({ deps }) => {
        const list = await listTables(deps)
        if (options.json === true) {
          printJson(list)
          return
        }
        printTable(
          ['table', 'rows', 'files', 'size', 'snapshots', 'snapshot', 'tags'],
          list.map((t) => [
            t.name,
            t.rows,
            t.files,
            formatBytes(t.bytes),
            t.snapshots,
            t.snapshotId,
            t.tags.join(' '),
          ]),
        )
      })
    })
  tables
    .command('show')
    .description('columns, partitions and refs of one table')
    .argument('<table>', 'namespace.table')
    .option('--json', 'print it as JSON')
    .action(async (name: string, options: { json?: true }) => {
      await withLake(async ({ deps }) => {
        const table = await showTable(deps, name)
        if (options.json === true) {
          printJson(table)
          return
        }
        print(`${table.name}  (${table.location})`)
        printTable(
          ['column', 'type', 'required', 'id'],
          table.columns.map((c) => [c.name, c.type, c.required, c.id]),
        )
        print(`\npartitioned by  ${table.partition.join(', ') || '—'}`)
        printTable(
          ['ref', 'type', 'snapshot'],
          table.refs.map((r) => [r.name, r.type, r.snapshotId]),
        )
      })
    })
  tables
    .command('history')
    .description('snapshots of one table, newest first')
    .argument('<table>', 'namespace.table')
    .option('--json', 'print it as JSON')
    .action(async (name: string, options: { json?: true }) => {
      await withLake(async ({ deps }) => {
        const history = await tableHistory(deps, name)
        if (options.json === true) {
          printJson(history)
          return
        }
        printTable(
          ['snapshot', 'committed', 'operation', 'added rows', 'rows', 'refs', 'batch'],
          history.map((s) => [
            s.snapshotId,
            s.committedAt,
            s.operation,
            s.addedRows,
            s.rows,
            s.refs.join(' '),
            s.batch,
          ]),
        )
      })
    })
}
