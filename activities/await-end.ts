import { WorkflowFailedError, WorkflowNotFoundError, type Client } from '@temporalio/client'

/** Resolves when the run of a workflow id, and what it continues as, has ended; at once where none is known. */
export async function awaitEnd(client: Client, workflowId: string, signal: AbortSignal): Promise<void> {
  try {
    await client.withAbortSignal(signal, () => client.workflow.getHandle(workflowId).result())
  } catch (error) {
    if (error instanceof WorkflowFailedError || error instanceof WorkflowNotFoundError) return
    throw error
  }
}
