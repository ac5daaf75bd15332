import { InvalidArgumentError, type Command } from 'commander'
import type { LookAtDates } from '../../lake/backfill/look-at-dates.js'
import type {
  BackfillInput,
  BackfillMode,
  BackfillResult,
  DatesQuery,
  DateState,
} from '../../schemas/backfill-messages.js'
import { readBackfillInput, readDatesQuery } from '../../schemas/read-backfill-input.js'
import type { OnChange } from '../../schemas/definition-change.js'
import { integerOption } from '../integer-option.js'
import { onChangeOption } from '../on-change-option.js'
import { print, printJson, printTable } from '../output.js'
import { backfillId, type BackfillPreview } from '../preview-backfill.js'
import { countsText, printBackfill, printPreview } from '../print-backfill.js'
import { runWorkflow } from '../run-workflow.js'

interface StartOptions {
  readonly from?: string
  readonly to?: string
  readonly dates?: readonly string[]
  readonly batches?: readonly string[]
  readonly mode?: BackfillMode
  readonly parallel?: number
  readonly maintain?: 'at-end' | 'never'
  readonly onFailure?: 'continue' | 'pause'
  readonly onChange?: OnChange
  readonly folder?: string
  readonly limit: number
  readonly dryRun?: true
  readonly follow?: true
  readonly json?: true
}

export function addBackfillCommand(program: Command): void {
  const backfill = program
    .command('backfill')
    .description('the nights of many dates, or their batches computed again: look first, start, steer')
  addDates(backfill.command('preview'), 'what would run on which date, and what each date is now')
    .option('--json', 'print {workflowId, input, total, counts, runs, dates, commands}')
    .action((pipeline: string, options: StartOptions) => preview(inputOf(pipeline, options), options))
  addDates(backfill.command('start'), 'start it; joins the one of the same dates that runs')
    .option('--dry-run', 'as `preview`')
    .option('--follow', 'stay until it has ended')
    .option('--json', 'print the result, or {workflowId, joined} without --follow')
    .action((pipeline: string, options: StartOptions) => {
      const input = inputOf(pipeline, options)
      return options.dryRun === true ? preview(input, options) : start(input, options)
    })
  const steer = (verb: Verb, description: string): Command =>
    backfill
      .command(verb)
      .description(description)
      .argument('<id>', 'as `start` and `list` print it')
      .option('--json', 'print the status as JSON')
      .action((id: string, options: { json?: true }) => steerBackfill(verb, id, options))
  steer('status', 'how many dates stand where, what runs, what failed and why')
  backfill
    .command('dates')
    .description('a page of its dates, with workflow, batch, tag and snapshots of each')
    .argument('<id>')
    .option(
      '--state <state>',
      'only those: waiting, running, published, no_changes, done, none, failed, cancelled',
    )
    .option('--offset <n>', 'leave so many out first', integerOption, 0)
    .option('--limit <n>', 'at most so many, up to 1000', integerOption, 100)
    .option('--json', 'print {total, rows}')
    .action(dates)
  steer('pause', 'start no further date; what runs goes on to its end')
  steer('resume', 'go on')
  steer('cancel', 'cancel what runs and start nothing more; what was published stays')
  steer('retry-failed', 'run again what failed or was cancelled, and nothing else').option(
    '--dry-run',
    'say which dates',
  )
  backfill
    .command('list')
    .description('the backfills that Temporal knows, newest first')
    .option('--limit <n>', 'at most so many', integerOption, 20)
    .option('--json', 'print them as JSON')
    .action(list)
}

function addDates(command: Command, description: string): Command {
  return command
    .description(description)
    .argument('<pipeline>')
    .option('--from <date>', 'first date, 2026-07-01')
    .option('--to <date>', 'last date; it belongs to the range')
    .option('--dates <dates>', 'single dates instead, with commas between', commaOption)
    .option('--batches <ids>', 'single batches instead, with commas between', commaOption)
    .option(
      '--mode <mode>',
      'missing: dates without a published night (default); rebuild: published batches again',
    )
    .option('--parallel <n>', 'so many nights at once (default 1)', integerOption)
    .option('--maintain <when>', 'at-end (default) or never')
    .option('--on-failure <what>', 'continue with the next date (default), or pause')
    .addOption(onChangeOption())
    .option(
      '--folder <folder>',
      'documents of each date, with {date} in its name; or s3://bucket/prefix/{date}',
    )
    .option('--limit <dates>', 'a preview shows so many dates', integerOption, 31)
}

function commaOption(text: string): readonly string[] {
  const items = text.split(',').map((item) => item.trim())
  if (items.includes('')) throw new InvalidArgumentError('Give them with one comma between two.')
  return items
}

const NOT_INPUT: ReadonlySet<string> = new Set(['limit', 'dryRun', 'follow', 'json'])

/** Throws `invalid-input` as the workflow would. */
function inputOf(pipeline: string, options: StartOptions): BackfillInput {
  const given = Object.entries(options).filter(([name]) => !NOT_INPUT.has(name))
  return readBackfillInput({ pipeline, ...Object.fromEntries(given) })
}

async function preview(input: BackfillInput, { limit, json }: StartOptions): Promise<void> {
  const found = await look(input, limit)
  if (json === true) printJson(found)
  else printPreview(found)
}

/** By the lake, and by the list of nights where a server runs. */
async function look(input: BackfillInput, limit: number): Promise<BackfillPreview> {
  const { previewBackfill } = await import('../preview-backfill.js')
  const { lookAtDates } = await import('../../lake/backfill/look-at-dates.js')
  const { withHistory } = await import('../backfill-lake.js')
  return withHistory(input.pipeline, (pipeline, history) =>
    withQuietNights(input, (quiet) =>
      previewBackfill(input, { limit, pipeline, history, lookAt: lookAtDates, ...(quiet && { quiet }) }),
    ),
  )
}

async function withQuietNights<T>(
  { pipeline, folder }: BackfillInput,
  use: (quiet: LookAtDates['quiet']) => Promise<T>,
): Promise<T> {
  if (folder !== undefined) return use(undefined)
  const { withTemporalIfRunning } = await import('../temporal-session.js')
  const { quietNights } = await import('../../workers/quiet-nights.js')
  return withTemporalIfRunning((session) =>
    use(session && ((batches) => quietNights(session.client, pipeline, batches))),
  )
}

async function start(
  input: BackfillInput,
  { follow, json }: StartOptions,
  id = backfillId(input),
): Promise<void> {
  const { withTemporalIfRunning } = await import('../temporal-session.js')
  const { startBackfill } = await import('../backfill-handle.js')
  const started =
    follow === true
      ? undefined
      : await withTemporalIfRunning((session) => session && startBackfill(session.client, id, input))
  if (started === undefined) {
    const summary = `backfill ${input.pipeline}`
    const result = await runWorkflow<BackfillResult>({ workflow: 'backfill', workflowId: id, input, summary })
    if (json === true) printJson(result)
    else print(`${result.status}: ${countsText(result.counts)}`)
    if (result.status === 'failed' || result.status === 'cancelled') process.exitCode = 1
    return
  }
  if (json === true) printJson({ workflowId: id, joined: started.asOther })
  else {
    print(started.asOther ? `${id} runs already, with the settings it was started with` : `started ${id}`)
    print(`  firn backfill status ${id}\n  firn backfill cancel ${id}`)
  }
}

type Verb = 'status' | 'pause' | 'resume' | 'cancel' | 'retry-failed'

/** Tells a backfill something, and prints how it stands then. */
async function steerBackfill(
  verb: Verb,
  id: string,
  options: { readonly json?: true; readonly dryRun?: true },
): Promise<void> {
  const { withRunningTemporal } = await import('../temporal-session.js')
  const { steer } = await import('../steer-backfill.js')
  await withRunningTemporal(async ({ client }) => {
    if (verb === 'retry-failed' && options.dryRun === true) {
      const { findRetried } = await import('../steer-backfill.js')
      const retried = await findRetried(client, id)
      if (options.json === true) printJson(retried)
      else
        for (const { date, state, cause } of retried) print([date, state, cause ?? ''].join('  ').trimEnd())
      if (options.json !== true) print(`${retried.length} dates would run again`)
      return
    }
    const status = await steer(client, verb, id)
    if (options.json === true) printJson(status)
    else printBackfill(id, status)
  })
}

async function dates(
  id: string,
  { state, offset, limit, json }: { state?: DateState; offset: number; limit: number; json?: true },
): Promise<void> {
  const query: DatesQuery = readDatesQuery({ offset, limit, ...(state === undefined ? {} : { state }) })
  const { withRunningTemporal } = await import('../temporal-session.js')
  const { datesWithBatches } = await import('../backfill-lake.js')
  const page = await withRunningTemporal(({ client }) => datesWithBatches(client, id, query))
  if (json === true) {
    printJson(page)
    return
  }
  printTable(
    ['date', 'state', 'batch', 'tag', 'workflow', 'cause'],
    page.rows.map((row) => [row.date, row.state, row.batch, row.tag, row.workflowId, row.cause]),
  )
  print(`${page.total} dates${state === undefined ? '' : ` are ${state.replace('_', ' ')}`}`)
}

async function list({ limit, json }: { limit: number; json?: true }): Promise<void> {
  const { withRunningTemporal } = await import('../temporal-session.js')
  const { listBackfills } = await import('../backfill-handle.js')
  const found = await withRunningTemporal(({ client }) => listBackfills(client, limit))
  if (json === true) printJson(found)
  else {
    const columns = ['id', 'pipeline', 'status', 'started', 'ended']
    printTable(
      columns,
      found.map((one) => [one.workflowId, one.pipeline, one.status, one.startedAt, one.endedAt]),
    )
  }
}
