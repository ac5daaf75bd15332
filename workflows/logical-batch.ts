import { defineSearchAttributeKey } from '@temporalio/common'
import { workflowInfo } from '@temporalio/workflow'
import { batchIdOf, type BatchId } from '../schemas/batch.js'

const SCHEDULED = defineSearchAttributeKey('TemporalScheduledStartTime', 'DATETIME')

/** The batch of this run's logical instant: what the schedule was due at, else when the workflow was first started. */
export function logicalBatch(): BatchId {
  const info = workflowInfo()
  return batchIdOf(info.typedSearchAttributes.get(SCHEDULED) ?? info.startTime)
}
