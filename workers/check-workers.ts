import type { NativeConnection, Worker } from '@temporalio/worker'
import { blotSecrets } from '../activities/secrets.js'
import { FirnError } from '../schemas/error.js'
import type { Lake } from './create-deps.js'
import type { Health } from './health.js'

/** How long the server and the catalog have for their answer. */
const CHECK_MS = 3000

/** Whether workers can do their work: all queues polled, server and catalog there. */
export async function checkWorkers(
  workers: readonly Worker[],
  connection: NativeConnection,
  { deps: { catalog } }: Lake,
): Promise<Health> {
  const queues = workers.map((worker) => ({ queue: worker.options.taskQueue, state: pollState(worker) }))
  const problem = async (what: string, ask: () => Promise<unknown>): Promise<readonly string[]> => {
    try {
      await ask()
      return []
    } catch (error) {
      return [`${what}: ${blotSecrets(error instanceof Error ? error.message : String(error))}`]
    }
  }
  const problems = await Promise.all([
    problem('the Temporal server does not answer', () =>
      connection.withDeadline(Date.now() + CHECK_MS, () => connection.workflowService.getSystemInfo({})),
    ),
    problem('the catalog does not answer', () => within(CHECK_MS, catalog.listNamespaces(''))),
  ])
  const idle = queues
    .filter(({ state }) => state !== 'polling')
    .map(({ queue, state }) => `${queue} is ${state}`)
  const found = [...problems.flat(), ...idle]
  const draining = queues.some(({ state }) => state === 'draining')
  return {
    status: draining ? 'draining' : found.length === 0 ? 'ready' : 'not-ready',
    queues,
    problems: found,
  }
}

function pollState(worker: Worker): string {
  const { runState, activityPollerState, workflowPollerState } = worker.getStatus()
  if (runState === 'DRAINING' || runState === 'STOPPING' || runState === 'DRAINED') return 'draining'
  // A worker without workflows has no poller of them.
  const polls = activityPollerState === 'POLLING' && workflowPollerState !== 'FAILED'
  return runState === 'RUNNING' && polls ? 'polling' : runState.toLowerCase()
}

async function within<T>(milliseconds: number, work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () => reject(new FirnError('io', `no answer within ${milliseconds / 1000} s`)),
      milliseconds,
    )
  })
  try {
    return await Promise.race([work, late])
  } finally {
    clearTimeout(timer)
  }
}
