import type { Command } from 'commander'
import { integerOption } from '../integer-option.js'
import { pipelineNamed, withCatalog, withLake } from '../lake.js'
import { print, printJson, printTable } from '../output.js'

const DAY_MS = 86_400_000

interface Options {
  readonly dryRun?: true
  readonly retainDays?: number
  readonly json?: true
}

export function addTagCommand(program: Command): void {
  const tag = program.command('tag').description('names for the state of all tables of a pipeline')
  tag
    .command('create')
    .description('tag every table of a pipeline as it is now, in one transaction')
    .argument('<pipeline>')
    .argument('<name>')
    .option('--retain-days <n>', 'drop the tag after so many days (default: never)', integerOption)
    .option('--dry-run', 'say what would be tagged')
    .option('--json', 'print [{table, snapshotId}]')
    .action(create)
  tag
    .command('drop')
    .description('drop a tag from every table of a pipeline; the snapshots stay until they expire')
    .argument('<pipeline>')
    .argument('<name>')
    .option('--dry-run', 'say which tables have it')
    .option('--json', 'print the tables')
    .action(drop)
  tag
    .command('list')
    .description('every tag and the tables that have it')
    .option('--json', 'print [{tag, tables, holds, expiresAt}]')
    .action(list)
}

async function create(pipeline: string, name: string, options: Options): Promise<void> {
  const { createTag } = await import('../../lake/tables/tags.js')
  const retain = options.retainDays === undefined ? {} : { retainMs: options.retainDays * DAY_MS }
  const dryRun = options.dryRun === true
  const tagged = await withLake((lake) =>
    createTag(lake.deps, {
      pipeline: pipelineNamed(lake.deps.pipelines, pipeline).name,
      name,
      dryRun,
      ...retain,
    }),
  )
  if (options.json === true) printJson(tagged)
  else {
    print(`${dryRun ? 'would tag' : 'tagged'} ${tagged.length} tables as ${name}`)
    printTable(
      ['table', 'snapshot'],
      tagged.map((t) => [t.table, t.snapshotId]),
    )
  }
}

async function drop(pipeline: string, name: string, options: Options): Promise<void> {
  const { dropTag } = await import('../../lake/tables/tags.js')
  const tables = await withLake((lake) =>
    dropTag(lake.deps, {
      pipeline: pipelineNamed(lake.deps.pipelines, pipeline).name,
      ...{ name, dryRun: options.dryRun === true },
    }),
  )
  if (options.json === true) printJson(tables)
  else print(`${options.dryRun === true ? 'would drop' : 'dropped'} ${name} from ${tables.length} tables`)
}

async function list(options: Options): Promise<void> {
  const { listRefs } = await import('../../lake/tables/list-refs.js')
  const found = await withCatalog(
    (deps) => listRefs(deps, 'tag'),
    () => [],
  )
  const tags = found.map(({ name, tables, holds, expiresAt }) => ({ tag: name, tables, holds, expiresAt }))
  if (options.json === true) printJson(tags)
  else if (tags.length === 0)
    print('no tags yet: every published batch sets some, `firn tag create` your own')
  else
    printTable(
      ['tag', 'holds', 'kept until', 'tables', 'names'],
      tags.map((t) => [
        t.tag,
        t.holds,
        t.expiresAt?.slice(0, 10) ?? 'dropped',
        t.tables.length,
        t.tables.join(' '),
      ]),
    )
}
