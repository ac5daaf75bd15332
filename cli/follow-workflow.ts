import type { Client, WorkflowHandle } from '@temporalio/client'
import { STATUS_QUERY, type RunStatus } from '../schemas/workflow-names.js'
import { startOrJoin, type WorkflowStart } from '../workers/start-or-join.js'
import type { Progress } from './progress.js'

const POLL_MS = 250

/** Starts a workflow (or joins the one that does the same already), shows its steps while it runs, resolves to its result. */
export async function followWorkflow<Result>(
  client: Client,
  start: WorkflowStart,
  progress: Progress,
): Promise<Result> {
  const handle = await startOrJoin(client, start, () =>
    progress.update(`waiting for the ${start.workflow} that runs`),
  )
  const result = handle.result() as Promise<Result>
  const ended = result.then(
    () => 'ended',
    () => 'ended',
  )
  const pause = (): Promise<unknown> =>
    Promise.race([ended, new Promise((resolve) => setTimeout(resolve, POLL_MS))])
  while ((await pause()) !== 'ended') progress.update(await describeStatus(client, handle))
  return result
}

/** The step that runs, its child's step beside it; empty while the workflow cannot be asked. */
async function describeStatus(
  client: Client,
  handle: Pick<WorkflowHandle, 'query'>,
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
    return [step.name, inner || (step.note ?? '')].filter((text) => text !== '').join(' › ')
  } catch {
    // Not started yet, or just ended: the next poll or the result tells.
    return ''
  }
}
