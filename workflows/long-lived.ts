import { setWorkflowOptions, workflowInfo } from '@temporalio/workflow'
import { backfill } from './backfill.js'
import { streamSource } from './stream-source.js'
import { trainer } from './trainer.js'

/**
 * Where workers say which build they are, a workflow ends on the build that it was started on, so that builds can go away.
 * These would keep theirs for months: they go on on the newest one, which their histories in test/histories/ hold it to.
 */
for (const longLived of [backfill, streamSource, trainer] as ((input: never) => Promise<unknown>)[]) {
  // The server refuses a behavior from a worker that doesn't say of which deployment it is.
  setWorkflowOptions(
    () =>
      workflowInfo().currentDeploymentVersion?.deploymentName ? { versioningBehavior: 'AUTO_UPGRADE' } : {},
    longLived,
  )
}
