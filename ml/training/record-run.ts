import type { LakeDeps } from '../../schemas/lake-deps.js'
import type { LearningPoint, TrainedModel, TrainingRequest } from '../../schemas/model-messages.js'
import type { MetricPoint, RunStore } from '../registry/run-store.js'

type Clock = Pick<LakeDeps, 'now'>

/** The run of a training: parameters, tags, inputs. Started already, it stays as it is. */
export function startTrainingRun(deps: Clock, runs: RunStore, request: TrainingRequest): void {
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

/** What was measured, the best guess beside it, the learning curve; then the run is over. */
export function finishTrainingRun(deps: Clock, runs: RunStore, runId: string, trained: TrainedModel): void {
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
