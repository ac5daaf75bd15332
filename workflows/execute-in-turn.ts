import {
  ApplicationFailure,
  executeChild,
  isCancellation,
  log,
  ParentClosePolicy,
  patched,
  rootCause,
  sleep,
  type Workflow,
} from '@temporalio/workflow'
import { WorkflowExecutionAlreadyStartedError } from '@temporalio/common'

import { watch } from './activity-groups.js'
import { INPUT_MEMO } from '../schemas/workflow-names.js'

const MAX_WAIT_MS = 12 * 3_600_000
const FIRST_PAUSE_MS = 500
const MAX_PAUSE_MS = 30_000
/** Waits that end sooner waited for nobody; so many in a row are no chance. */
const MIN_WAIT_MS = 50
const SHORT_WAITS_MAX = 3
const WAIT = {
  scheduleToStartTimeout: '10 seconds',
  startToCloseTimeout: MAX_WAIT_MS,
  retry: { maximumAttempts: 3 },
} as const

/**
 * Runs a child under a fixed id, of which Temporal allows one at a time; where another runs already, waits for its end
 * and then runs this one, which finds the other's work in the tables. `onWait` is told once. Whoever else waits starts at
 * the same moment; one of them is first, the others wait for that one.
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
  const begun = Date.now()
  for (let turns = 0, short = 0; ; turns += 1) {
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
      if (turns === 0) options.onWait?.()
      if (Date.now() - begun > MAX_WAIT_MS) {
        throw ApplicationFailure.nonRetryable(
          `workflow ${options.workflowId} has been running for more than 12 hours: look at it in Temporal, end it if it hangs, then start this again.`,
          'io',
        )
      }
    }
    const from = Date.now()
    const waited = patched('await-end') && (await awaitEnd(options.workflowId))
    if (waited && Date.now() - from >= MIN_WAIT_MS) short = 0
    else if ((short += 1) > SHORT_WAITS_MAX || !waited) {
      await sleep(Math.min(FIRST_PAUSE_MS * 1.5 ** (short - 1), MAX_PAUSE_MS))
    }
  }
}

/** False where nobody could wait, as where no worker serves the queue for it, or all its places are taken. */
async function awaitEnd(workflowId: string): Promise<boolean> {
  try {
    const summary = `until ${workflowId} has ended`
    await watch.awaitEnd.executeWithOptions({ ...WAIT, summary }, [{ workflowId }])
    return true
  } catch (error) {
    if (isCancellation(error)) throw error
    log.warn('nobody waits for the end of another workflow', { workflowId, cause: rootCause(error) })
    return false
  }
}
