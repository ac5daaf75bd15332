import { workflowInfo } from '@temporalio/workflow'
import type { RunInfo } from '../schemas/publish.js'

/** What the audit row says of who did it. */
export function runInfo(): RunInfo {
  const { workflowId, runId, startTime } = workflowInfo()
  return { workflowId, runId, startedAtMs: startTime.getTime() }
}
