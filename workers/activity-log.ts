import type { ActivityInterceptorsFactory } from '@temporalio/worker'
import { aboutOf } from '../schemas/log-about.js'

/** An activity's log lines say which pipeline, batch and table it is about; its own name and attempt the SDK adds. */
export const activityLog: ActivityInterceptorsFactory = () => {
  let about: Readonly<Record<string, string>> = {}
  return {
    inbound: {
      execute(input, next) {
        about = aboutOf(input.args[0])
        return next(input)
      },
    },
    outbound: { getLogAttributes: (input, next) => next({ ...about, ...input }) },
  }
}
