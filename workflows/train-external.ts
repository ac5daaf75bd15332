import { ActivityFailure, ApplicationFailure, TimeoutFailure } from '@temporalio/workflow'
import type { ExternalDefinition } from '../schemas/model-definitions.js'
import type { TrainedModel, TrainingRequest } from '../schemas/model-messages.js'
import { control, EXTERNAL_WAIT_SECONDS, external, train } from './activity-groups.js'
import { endRun } from './train-here.js'

/** Trains on the task queue of another worker, checks what comes back, and keeps the run that Firn's own trainings keep. */
export async function trainExternalRun(
  request: TrainingRequest,
  definition: ExternalDefinition,
  summary: string,
): Promise<TrainedModel> {
  const { runId } = request
  await control.startRun.executeWithOptions({ summary }, [request])
  try {
    const trained = await trainExternal(request, definition, summary)
    await control.finishRun.executeWithOptions({ summary }, [{ runId, end: { status: 'FINISHED', trained } }])
    return trained
  } catch (error) {
    await endRun(runId, error)
    throw error
  }
}

/** Trains and checks; nothing is recorded. */
export async function trainExternal(
  request: TrainingRequest,
  definition: ExternalDefinition,
  summary: string,
): Promise<TrainedModel> {
  try {
    const answer = await external(definition).trainExternal.executeWithOptions({ summary }, [request])
    return await train.checkExternal.executeWithOptions({ summary }, [{ request, answer }])
  } catch (error) {
    throw nobodyCame(error) ? noWorker(definition) : error
  }
}

function nobodyCame(error: unknown): boolean {
  return (
    error instanceof ActivityFailure &&
    error.cause instanceof TimeoutFailure &&
    error.cause.timeoutType === 'SCHEDULE_TO_START'
  )
}

function noWorker({
  taskQueue,
  waitSeconds = EXTERNAL_WAIT_SECONDS,
}: ExternalDefinition): ApplicationFailure {
  return ApplicationFailure.nonRetryable(
    `no worker took the training from task queue "${taskQueue}" within ${waitSeconds} s: start one that serves it (docs/external-trainers.md), then train again.`,
    'config',
  )
}
