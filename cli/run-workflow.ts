import {
  readBuildFeaturesInput,
  readLandSourceInput,
  readMaintainLakeInput,
  readNightlyInput,
  readScoreBatchInput,
  readTrainModelInput,
} from '../schemas/validate-input.js'
import type { WorkflowStart } from '../workers/start-or-join.js'
import { interruptible } from './interruption.js'
import { startProgress } from './progress.js'

/** The workflows check their input themselves; what is wrong with it is told before a server is started. */
const VALIDATORS = {
  landSource: readLandSourceInput,
  buildFeatures: readBuildFeaturesInput,
  nightly: readNightlyInput,
  trainModel: readTrainModelInput,
  scoreBatch: readScoreBatchInput,
  maintainLake: readMaintainLakeInput,
} as const

export interface CommandStart extends WorkflowStart {
  readonly workflow: keyof typeof VALIDATORS
}

/** Runs one workflow on the configured server, or on one that lives as long as this command, with its progress shown. */
export async function runWorkflow<Result>(start: CommandStart): Promise<Result> {
  const { pipeline } = VALIDATORS[start.workflow](start.input)
  const { withTemporal } = await import('./temporal-session.js')
  const { followWorkflow } = await import('./follow-workflow.js')
  const progress = startProgress(start.summary)
  progress.update('starting')
  return await interruptible(async (signal) => {
    try {
      const result = await withTemporal(
        ({ client, address, ownServer }) =>
          followWorkflow<Result>(start, { client, address, progress, signal, ownServer }),
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
