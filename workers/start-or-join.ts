import {
  WorkflowExecutionAlreadyStartedError,
  WorkflowIdConflictPolicy,
  type Client,
  type WorkflowHandle,
} from '@temporalio/client'
import { INPUT_MEMO, TASK_QUEUES } from '../schemas/workflow-names.js'

export interface WorkflowStart {
  /** Name of the workflow function. */
  readonly workflow: string
  readonly workflowId: string
  readonly input: object
  /** One line for Temporal's UI. */
  readonly summary: string
}

/**
 * Starts a workflow under an id of which one runs at a time. Where one runs with the same input, joins it; with another
 * input, waits for its end first, since its result is not what was asked for. `onWait` is told once.
 */
export async function startOrJoin(
  client: Client,
  start: WorkflowStart,
  onWait?: () => void,
): Promise<WorkflowHandle> {
  const input = JSON.stringify(start.input)
  for (let waited = false; ; waited = true) {
    try {
      return await client.workflow.start(start.workflow, {
        taskQueue: TASK_QUEUES.control,
        workflowId: start.workflowId,
        workflowIdConflictPolicy: WorkflowIdConflictPolicy.FAIL,
        args: [start.input],
        memo: { [INPUT_MEMO]: input },
        staticSummary: start.summary,
      })
    } catch (error) {
      if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error
    }
    const { memo, status, runId } = await client.workflow.getHandle(start.workflowId).describe()
    const running = client.workflow.getHandle(start.workflowId, runId)
    if (status.name === 'RUNNING' && memo?.[INPUT_MEMO] === input) return running
    if (!waited) onWait?.()
    // How it ends is for those who asked for it.
    await running.result().catch(() => undefined)
  }
}
