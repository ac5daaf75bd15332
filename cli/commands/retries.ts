import type { Command } from 'commander'
import type { RetryingActivity } from '../../workers/retries.js'
import { interruptible } from '../interruption.js'
import { print, printJson, printTable } from '../output.js'

interface Options {
  readonly workflow?: string
  readonly dryRun?: true
  readonly json?: true
}

export function addRetriesCommand(program: Command): void {
  const retries = program
    .command('retries')
    .description('work that failed and is tried again, which Temporal’s lists show as running')
  retries
    .command('list')
    .description('which activity of which workflow, why, the attempt and its next time')
    .option('--workflow <id>', 'of this workflow only')
    .option('--json', 'print the activities')
    .action(list)
  retries
    .command('now')
    .description('try what waits at once; its attempts are counted from one again')
    .option('--workflow <id>', 'of this workflow only')
    .option('--dry-run', 'say what would be tried')
    .option('--json', 'print the activities')
    .action(now)
}

async function list({ workflow, json }: Options): Promise<void> {
  const { listRetrying } = await import('../../workers/retries.js')
  const { withRunningTemporal } = await import('../temporal-session.js')
  const found = await interruptible(() => withRunningTemporal(({ client }) => listRetrying(client, workflow)))
  if (json === true) printJson(found)
  else if (found.length === 0) print('nothing is tried again at the moment')
  else printRetrying(found)
}

async function now({ workflow, dryRun, json }: Options): Promise<void> {
  const { retryNow } = await import('../../workers/retries.js')
  const { withRunningTemporal } = await import('../temporal-session.js')
  const found = await interruptible(() =>
    withRunningTemporal(({ client }) => retryNow(client, workflow, { dryRun: dryRun === true })),
  )
  if (json === true) printJson(found)
  else if (found.length === 0) print('nothing waits for its next attempt')
  else {
    printRetrying(found)
    print(`${found.length} ${dryRun === true ? 'would be' : 'are'} tried now`)
  }
}

function printRetrying(found: readonly RetryingActivity[]): void {
  printTable(
    ['workflow id', 'activity', 'attempt', 'next try', 'cause'],
    found.map((one) => [
      ...[one.workflowId, one.activity],
      `${one.attempt} of ${one.attempts ?? '∞'}`,
      ...[one.nextTryAt ?? 'runs', one.cause],
    ]),
  )
}
