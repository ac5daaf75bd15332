import type { Command } from 'commander'
import { byOwner, type RestorePlan } from '../../lake/backup/plan-restore.js'
import { print, printJson } from '../output.js'
import { startProgress } from '../progress.js'
import { readConfig } from '../../workers/config.js'

interface Options {
  readonly home?: string
  readonly force?: true
  readonly dryRun?: true
  readonly json?: true
}

export function addRestoreCommand(program: Command): void {
  program
    .command('restore')
    .description('put a lake back as a backup has it; stop its worker first')
    .argument('<place>', 'the folder or s3://bucket/prefix that `firn backup` wrote')
    .option('--home <folder>', 'the lake to make (default: FIRN_HOME)')
    .option('--force', 'replace a lake that is there, and restore what there is where files are lost')
    .option('--dry-run', 'say which files stand, which come back and which are lost')
    .option('--json', 'print {id, takenAt, present, broughtBack, missing, restored}')
    .action(restore)
}

async function restore(name: string, options: Options): Promise<void> {
  const env = options.home === undefined ? process.env : { ...process.env, FIRN_HOME: options.home }
  const config = readConfig(env)
  const { restoreTarget } = await import('../../workers/restore-target.js')
  const { withBackupPlace } = await import('../../workers/backup-place.js')
  const { planRestore } = await import('../../lake/backup/plan-restore.js')
  const { runRestore } = await import('../../lake/backup/run-restore.js')
  const target = restoreTarget(config)
  if (options.dryRun === true) {
    const plan = await withBackupPlace(config, name, (place) => planRestore(target.io, place))
    printRestore(plan, options, false)
    if (plan.missing.length > 0) process.exitCode = 1
    return
  }
  const progress = startProgress('restore')
  try {
    const plan = await withBackupPlace(config, name, (place) =>
      runRestore(
        target,
        { place, force: options.force === true },
        { onProgress: (text) => progress.update(text) },
      ),
    )
    progress.done()
    printRestore(plan, options, true)
  } catch (error) {
    progress.failed()
    throw error
  }
}

function printRestore(plan: RestorePlan, options: Options, restored: boolean): void {
  const { header, present, broughtBack, missing } = plan
  if (options.json === true) {
    printJson({
      ...{ id: header.id, takenAt: header.takenAt, present, restored },
      ...{ broughtBack: broughtBack.length, missing: byOwner(missing) },
    })
    return
  }
  print(`backup of ${header.takenAt}: ${header.tables.length} tables, ${header.files} files`)
  print(
    `${present} files stand, ${broughtBack.length} ${restored ? 'were' : 'would be'} brought back, ${missing.length} are lost`,
  )
  for (const { owner, files } of byOwner(missing)) print(`  lost: ${files} files of ${owner}`)
  if (!restored) return
  for (const { source, nextRow } of header.positions)
    print(`  ${source} is landed up to ledger row ${nextRow}`)
  print('restored. What was landed since is landed again: `firn run nightly` goes on from here.')
}
