import { CancellationScope, isCancellation, log } from '@temporalio/workflow'
import type { TrainedModel, TrainingRequest } from '../schemas/model-messages.js'
import { control, train } from './activity-groups.js'

/** Trains by a worker of ours, which keeps the run; whatever stops it, the run does not stay RUNNING. */
export async function trainHere(request: TrainingRequest, summary: string): Promise<TrainedModel> {
  try {
    return await train.runTraining.executeWithOptions({ summary }, [request])
  } catch (error) {
    await endRun(request.runId, error)
    throw error
  }
}

/** Says of a run without a result that it is KILLED where it was cancelled, else FAILED; one that has ended stays so. */
export async function endRun(runId: string, error: unknown): Promise<void> {
  const end = { status: isCancellation(error) ? 'KILLED' : 'FAILED' } as const
  try {
    // Also where the workflow is cancelled.
    await CancellationScope.nonCancellable(() => control.finishRun({ runId, end }))
  } catch (lost) {
    // What stopped the training says more than that this could not be written down.
    log.warn('the end of the run was not recorded', { runId, ...end, error: lost })
  }
}
