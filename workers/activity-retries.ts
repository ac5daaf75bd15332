import { CancelledFailure } from '@temporalio/common'
import type { ActivityInterceptorsFactory } from '@temporalio/worker'
import { RETRIES_SIGNAL, type ActivityRetries } from '../schemas/workflow-names.js'

/** The first back-off is a second: nobody has to hear of it. */
const TOLD_FROM_ATTEMPT = 2
/** What waits for the signal is an activity that has failed; it is not held up for long. */
const SIGNAL_MS = 2000

/** An activity that fails not for the first time tells its workflow that it is being retried; where that fails, nobody hears. */
export const activityRetries: ActivityInterceptorsFactory = (context) => ({
  inbound: {
    async execute(input, next) {
      try {
        return await next(input)
      } catch (error) {
        const { attempt, activityId, activityType, workflowExecution, retryPolicy } = context.info
        const isLast = attempt >= (retryPolicy?.maximumAttempts ?? Infinity)
        const isFinal = error instanceof CancelledFailure || isLast || isNonRetryable(error)
        if (attempt < TOLD_FROM_ATTEMPT || isFinal || workflowExecution === undefined) throw error
        const retries: ActivityRetries = { activityId, activity: activityType, attempt }
        const { client } = context
        await client
          .withDeadline(Date.now() + SIGNAL_MS, () =>
            client.workflow
              .getHandle(workflowExecution.workflowId, workflowExecution.runId)
              .signal(RETRIES_SIGNAL, retries),
          )
          .catch(() => undefined)
        throw error
      }
    },
  },
})

function isNonRetryable(error: unknown): boolean {
  return error instanceof Error && 'nonRetryable' in error && error.nonRetryable === true
}
