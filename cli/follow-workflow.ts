import type { Client, WorkflowHandle } from '@temporalio/client'
import { FirnError } from '../schemas/error.js'
import { STATUS_QUERY, type RunStatus } from '../schemas/workflow-names.js'
import { startOrJoin, type WorkflowStart } from '../workers/start-or-join.js'
import { aborted, refuseAborted } from './interruption.js'
import type { Progress } from './progress.js'

const POLL_MS = 250
const CANCEL_MAX_MS = 20_000

export interface Following {
  readonly client: Client
  readonly address: string
  readonly progress: Progress
  readonly signal: AbortSignal
  /** The server ends with this command: what runs there is cancelled when the signal is aborted, else it goes on. */
  readonly ownServer: boolean
  /** Called again and again while it runs. */
  readonly watch?: ((handle: WorkflowHandle) => Promise<void>) | undefined
}

/** Starts a workflow (or joins the one that does the same already), shows its steps while it runs, resolves to its result. */
export async function followWorkflow<Result>(start: WorkflowStart, following: Following): Promise<Result> {
  const { client, progress, signal } = following
  refuseAborted(signal)
  const stop = aborted(signal)
  const started = startOrJoin(client, start, () =>
    progress.update(`waiting for the ${start.workflow} that runs, ${start.workflowId}`),
  )
  const handle = await Promise.race([started, stop])
  if (handle === undefined) throw new FirnError('cancelled', 'stopped before anything ran.')
  // Ended before the connection is: a call that is tried again on a closed one brings the process down.
  const waiting = new AbortController()
  const result = client.withAbortSignal(waiting.signal, () => handle.result()) as Promise<Result>
  const ended = result.then(
    () => 'ended',
    () => 'ended',
  )
  try {
    while ((await Promise.race([ended, stop, pause(POLL_MS)])) !== 'ended') {
      if (signal.aborted) throw await stopFollowing(handle, ended, following)
      progress.update(await describeStatus(client, handle))
      await following.watch?.(handle)
    }
    await following.watch?.(handle)
    return await result
  } finally {
    waiting.abort()
  }
}

async function stopFollowing(
  handle: WorkflowHandle,
  ended: Promise<unknown>,
  { progress, address, ownServer }: Following,
): Promise<FirnError> {
  const id = handle.workflowId
  if (!ownServer) {
    const command = `temporal workflow cancel --address ${address} --workflow-id ${id}`
    return new FirnError('cancelled', `stopped watching; ${id} goes on. \`${command}\` stops it.`)
  }
  progress.update('stopping (Ctrl-C again ends it at once)')
  await handle.cancel()
  await Promise.race([ended, pause(CANCEL_MAX_MS)])
  return new FirnError('cancelled', `${id} is stopped; what it had published stays. Run it again to go on.`)
}

function pause(ms: number): Promise<unknown> {
  return new Promise((resolve) => setTimeout(resolve, ms).unref())
}

/** The step that runs, its child's step beside it; empty while the workflow cannot be asked. */
async function describeStatus(
  client: Client,
  handle: Pick<WorkflowHandle, 'query' | 'describe'>,
  depth = 0,
): Promise<string> {
  try {
    const status = await handle.query<RunStatus>(STATUS_QUERY)
    const step = status.steps.find((one) => one.state === 'running')
    if (step === undefined) return status.status
    const inner =
      step.workflowId === undefined || depth > 1
        ? ''
        : await describeStatus(client, client.workflow.getHandle(step.workflowId), depth + 1)
    const beside = inner || (await describeRetry(handle)) || (step.note ?? '')
    return [step.name, beside].filter((text) => text !== '').join(' › ')
  } catch {
    // Not started yet, or just ended: the next poll or the result tells.
    return ''
  }
}

/** What a step tries again, and why; the workflow itself does not see it. Empty: nothing. */
async function describeRetry(handle: Pick<WorkflowHandle, 'describe'>): Promise<string> {
  const { pendingActivities } = (await handle.describe()).raw
  const failed = pendingActivities?.find(({ attempt, lastFailure }) => (attempt ?? 1) > 1 && lastFailure)
  return failed === undefined ? '' : `attempt ${failed.attempt}: ${failed.lastFailure?.message ?? ''}`
}
