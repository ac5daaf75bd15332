import type { Command } from 'commander'
import { FirnError } from '../../schemas/error.js'
import { print, printJson } from '../output.js'

interface Options {
  readonly dryRun?: true
  readonly deployment?: string
  readonly json?: true
}

export function addWorkersCommand(program: Command): void {
  const workers = program.command('workers').description('builds of workers, where worker versioning is on')
  workers
    .command('list')
    .description('every build that the server knows, and which one gets new workflows')
    .option('--json', 'print [{deployment, buildId, status}]')
    .action(list)
  workers
    .command('promote')
    .description('give new workflows to a build; what runs stays where it is')
    .argument('<build-id>', 'as `list` prints it')
    .option('--deployment <name>', 'of which deployment (default: FIRN_DEPLOYMENT)')
    .option('--dry-run', 'say which build would get them')
    .option('--json', 'print {deployment, buildId}')
    .action(promote)
}

async function list(options: Options): Promise<void> {
  const { withRunningTemporal } = await import('../temporal-session.js')
  const { listBuilds } = await import('../../workers/versioning.js')
  const builds = await withRunningTemporal(({ client }) => listBuilds(client))
  if (options.json === true) printJson(builds)
  else if (builds.length === 0)
    print('no worker has said which build it is: FIRN_DEPLOYMENT turns versioning on')
  else for (const { deployment, buildId, status } of builds) print(`${deployment}  ${buildId}  ${status}`)
}

async function promote(buildId: string, options: Options): Promise<void> {
  const { readConfig } = await import('../../workers/config.js')
  const deployment = options.deployment ?? readConfig().worker.deployment?.name
  if (deployment === undefined)
    throw new FirnError('invalid-input', 'which deployment? Say --deployment <name>, or set FIRN_DEPLOYMENT.')
  const { withRunningTemporal } = await import('../temporal-session.js')
  const { promoteBuild } = await import('../../workers/versioning.js')
  if (options.dryRun !== true)
    await withRunningTemporal(({ client }) => promoteBuild(client, { deployment, buildId }))
  if (options.json === true) printJson({ deployment, buildId })
  else print(`new workflows ${options.dryRun === true ? 'would go' : 'go'} to ${deployment} ${buildId}`)
}
