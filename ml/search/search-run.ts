import type { LakeDeps } from '../../schemas/lake-deps.js'
import type { SearchModelInput, SearchPlan, SearchTrial } from '../../schemas/model-messages.js'
import type { RunInfo } from '../../schemas/publish.js'
import { findModel } from '../models/find-model.js'
import type { RunStore } from '../registry/run-store.js'
import { pinTraining } from '../training/pin-training.js'
import { planSearch } from './plan-search.js'

/** Fixes the trials and the tag they all read, and starts the run that they are parts of. */
export async function startSearch(
  deps: LakeDeps,
  runs: RunStore,
  { input, runId, run }: { readonly input: SearchModelInput; readonly runId: string; readonly run: RunInfo },
): Promise<SearchPlan> {
  const model = findModel(deps.pipelines, input)
  const planned = planSearch(model, input.seed ?? 0)
  const { tag } = await pinTraining(deps, { ...input, estimator: planned.estimator })
  runs.startRun({
    ...{ runId, experiment: model.pipeline.name, model: model.name },
    name: `search ${model.name} ${planned.estimator} at ${tag}`,
    params: {
      estimator: planned.estimator,
      space: JSON.stringify(model.definition.search?.space ?? {}),
      trials: String(planned.trials.length),
      metric: planned.metric,
      seed: String(input.seed ?? 0),
    },
    tags: { 'firn.kind': 'search', 'firn.tag': tag, 'firn.workflow_id': run.workflowId },
    startedAtMs: deps.now(),
  })
  return { ...planned, at: tag }
}

/** Ends the run of a search with its best trial. */
export function finishSearch(
  deps: Pick<LakeDeps, 'now'>,
  runs: RunStore,
  { runId, metric, best }: { readonly runId: string; readonly metric: string; readonly best: SearchTrial },
): void {
  const timestampMs = deps.now()
  if (best.value !== null) runs.logMetrics(runId, [{ key: metric, value: best.value, step: 0, timestampMs }])
  runs.finishRun(runId, 'FINISHED', timestampMs)
}
