import { FirnError } from '../../schemas/error.js'
import type { LakeDeps } from '../../schemas/lake-deps.js'
import type { LearningPoint, TrainedModel, TrainingRequest } from '../../schemas/model-messages.js'
import type { MetricPoint, RunStore } from '../registry/run-store.js'
import { fitInChild, type FitControl } from './fit-in-child.js'
import { writeArtifact } from './model-artifact.js'
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
  startRun(deps, runs, request)
  try {
    const fitted = await fitInChild(deps, request, control)
    const trained = await store(deps, request, fitted)
    logResult(deps, runs, request.runId, trained)
    return trained
  } catch (error) {
    const cancelled = error instanceof FirnError && error.kind === 'cancelled'
    const isFinal = error instanceof FirnError && !error.retryable
    if (isFinal) runs.finishRun(request.runId, cancelled ? 'KILLED' : 'FAILED', deps.now())
    throw error
  }
}

function startRun(deps: LakeDeps, runs: RunStore, request: TrainingRequest): void {
  const { pin, dataset, runId, parentRunId, run } = request
  const { kind, ...parameters } = pin.definition
  runs.startRun({
    runId,
    experiment: pin.pipeline,
    model: pin.model,
    name: `${pin.model} ${pin.estimator} at ${pin.tag}`,
    ...(parentRunId === undefined ? {} : { parentRunId }),
    params: {
      ...{ estimator: pin.estimator, kind, seed: String(pin.seed), service: pin.service, labels: pin.labels },
      ...(pin.split === undefined ? {} : { split: pin.split }),
      ...Object.fromEntries(
        Object.entries(parameters).map(([name, value]) => [
          name,
          typeof value === 'string' ? value : JSON.stringify(value),
        ]),
      ),
    },
    tags: {
      'firn.tag': pin.tag,
      'firn.workflow_id': run.workflowId,
      'firn.workflow_run_id': run.runId,
      'firn.feature_service': pin.service,
      'firn.dataset_digest': dataset.digest,
    },
    startedAtMs: deps.now(),
  })
  runs.logInputs(runId, { pin, dataset })
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

function logResult(deps: LakeDeps, runs: RunStore, runId: string, trained: TrainedModel): void {
  const timestampMs = deps.now()
  const once = (prefix: string, values: Readonly<Record<string, number>>): readonly MetricPoint[] =>
    Object.entries(values).map(([key, value]) => ({ key: `${prefix}${key}`, value, step: 0, timestampMs }))
  runs.logMetrics(runId, [
    ...once('', trained.metrics),
    ...once('baseline/', trained.baseline),
    ...trained.curve.flatMap((point) => curvePoints(point, timestampMs)),
  ])
  runs.finishRun(runId, 'FINISHED', timestampMs)
}

function curvePoints({ epoch, loss, valLoss }: LearningPoint, timestampMs: number): readonly MetricPoint[] {
  return [
    { key: 'train/loss', value: loss, step: epoch, timestampMs },
    ...(valLoss === undefined ? [] : [{ key: 'val/loss', value: valLoss, step: epoch, timestampMs }]),
  ]
}
