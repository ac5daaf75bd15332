import { WorkflowIdConflictPolicy, type Client, type WorkflowHandle } from '@temporalio/client'
import { INPUT_MEMO, TASK_QUEUES } from '../schemas/workflow-names.js'
import type { WorkflowStart } from '../workers/start-or-join.js'

export interface Found {
  readonly handle: WorkflowHandle
  /** One runs that was started with another input. */
  readonly asOther: boolean
}

/** Starts a workflow that goes on as new, or finds the one of the same id that runs. */
export async function startOrFind(
  client: Client,
  { workflow, workflowId, input, summary }: WorkflowStart,
): Promise<Found> {
  const memo = JSON.stringify(input)
  await client.workflow.start(workflow, {
    taskQueue: TASK_QUEUES.control,
    workflowId,
    workflowIdConflictPolicy: WorkflowIdConflictPolicy.USE_EXISTING,
    args: [input],
    memo: { [INPUT_MEMO]: memo },
    staticSummary: summary,
  })
  // Without a run: it goes on as new.
  const handle = client.workflow.getHandle(workflowId)
  return { handle, asOther: (await handle.describe()).memo?.[INPUT_MEMO] !== memo }
}
