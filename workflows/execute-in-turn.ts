import {
  ApplicationFailure,
  executeChild,
  ParentClosePolicy,
  sleep,
  type Workflow,
} from '@temporalio/workflow'
import { WorkflowExecutionAlreadyStartedError } from '@temporalio/common'

import { INPUT_MEMO } from '../schemas/workflow-names.js'

const MAX_WAIT_MS = 12 * 3_600_000
const MAX_PAUSE_MS = 30_000

/**
 * Runs a child under a fixed id, of which Temporal allows one at a time; where another runs already, waits for its end
 * and then runs this one, which finds the other's work in the tables. `onWait` is told once.
 */
export async function executeInTurn<Input, Result>(
  child: (input: Input) => Promise<Result>,
  options: {
    readonly workflowId: string
    readonly input: Input
    readonly summary: string
    readonly onWait?: () => void
  },
): Promise<Result> {
  for (let waitedMs = 0, pauseMs = 500; ; pauseMs = Math.min(pauseMs * 1.5, MAX_PAUSE_MS)) {
    try {
      // The SDK's types can't see through a generic workflow: it takes exactly one object.
      const result: unknown = await executeChild(child as Workflow, {
        workflowId: options.workflowId,
        args: [options.input],
        memo: { [INPUT_MEMO]: JSON.stringify(options.input) },
        staticSummary: options.summary,
        parentClosePolicy: ParentClosePolicy.REQUEST_CANCEL,
      })
      return result as Result
    } catch (error) {
      if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error
      if (waitedMs === 0) options.onWait?.()
      if (waitedMs > MAX_WAIT_MS) {
        throw ApplicationFailure.nonRetryable(
          `workflow ${options.workflowId} has been running for more than 12 hours: look at it in Temporal, end it if it hangs, then start this again.`,
          'io',
        )
      }
    }
    await sleep(pauseMs)
    waitedMs += pauseMs
  }
}
