import type { WorkflowHandle } from '@temporalio/client'
import { readBackfillInput } from '../schemas/read-backfill-input.js'
import {
  readBuildFeaturesInput,
  readLandSourceInput,
  readMaintainLakeInput,
  readNightlyInput,
  readReproduceInput,
  readScoreBatchInput,
  readSearchModelInput,
  readTrainModelInput,
} from '../schemas/validate-input.js'
import { readRebuildBatchInput } from '../schemas/read-rebuild-input.js'
import type { WorkflowStart } from '../workers/start-or-join.js'
import { interruptible } from './interruption.js'
import { startProgress } from './progress.js'

/** The workflows check their input themselves; what is wrong with it is told before a server is started. */
const VALIDATORS = {
  landSource: readLandSourceInput,
  buildFeatures: readBuildFeaturesInput,
  rebuildBatch: readRebuildBatchInput,
  nightly: readNightlyInput,
  backfill: readBackfillInput,
  trainModel: readTrainModelInput,
  searchModel: readSearchModelInput,
  reproduceModel: readReproduceInput,
  scoreBatch: readScoreBatchInput,
  maintainLake: readMaintainLakeInput,
} as const

export interface CommandStart extends WorkflowStart {
  readonly workflow: keyof typeof VALIDATORS
  /** Called again and again while it runs, to show more of it. */
  readonly watch?: (handle: WorkflowHandle) => Promise<void>
}

/** Runs one workflow on the configured server, or on one that lives as long as this command, with its progress shown. */
export async function runWorkflow<Result>({ watch, ...start }: CommandStart): Promise<Result> {
  const checked = VALIDATORS[start.workflow](start.input)
  const pipeline = 'pipeline' in checked ? checked.pipeline : undefined
  const { withTemporal } = await import('./temporal-session.js')
  const { followWorkflow } = await import('./follow-workflow.js')
  const progress = startProgress(start.summary)
  progress.update('starting')
  return await interruptible(async (signal) => {
    try {
      const result = await withTemporal(
        ({ client, address, ownServer }) =>
          followWorkflow<Result>(start, { client, address, progress, signal, ownServer, watch }),
        { signal, pipeline },
      )
      progress.done()
      return result
    } catch (error) {
      progress.failed()
      throw error
    }
  })
}
