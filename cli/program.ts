import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Command } from 'commander'
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

/** Every command; `quiet` where JSON is asked for. */
export function createProgram(quiet: boolean): Command {
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
