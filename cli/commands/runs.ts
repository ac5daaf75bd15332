import type { Command } from 'commander'
import type { Run } from '../../ml/registry/run-store.js'
import { FirnError } from '../../schemas/error.js'
import { integerOption } from '../integer-option.js'
import { interruptible } from '../interruption.js'
import { print, printJson, printSection, printTable } from '../output.js'
import { withRegistry } from '../registry.js'

interface Options {
  readonly pipeline?: string
  readonly model?: string
  readonly parent?: string
  readonly limit: number
  readonly metric?: string
  readonly json?: true
}

export function addRunsCommand(program: Command): void {
  const runs = program.command('runs').description('trainings and what they logged')
  runs
    .command('list')
    .description('newest first')
    .option('--pipeline <name>', 'its runs only')
    .option('--model <name>', 'its runs only')
    .option('--parent <id>', 'the trials of a search')
    .option('--limit <runs>', 'at most so many', integerOption, 20)
    .option('--json', 'print the runs')
    .action(list)
  runs
    .command('show')
    .description('parameters, inputs, metrics and artifacts of a run')
    .argument('<id>', 'as `list` prints it')
    .option('--metric <key>', 'print the history of this metric')
    .option('--json', 'print the run, or the history as [{key, value, step, timestampMs}]')
    .action(show)
  runs
    .command('mirror')
    .description('tell the MLflow server of MLFLOW_TRACKING_URI what it does not know yet')
    .option('--json', 'print {mirrored, failed}')
    .action(mirror)
}

async function list({ pipeline, model, parent, limit, json }: Options): Promise<void> {
  const found = await withRegistry(
    (registry) =>
      registry.searchRuns({
        limit,
        ...(pipeline === undefined ? {} : { experiment: pipeline }),
        ...(model === undefined ? {} : { model }),
        ...(parent === undefined ? {} : { parentRunId: parent }),
      }),
    () => [],
  )
  if (json === true) printJson(found)
  else if (found.length === 0) print('no such runs: `firn train <pipeline> <model>` makes one')
  else
    printTable(
      ['run', 'pipeline', 'model', 'name', 'status', 'started', 'seconds'],
      found.map((run) => [
        ...[run.runId, run.experiment, run.model, run.name, run.status],
        ...[new Date(run.startedAtMs).toISOString(), seconds(run)],
      ]),
    )
}

async function show(runId: string, { metric, json }: Options): Promise<void> {
  const { run, history } = await withRegistry(
    (registry) => {
      const known = registry.getRun(runId)
      if (known === undefined) throw noSuchRun(runId)
      if (metric !== undefined && known.metrics[metric] === undefined) throw noSuchMetric(known, metric)
      return { run: known, history: metric === undefined ? undefined : registry.metricHistory(runId, metric) }
    },
    () => {
      throw noSuchRun(runId)
    },
  )
  if (json === true) printJson(history ?? run)
  else if (history === undefined) printRun(run)
  else
    printTable(
      ['step', 'value', 'when'],
      history.map(({ step, value, timestampMs }) => [step, value, new Date(timestampMs).toISOString()]),
    )
}

async function mirror({ json }: Options): Promise<void> {
  const { readMlflowSettings } = await import('../../ml/mlflow/mlflow-settings.js')
  const { createMlflowClient } = await import('../../ml/mlflow/mlflow-client.js')
  const { mirrorUnmirrored } = await import('../../ml/mlflow/mirror-unmirrored.js')
  const { randomUUID } = await import('node:crypto')
  const settings = readMlflowSettings()
  if (settings === undefined) {
    throw new FirnError(
      'config',
      'MLFLOW_TRACKING_URI is not set: it names the server, e.g. http://127.0.0.1:5000.',
    )
  }
  const client = createMlflowClient({ ...settings, now: Date.now, newUuid: randomUUID })
  const result = await withRegistry(
    (registry) => interruptible((signal) => mirrorUnmirrored(client, registry, { signal })),
    () => ({ mirrored: 0, failed: [] }),
  )
  if (json === true) printJson(result)
  else {
    print(`MLflow was told of ${result.mirrored} runs, versions and sets of aliases`)
    for (const { subject, message } of result.failed) print(`not of ${subject}: ${message}`)
  }
  if (result.failed.length > 0) process.exitCode = 1
}

function printRun(run: Run): void {
  print(`${run.runId}: ${run.name} (${run.status}), model ${run.model} of pipeline ${run.experiment}`)
  if (run.parentRunId !== undefined) print(`part of ${run.parentRunId}`)
  printSection('parameters', ['parameter', 'value'], Object.entries(run.params))
  printSection('tags', ['tag', 'value'], Object.entries(run.tags))
  printSection('inputs', ['table', 'snapshot'], Object.entries(run.inputs?.pin.snapshots ?? {}))
  printSection(
    'metrics',
    ['metric', 'value', 'step'],
    Object.entries(run.metrics).map(([key, { value, step }]) => [key, value, step]),
  )
  printSection(
    'artifacts',
    ['artifact', 'bytes', 'location'],
    run.artifacts.map(({ path, sizeBytes, location }) => [path, sizeBytes, location]),
  )
}

function seconds({ startedAtMs, endedAtMs }: Run): number | null {
  return endedAtMs === undefined ? null : (endedAtMs - startedAtMs) / 1000
}

function noSuchRun(runId: string): FirnError {
  return new FirnError(
    'not-found',
    `there is no run ${JSON.stringify(runId)}: \`firn runs list\` shows those there are.`,
  )
}

function noSuchMetric(run: Run, metric: string): FirnError {
  const known = Object.keys(run.metrics).join(', ') || 'none'
  return new FirnError(
    'not-found',
    `run ${run.runId} has no metric ${JSON.stringify(metric)}. It has: ${known}.`,
  )
}
