import type { Client } from '@temporalio/client'
import type { Command } from 'commander'
import { batchIdOf } from '../../schemas/batch.js'
import { FirnError } from '../../schemas/error.js'
import type { LakeDeps } from '../../schemas/lake-deps.js'
import type { MissedNights } from '../../schemas/night-messages.js'
import type { Pipeline } from '../../schemas/pipeline.js'
import { batchOfDate } from '../../schemas/scheduled-instant.js'
import { workflowIds } from '../../schemas/workflow-names.js'
import { integerOption } from '../integer-option.js'
import { interruptible } from '../interruption.js'
import { pipelineNamed, withLake } from '../lake.js'
import { print, printJson, printTable } from '../output.js'
import { printSchedule, printSchedules } from '../print-schedules.js'

interface Options {
  readonly prune?: true
  readonly dryRun?: true
  readonly nights: number
  readonly note?: string
  readonly date?: string
  readonly since?: string
  readonly run?: true
  readonly json?: true
}

export function addSchedulesCommand(program: Command): void {
  const schedules = program.command('schedules').description('nightly runs of the pipelines')
  schedules
    .command('apply')
    .description('bring the schedules on the server in line with the pipelines')
    .option('--prune', 'delete those of pipelines that are gone or have no schedule any more')
    .option('--dry-run', 'say what would change')
    .option('--json', 'print [{id, change, cron, timezone}]')
    .action(apply)
  schedules
    .command('list')
    .description('schedules on the server: when, whether paused, what runs and waits, the last nights')
    .option('--nights <n>', 'of each, at most so many of its last nights', integerOption, 3)
    .option('--json', 'print the schedules')
    .action(list)
  schedules
    .command('show')
    .description('everything about the schedule of one pipeline')
    .argument('<pipeline>')
    .option('--nights <n>', 'at most so many of its last nights', integerOption, 20)
    .option('--json', 'print the schedule')
    .action(show)
  addChanges(schedules)
  schedules
    .command('missed')
    .description('dates that the schedule was due at and that have no night')
    .argument('<pipeline>')
    .option('--since <date>', 'look back to this date, and not as far as the catch-up window')
    .option('--run', 'run exactly these dates, as a backfill')
    .option('--dry-run', 'with --run: say what would be run')
    .option('--json', 'print {scheduleId, lookedBackTo, missed}, with --run also {backfill}')
    .action(missed)
}

function addChanges(schedules: Command): void {
  for (const verb of ['pause', 'resume'] as const) {
    schedules
      .command(verb)
      .description(
        verb === 'pause' ? 'start no further nights; the one that runs goes on' : 'start nights again',
      )
      .argument('<pipeline>')
      .option('--note <text>', 'why, shown by `list`')
      .option('--dry-run', 'say what would change')
      .option('--json', 'print {id, paused, note}')
      .action((name: string, options: Options) => pauseOrResume(name, verb === 'pause', options))
  }
  schedules
    .command('trigger')
    .description('start a night now; without a date its batch is this second, which is no scheduled date')
    .argument('<pipeline>')
    .option('--date <date>', 'the night of this date, under the batch that the schedule gives it')
    .option('--dry-run', 'say which batch it would be')
    .option('--json', 'print {pipeline, batch, scheduled, workflowId, runId}')
    .action(trigger)
  schedules
    .command('delete')
    .description('take the schedule off the server; `apply` makes it again while the definition has it')
    .argument('<pipeline>')
    .option('--dry-run', 'say what would go')
    .option('--json', 'print {id, deleted}')
    .action(remove)
}

async function apply({ prune, dryRun, json }: Options): Promise<void> {
  const { applySchedules } = await import('../../workers/schedules.js')
  const options = { dryRun: dryRun === true, prune: prune === true }
  const applied = await withServer((client, deps) => applySchedules(client, deps.pipelines.values(), options))
  if (json === true) printJson(applied)
  else if (applied.length === 0) print('no pipeline has a schedule, and the server has none')
  else {
    const rows = applied.map((s) => [s.id, s.change, s.cron, s.timezone])
    printTable(['schedule', dryRun === true ? 'would be' : 'change', 'cron', 'time zone'], rows)
    if (applied.some(({ change }) => change === 'stale'))
      print('stale: no pipeline here has them; `firn schedules apply --prune` deletes them')
  }
}

async function list({ nights, json }: Options): Promise<void> {
  const { viewSchedules } = await import('../../workers/schedule-views.js')
  const views = await withServer((client, deps) => viewSchedules(client, deps, nights))
  if (json === true) printJson(views)
  else printSchedules(views)
}

async function show(name: string, { nights, json }: Options): Promise<void> {
  const { viewSchedule } = await import('../../workers/schedule-views.js')
  const view = await withServer((client, deps) =>
    viewSchedule(client, deps, workflowIds.schedule(name), nights),
  )
  if (json === true) printJson(view)
  else printSchedule(view)
}

async function pauseOrResume(name: string, pause: boolean, { note, dryRun, json }: Options): Promise<void> {
  const { describeSchedule } = await import('../../workers/schedules.js')
  const id = workflowIds.schedule(name)
  const said = note ?? `${pause ? 'paused' : 'resumed'} by firn schedules`
  const was = await withRunningServer(async (client) => {
    const { state } = await describeSchedule(client, id)
    const handle = client.schedule.getHandle(id)
    if (dryRun !== true) await (pause ? handle.pause(said) : handle.unpause(said))
    return state.paused
  })
  if (json === true) printJson({ id, paused: dryRun === true ? was : pause, note: said })
  else if (was === pause) print(`${id} was ${pause ? 'paused' : 'running'} already`)
  else print(`${id} ${dryRun === true ? 'would be' : 'is'} ${pause ? 'paused' : 'resumed'}: ${said}`)
  if (!pause && json !== true) print(`\`firn schedules missed ${name}\` tells the dates in between`)
}

async function trigger(name: string, { date, dryRun, json }: Options): Promise<void> {
  const { readNightlyInput } = await import('../../schemas/validate-input.js')
  const { startOrJoin } = await import('../../workers/start-or-join.js')
  const started = await withServer(async (client, { pipelines, now }) => {
    const { schedule } = pipelineNamed(pipelines, name)
    const batch = date === undefined ? batchIdOf(new Date(now())) : batchOfDate(date, schedule)
    const workflowId = workflowIds.nightly(name, date ?? batch)
    const input = readNightlyInput({ pipeline: name, batch })
    const answer = { pipeline: name, batch, scheduled: date !== undefined, workflowId }
    if (dryRun === true) return answer
    const summary = `night of ${name}, by hand`
    const handle = await startOrJoin(client, { workflow: 'nightly', workflowId, input, summary })
    return { ...answer, runId: (await handle.describe()).runId }
  })
  if (json === true) printJson(started)
  else {
    const { batch, workflowId } = started
    print(`${dryRun === true ? 'would start' : 'started'} ${workflowId}: batch ${batch}`)
    if (date === undefined) print('this is no scheduled date: the next scheduled night runs all the same')
  }
}

async function remove(name: string, { dryRun, json }: Options): Promise<void> {
  const { describeSchedule } = await import('../../workers/schedules.js')
  const id = workflowIds.schedule(name)
  await withRunningServer(async (client) => {
    await describeSchedule(client, id)
    if (dryRun !== true) await client.schedule.getHandle(id).delete()
  })
  if (json === true) printJson({ id, deleted: dryRun !== true })
  else print(`${id} ${dryRun === true ? 'would be' : 'is'} deleted; nights that run go on`)
}

async function missed(name: string, { since, run, dryRun, json }: Options): Promise<void> {
  const { findMissedNights } = await import('../../workers/missed-nights.js')
  const { startMissed } = await import('../start-missed.js')
  const result = await withServer(async (client, deps) => {
    const pipeline = pipelineNamed(deps.pipelines, name)
    refuseUnscheduled(pipeline)
    const from = since === undefined ? {} : { afterMs: startOfDate(since) - 1 }
    const found = await findMissedNights(deps, client, pipeline, { nowMs: deps.now(), ...from })
    const goes = run === true && dryRun !== true && found.missed.length > 0
    return goes ? { ...found, backfill: await startMissed(client, name, found.missed) } : found
  })
  if (json === true) printJson(result)
  else printMissed(name, result)
}

function printMissed(name: string, found: MissedNights & { readonly backfill?: string }): void {
  const { scheduleId, lookedBackTo, missed: dates, backfill } = found
  if (scheduleId === undefined)
    print(
      `the server has no schedule of ${name}: \`firn schedules apply\` makes it; nothing can be missed yet`,
    )
  else if (dates.length === 0) print(`${name} has missed no date since ${lookedBackTo ?? '?'}`)
  else {
    printTable(
      ['batch', 'why', 'its night'],
      dates.map((d) => [d.batch, d.why, d.workflowId]),
    )
    if (backfill === undefined)
      print(`since ${lookedBackTo ?? '?'}; \`firn schedules missed ${name} --run\` runs exactly these`)
    else print(`started ${backfill}, which runs exactly these: \`firn backfill status ${backfill}\``)
  }
}

function refuseUnscheduled({ name, schedule }: Pipeline): void {
  if (schedule !== undefined) return
  throw new FirnError(
    'invalid-input',
    `pipeline ${name} has no schedule in its definition, so no date of it can be missed.`,
  )
}

function startOfDate(date: string): number {
  const instant = new Date(`${date}T00:00:00Z`)
  if (/^\d{4}-\d{2}-\d{2}$/.test(date) && !Number.isNaN(instant.getTime())) return instant.getTime()
  throw new FirnError('invalid-input', `"${date}" is no calendar date: write it as 2026-07-01.`)
}

/** Schedules live on a server that stays: one that ended with this command would forget them. */
async function withRunningServer<T>(use: (client: Client) => Promise<T>): Promise<T> {
  const { withRunningTemporal } = await import('../temporal-session.js')
  return await interruptible(() => withRunningTemporal(({ client }) => use(client)))
}

function withServer<T>(use: (client: Client, deps: LakeDeps) => Promise<T>): Promise<T> {
  return withRunningServer((client) => withLake(({ deps }) => use(client, deps)))
}
