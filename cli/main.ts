import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Command, CommanderError } from 'commander'
import { packageRoot } from '../engine/compiled-entry.js'
import { addBackfillCommand } from './commands/backfill.js'
import { addBackupCommand } from './commands/backup.js'
import { addBranchCommand } from './commands/branch.js'
import { addAlertsCommand } from './commands/alerts.js'
import { addBuildCommand } from './commands/build.js'
import { addCatalogCommand } from './commands/catalog.js'
import { addCheckCommand } from './commands/check.js'
import { addChecksCommand } from './commands/checks.js'
import { addDeadLettersCommand } from './commands/dead-letters.js'
import { addDemoCommand } from './commands/demo.js'
import { addDevCommand } from './commands/dev.js'
import { addDoctorCommand } from './commands/doctor.js'
import { addFeaturesCommand } from './commands/features.js'
import { addLandCommand } from './commands/land.js'
import { addLineageCommand } from './commands/lineage.js'
import { addMaintainCommand } from './commands/maintain.js'
import { addModelsCommand } from './commands/models.js'
import { addPlanCommand } from './commands/plan.js'
import { addRetriesCommand } from './commands/retries.js'
import { addRebuildCommand } from './commands/rebuild.js'
import { addReproduceCommand } from './commands/reproduce.js'
import { addRestoreCommand } from './commands/restore.js'
import { addRollbackCommand } from './commands/rollback.js'
import { addRunCommand } from './commands/run.js'
import { addRunsCommand } from './commands/runs.js'
import { addSchedulesCommand } from './commands/schedules.js'
import { addScoreCommand } from './commands/score.js'
import { addSimulateCommand } from './commands/simulate.js'
import { addSplitsCommand } from './commands/splits.js'
import { addSqlCommand } from './commands/sql.js'
import { addStreamCommand } from './commands/stream.js'
import { addTablesCommand } from './commands/tables.js'
import { addTagCommand } from './commands/tag.js'
import { addTrainCommand } from './commands/train.js'
import { addWorkersCommand } from './commands/workers.js'
import { describeFailure, type Failure } from './failure.js'
import { printJson } from './output.js'

/** Runs the command line; resolves to the exit code: 0 ok, 1 ran and failed, 2 usage, 3 crashed. */
export async function main(argv: readonly string[]): Promise<number> {
  const asJson = argv.includes('--json')
  try {
    await createProgram(asJson).parseAsync([...argv])
    return Number(process.exitCode ?? 0)
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) return 0
    const isUsage = error instanceof CommanderError
    const failure = isUsage ? usageFailure(error) : describeFailure(error)
    if (asJson) printJson({ error: failure })
    else if (!isUsage) process.stderr.write(`firn: ${failure.message}\n`)
    if (process.env['FIRN_DEBUG'] !== undefined) console.error(error)
    return failure.exitCode
  }
}

/** Commander has printed it already, but where JSON is asked for. */
function usageFailure(error: CommanderError): Failure {
  return { kind: 'usage', message: error.message.replace(/^error: /, ''), exitCode: 2 }
}

function createProgram(quiet: boolean): Command {
  const { version } = JSON.parse(readFileSync(join(packageRoot(), 'package.json'), 'utf8')) as {
    version: string
  }
  const program = new Command('firn')
    .description('An ML lakehouse on Apache Iceberg, run as durable Temporal workflows.')
    .version(version)
    .exitOverride()
    .showHelpAfterError('Run `firn --help`, or `firn <command> --help`.')
    .configureOutput(quiet ? { writeErr: () => undefined } : {})
    .addHelpText(
      'after',
      '\nEvery command takes --json. FIRN_HOME (default .firn) chooses the lake; TEMPORAL_ADDRESS a running server.',
    )
  const add = [
    addDemoCommand,
    addDevCommand,
    addCheckCommand,
    addPlanCommand,
    addLandCommand,
    addStreamCommand,
    addBuildCommand,
    addRebuildCommand,
    addRunCommand,
    addBackfillCommand,
  ]
  const more = [
    addFeaturesCommand,
    addSplitsCommand,
    addTrainCommand,
    addReproduceCommand,
    addLineageCommand,
    addScoreCommand,
    addModelsCommand,
    addRunsCommand,
    addMaintainCommand,
    addRollbackCommand,
    addBackupCommand,
    addRestoreCommand,
    addDeadLettersCommand,
    addTablesCommand,
    addTagCommand,
    addBranchCommand,
    addSqlCommand,
    addCatalogCommand,
  ]
  const watch = [addAlertsCommand, addChecksCommand, addRetriesCommand]
  for (const addCommand of [
    ...add,
    ...more,
    ...watch,
    addSimulateCommand,
    addWorkersCommand,
    addSchedulesCommand,
    addDoctorCommand,
  ])
    addCommand(program)
  return program
}

// `firn … | head` closes our output: what is left to say has no reader.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0)
  throw error
})
process.exitCode = await main(process.argv)
