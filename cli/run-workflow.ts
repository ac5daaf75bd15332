import type { WorkflowStart } from '../workers/start-or-join.js'
import { followWorkflow } from './follow-workflow.js'
import { startProgress } from './progress.js'
import { withTemporal } from './temporal-session.js'

/** Runs one workflow on the configured server, or on one that lives as long as this command, with its progress shown. */
export async function runWorkflow<Result>(start: WorkflowStart): Promise<Result> {
  const progress = startProgress(start.summary)
  progress.update('starting Temporal')
  let ended = 'stopped'
  try {
    return await withTemporal(async ({ client }) => {
      const result = await followWorkflow<Result>(client, start, progress)
      ended = ''
      return result
    })
  } finally {
    progress.done(ended)
  }
}
