import { FirnError } from '../../schemas/error.js'
import type { LakeDeps } from '../../schemas/lake-deps.js'
import type { TrainedModel, TrainingRequest } from '../../schemas/model-messages.js'
import type { RunStore } from '../registry/run-store.js'
import { fitInChild, type FitControl } from './fit-in-child.js'
import { writeArtifact } from './model-artifact.js'
import { finishTrainingRun, startTrainingRun } from './record-run.js'
import type { TrainJobResult } from './train-child.js'

/**
 * Trains in a process of its own, stores the artifact, and keeps a run of it: parameters, inputs, metrics, the learning
 * curve, how it ended. The same pin and data set give the same weights; an attempt after a crash goes on from the last
 * checkpoint and from the same run.
 */
export async function runTraining(
  deps: LakeDeps,
  runs: RunStore,
  request: TrainingRequest,
  control: FitControl = {},
): Promise<TrainedModel> {
  startTrainingRun(deps, runs, request)
  try {
    const fitted = await fitInChild(deps, request, control)
    const trained = await store(deps, request, fitted)
    finishTrainingRun(deps, runs, request.runId, trained)
    return trained
  } catch (error) {
    const cancelled = error instanceof FirnError && error.kind === 'cancelled'
    const isFinal = error instanceof FirnError && !error.retryable
    if (isFinal) runs.finishRun(request.runId, cancelled ? 'KILLED' : 'FAILED', deps.now())
    throw error
  }
}

async function store(
  deps: LakeDeps,
  { pin, dataset }: TrainingRequest,
  fitted: TrainJobResult,
): Promise<TrainedModel> {
  const { stored, environment, evaluation, plots, importance, measured, inputExample } = fitted
  const trained = { weightsDigest: stored.weightsDigest, ...evaluation, environment }
  const artifactLocation = await writeArtifact(
    deps,
    {
      format: 2,
      ...{ pin, dataset, header: stored.header, weightsDigest: stored.weightsDigest, trained, plots },
      ...(importance === undefined ? {} : { importance }),
      ...(measured === undefined ? {} : { measured }),
      inputExample,
    },
    stored.weights,
  )
  return { artifactLocation, ...trained }
}
