import type { WorkflowInterceptorsFactory } from '@temporalio/workflow'
import { aboutOf } from '../schemas/log-about.js'

/** In every bundle: a workflow's log lines say which pipeline, batch and table they are about. */
export const interceptors: WorkflowInterceptorsFactory = () => {
  let about: Readonly<Record<string, string>> = {}
  return {
    inbound: [
      {
        execute(input, next) {
          about = aboutOf(input.args[0])
          return next(input)
        },
      },
    ],
    outbound: [{ getLogAttributes: (input, next) => next({ ...about, ...input }) }],
  }
}
