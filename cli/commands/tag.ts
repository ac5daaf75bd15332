import type { Command } from 'commander'
import { createTag, dropTag } from '../../lake/tables/tags.js'
import { listTables } from '../../lake/query/list-tables.js'
import { integerOption } from '../integer-option.js'
import { pipelineNamed, withLake } from '../lake.js'
import { print, printJson, printTable } from '../output.js'

const DAY_MS = 86_400_000

export function addTagCommand(program: Command): void {
  const tag = program.command('tag').description('names for the state of all tables of a pipeline')
  tag
    .command('create')
    .description('tag every table of a pipeline as it is now, in one transaction')
    .argument('<pipeline>')
    .argument('<name>')
    .option('--retain-days <n>', 'drop the tag after so many days (default: never)', integerOption)
    .option('--json', 'print [{table, snapshotId}]')
    .action(async (pipeline: string, name: string, options: { retainDays?: number; json?: true }) => {
      await withLake(async (lake) => {
        const retain = options.retainDays === undefined ? {} : { retainMs: options.retainDays * DAY_MS }
        const tagged = await createTag(lake.deps, {
          pipeline: pipelineNamed(lake, pipeline).name,
          name,
          ...retain,
        })
        if (options.json === true) printJson(tagged)
        else
          printTable(
            ['table', 'snapshot'],
            tagged.map((t) => [t.table, t.snapshotId]),
          )
      })
    })
  tag
    .command('drop')
    .description('drop a tag from every table of a pipeline; the snapshots stay until they expire')
    .argument('<pipeline>')
    .argument('<name>')
    .option('--json', 'print the tables')
    .action(async (pipeline: string, name: string, options: { json?: true }) => {
      await withLake(async (lake) => {
        const tables = await dropTag(lake.deps, { pipeline: pipelineNamed(lake, pipeline).name, name })
        if (options.json === true) printJson(tables)
        else print(`dropped ${name} from ${tables.length} tables`)
      })
    })
  tag
    .command('list')
    .description('every tag and the tables that have it')
    .option('--json', 'print [{tag, tables}]')
    .action(async (options: { json?: true }) => {
      await withLake(async ({ deps }) => {
        const byTag = new Map<string, string[]>()
        for (const table of await listTables(deps))
          for (const name of table.tags) byTag.set(name, [...(byTag.get(name) ?? []), table.name])
        const list = [...byTag]
          .map(([name, tables]) => ({ tag: name, tables }))
          .sort((a, b) => a.tag.localeCompare(b.tag))
        if (options.json === true) printJson(list)
        else
          printTable(
            ['tag', 'tables', 'names'],
            list.map((t) => [t.tag, t.tables.length, t.tables.join(' ')]),
          )
      })
    })
}
