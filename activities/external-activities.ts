import type { ModelRegistry } from '../ml/registry/model-registry.js'
import { checkExternal } from '../ml/training/check-external.js'
import { finishTrainingRun, startTrainingRun } from '../ml/training/record-run.js'
import type { LakeDeps } from '../schemas/lake-deps.js'
import type { TrainedModel, TrainingRequest } from '../schemas/model-messages.js'
import { runCore } from './run-core.js'

export type ExternalActivities = ReturnType<typeof createExternalActivities>

/** How a training by a worker of another language ended. */
export type ExternalEnd =
  { readonly status: 'FINISHED'; readonly trained: TrainedModel } | { readonly status: 'FAILED' | 'KILLED' }

/** What Firn does around a training that another worker does. */
export function createExternalActivities(deps: LakeDeps, registry: ModelRegistry) {
  return {
    /**
     * Effect: a run with its parameters and inputs.
     * Key: the run's id. Heartbeat: every 2 s. Kinds: invalid-input.
     */
    startRun: (input: TrainingRequest): Promise<void> =>
      runCore(() => {
        startTrainingRun(deps, registry, input)
        return Promise.resolve()
      }),

    /**
     * Effect: none; the trainer's answer once its model has proved to be of this training and to score alike in Firn.
     * Key: not needed. Heartbeat: every 2 s. Kinds: contract-broken, cancelled, io.
     */
    checkExternal: (input: {
      readonly request: TrainingRequest
      readonly answer: TrainedModel
    }): Promise<TrainedModel> => runCore((run) => checkExternal(deps, input.request, input.answer, run)),

    /**
     * Effect: the run's metrics and its end.
     * Key: the run's id: what it said first stays. Heartbeat: every 2 s. Kinds: not-found.
     */
    finishRun: (input: { readonly runId: string; readonly end: ExternalEnd }): Promise<void> =>
      runCore(() => {
        const { runId, end } = input
        if (end.status === 'FINISHED') finishTrainingRun(deps, registry, runId, end.trained)
        // One that was stopped before it began has none.
        else if (registry.getRun(runId) !== undefined) registry.finishRun(runId, end.status, deps.now())
        return Promise.resolve()
      }),
  }
}
