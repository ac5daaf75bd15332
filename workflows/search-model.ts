import {
  ApplicationFailure,
  executeChild,
  isCancellation,
  ParentClosePolicy,
  rootCause,
  uuid4,
  workflowInfo,
} from '@temporalio/workflow'
import type {
  SearchModelInput,
  SearchModelResult,
  SearchTrial,
  TrainModelInput,
} from '../schemas/model-messages.js'
import { readSearchModelInput } from '../schemas/validate-input.js'
import { control } from './activity-groups.js'
import { startProgress } from './progress.js'
import { readInput } from './read-input.js'
import { runInfo } from './run-info.js'
import { trainModel } from './train-model.js'

/** Trials that run at once: the training queue takes one a worker, and others may have workers of their own. */
const AT_ONCE = 2

/**
 * A small search for the parameters of a model's estimator:
 * 1. plan: the trials by the model's `search` and the seed, and the tag they all read;
 * 2. trials: each a child `trainModel` that registers nothing; one that fails is left out;
 * 3. best: trained once more under the same pin, which gives the same weights, and registered.
 *
 * Query `status`. A cancel cancels the running trials; their runs stay in the registry.
 */
export async function searchModel(input: SearchModelInput): Promise<SearchModelResult> {
  const given = readInput(readSearchModelInput, input)
  const progress = startProgress({ pipeline: given.pipeline }, ['plan', 'trials', 'best'])
  const summary = `search ${given.model}`
  const runId = uuid4().replaceAll('-', '')
  const plan = await progress.step(
    'plan',
    () => control.startSearch.executeWithOptions({ summary }, [{ input: given, runId, run: runInfo() }]),
    (planned) => `${planned.trials.length} trials at ${planned.at}, by ${planned.metric}`,
  )
  const base = {
    ...{ pipeline: given.pipeline, model: given.model, at: plan.at, estimator: plan.estimator },
    ...(given.seed === undefined ? {} : { seed: given.seed }),
    ...(given.service === undefined ? {} : { service: given.service }),
    parentRunId: runId,
  }
  const trials = await progress.step(
    'trials',
    () =>
      runTrials(base, plan, (done) => progress.tell('trials', { note: `${done} of ${plan.trials.length}` })),
    (done) => `${done.filter((trial) => trial.value !== null).length} measured`,
  )
  const best = bestOf(trials, plan.lowerIsBetter)
  if (best === undefined) {
    throw ApplicationFailure.nonRetryable(
      `none of ${trials.length} trials gave ${plan.metric}; the first says: ${trials[0]?.error ?? 'the metric is undefined on these rows'}. Correct the model's search.`,
      'training-failed',
    )
  }
  const result = await progress.step(
    'best',
    () => child({ ...base, parameters: best.parameters }, 'best'),
    (trained) => `version ${trained.version ?? 0}: ${JSON.stringify(best.parameters)}`,
  )
  await control.finishSearch.executeWithOptions({ summary }, [
    {
      runId,
      metric: plan.metric,
      best,
      ...(result.version === undefined ? {} : { version: result.version }),
    },
  ])
  progress.finish('done')
  return { runId, metric: plan.metric, trials, best, result }
}

type Base = TrainModelInput

async function runTrials(
  base: Base,
  plan: { readonly metric: string; readonly trials: readonly SearchTrial['parameters'][] },
  onDone: (count: number) => void,
): Promise<readonly SearchTrial[]> {
  const results: SearchTrial[] = []
  let next = 0
  let finished = 0
  const take = async (): Promise<void> => {
    for (;;) {
      const at = next
      next += 1
      const parameters = plan.trials[at]
      if (parameters === undefined) return
      results[at] = await trial(base, parameters, { metric: plan.metric, number: at + 1 })
      finished += 1
      onDone(finished)
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, take))
  return results
}

async function trial(
  base: Base,
  parameters: SearchTrial['parameters'],
  { metric, number }: { readonly metric: string; readonly number: number },
): Promise<SearchTrial> {
  try {
    const { runId, trained } = await child({ ...base, parameters, register: false }, `trial-${number}`)
    return { parameters, runId, value: trained.metrics[metric] ?? null }
  } catch (error) {
    if (isCancellation(error)) throw error
    return {
      parameters,
      value: null,
      error: rootCause(error) ?? 'the trial failed; its own workflow says why',
    }
  }
}

function child(input: TrainModelInput, name: string): ReturnType<typeof trainModel> {
  return executeChild(trainModel, {
    workflowId: `${workflowInfo().workflowId}-${name}`,
    args: [input],
    staticSummary: `${name} ${JSON.stringify(input.parameters ?? {})}`,
    parentClosePolicy: ParentClosePolicy.REQUEST_CANCEL,
  })
}

/** The first of the best. */
function bestOf(trials: readonly SearchTrial[], lowerIsBetter: boolean): SearchTrial | undefined {
  const sign = lowerIsBetter ? -1 : 1
  return trials.reduce<SearchTrial | undefined>(
    (best, trial) =>
      trial.value !== null && (best?.value == null || sign * trial.value > sign * best.value) ? trial : best,
    undefined,
  )
}
