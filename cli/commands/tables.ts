import type { Command } from 'commander'
import type { ColumnDiff } from '../../iceberg/scan/diff-snapshots.js'
import type { DataFile } from '../../iceberg/spec/data-file.js'
import { noLake, noLakeYet, withCatalog } from '../lake.js'
import { formatBytes, print, printJson, printTable } from '../output.js'

interface Options {
  readonly json?: true
}

export function addTablesCommand(program: Command): void {
  const tables = program.command('tables').description('what tables there are, and what became of them')
  tables
    .command('list')
    .description('every table with its rows, files, newest snapshot and tags')
    .option('--json', 'print [{name, rows, snapshotId, tags, …}]')
    .action(list)
  tables
    .command('show')
    .description('columns, partitions and refs of one table')
    .argument('<table>', 'namespace.table')
    .option('--json', 'print it as JSON')
    .action(show)
  tables
    .command('history')
    .description('snapshots of one table, newest first')
    .argument('<table>', 'namespace.table')
    .option('--json', 'print it as JSON')
    .action(history)
  tables
    .command('diff')
    .description('files, rows, columns and properties that two states of a table differ in')
    .argument('<table>', 'namespace.table')
    .argument('<from>', 'tag, branch or snapshot id')
    .argument('<to>', 'tag, branch or snapshot id')
    .option('--json', 'print it as JSON')
    .action(diff)
}

async function list(options: Options): Promise<void> {
  const { listTables } = await import('../../lake/query/list-tables.js')
  let hint = 'no tables yet: `firn demo` or `firn run nightly` makes some'
  const found = await withCatalog(listTables, ({ home }) => {
    hint = noLakeYet(home)
    return []
  })
  if (options.json === true) printJson(found)
  else if (found.length === 0) print(hint)
  else
    printTable(
      ['table', 'rows', 'files', 'size', 'snapshots', 'snapshot', 'tags'],
      found.map((t) => [
        t.name,
        t.rows,
        t.files,
        formatBytes(t.bytes),
        t.snapshots,
        t.snapshotId,
        t.tags.join(' '),
      ]),
    )
}

async function show(name: string, options: Options): Promise<void> {
  const { showTable } = await import('../../lake/query/show-table.js')
  const table = await withCatalog((deps) => showTable(deps, name), noLake)
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
}

async function history(name: string, options: Options): Promise<void> {
  const { tableHistory } = await import('../../lake/query/table-history.js')
  const entries = await withCatalog((deps) => tableHistory(deps, name), noLake)
  if (options.json === true) printJson(entries)
  else if (entries.length === 0) print(`${name} has no snapshots yet: nothing was written to it`)
  else
    printTable(
      ['snapshot', 'committed', 'operation', 'added rows', 'rows', 'refs', 'batch'],
      entries.map((s) => [
        s.snapshotId,
        s.committedAt,
        s.operation,
        s.addedRows,
        s.rows,
        s.refs.join(' '),
        s.batch,
      ]),
    )
}

async function diff(name: string, from: string, to: string, options: Options): Promise<void> {
  const { diffTable } = await import('../../lake/query/diff-table.js')
  const found = await withCatalog((deps) => diffTable(deps, { name, from, to }), noLake)
  if (options.json === true) {
    printJson({ ...found, added: found.added.map(shownFile), removed: found.removed.map(shownFile) })
    return
  }
  const { added, removed, addedRows, removedRows, partitions, columns, properties = [] } = found
  print(`${name}  ${String(found.from)} → ${String(found.to)}`)
  print(`files  +${added.length}  -${removed.length}\nrows   +${addedRows}  -${removedRows}`)
  if (partitions.length > 0) {
    print('')
    printTable(
      ['partition', '+ files', '- files', '+ rows', '- rows'],
      partitions.map((p) => [
        p.partition.map((value) => String(value)).join(' / ') || '(all)',
        p.addedFiles,
        p.removedFiles,
        p.addedRows,
        p.removedRows,
      ]),
    )
  }
  const changes = [
    ...columns.map(({ before, after }) => ['column', columnText(before), columnText(after)]),
    ...properties.map(({ name: property, before, after }) => [`property ${property}`, before, after]),
  ]
  if (changes.length === 0) return
  print('')
  printTable(['changed', 'before', 'after'], changes)
}

function shownFile(file: DataFile) {
  const { content, filePath, specId, partition, recordCount, fileSizeInBytes } = file
  return { content, path: filePath, specId, partition, rows: recordCount, bytes: fileSizeInBytes }
}

function columnText(column: ColumnDiff['before']): string | undefined {
  return column && `${column.name} ${column.type}${column.required ? ' required' : ''}`
}
