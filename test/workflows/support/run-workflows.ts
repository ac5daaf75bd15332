import { heartbeat, sleep } from '@temporalio/activity'
import { WorkflowFailedError, type WorkflowHandle } from '@temporalio/client'
import { TASK_QUEUES } from '../../../schemas/workflow-names.js'
import type { Call, TestServer } from './fake-lake.js'

let runs = 0
export function startOn(
  { client }: TestServer,
  workflow: string,
  input: unknown,
  workflowId = `test-${(runs += 1)}`,
): Promise<WorkflowHandle> {
  return client.workflow.start(workflow, { workflowId, taskQueue: TASK_QUEUES.control, args: [input] })
}

/** What a workflow failed with; throws where it did not. */
export async function failureOf(handle: WorkflowHandle): Promise<Error> {
  const error: unknown = await handle.result().catch((failure: unknown) => failure)
  if (!(error instanceof WorkflowFailedError)) throw new Error(`the workflow did not fail: ${String(error)}`)
  return error.cause ?? error
}

export const namesOf = (calls: readonly Call[]): string[] => calls.map(({ name }) => name)

export const inputsOf = (calls: readonly Call[], name: string): unknown[] =>
  calls.filter((call) => call.name === name).map(({ input }) => input)

/** An activity that runs until it is cancelled. */
export async function endless(): Promise<never> {
  for (;;) {
    heartbeat()
    await sleep(50)
  }
}

/** For `expect.poll`: a workflow's steps take a moment. */
export const patient = { timeout: 30_000 }
