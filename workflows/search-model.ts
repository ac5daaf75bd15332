import {
  ApplicationFailure,
  CancellationScope,
  isCancellation,
  rootCause,
  uuid4,
  workflowInfo,
} from '@temporalio/workflow'
import type {
  SearchModelInput,
  SearchModelResult,
  SearchPlan,
  SearchTrial,
  TrainModelInput,
  TrainModelResult,
} from '../schemas/model-messages.js'
import { readSearchModelInput } from '../schemas/validate-input.js'
import { control } from './activity-groups.js'
import { executeInTurn } from './execute-in-turn.js'
import { startProgress, type Progress } from './progress.js'
import { readInput } from './read-input.js'
import { endRun } from './train-here.js'
import { REGISTER_STEPS, registerTrained } from './register-trained.js'
import { runInfo } from './run-info.js'
import { trainModel } from './train-model.js'

/** Trials that run at once: the training queue takes one a worker, and there may be several workers. */
const AT_ONCE = 2

/**
 * A small search for the parameters of a model's estimator:
 * 1. plan: the trials by the model's `search` and the seed, and the tag they all read;
 * 2. trials: each a child `trainModel` that registers nothing; one that fails, or is cancelled by itself, is left out;
 * 3. register: the best of them, as it was trained; 4. mirror.
 *
 * Query `status`. A cancel cancels the running trials; their runs, and the search's, stay in the registry as KILLED.
 */
export async function searchModel(input: SearchModelInput): Promise<SearchModelResult> {
  const given = readInput(readSearchModelInput, input)
  const progress = startProgress({ pipeline: given.pipeline }, ['plan', 'trials', ...REGISTER_STEPS])
  const summary = `search ${given.model}`
  const runId = uuid4().replaceAll('-', '')
  const plan = await progress.step(
    'plan',
    () => control.startSearch.executeWithOptions({ summary }, [{ input: given, runId, run: runInfo() }]),
    (planned) => `${planned.trials.length} trials at ${planned.at}, by ${planned.metric}`,
  )
  try {
    const tried = await progress.step(
      'trials',
      () => runTrials({ given, runId, plan }, progress),
      (trials) => `${trials.filter(({ value }) => value !== null).length} of ${trials.length} measured`,
    )
    const best = bestOf(tried, plan)
    const version = await registerTrained(best.result, progress)
    await control.finishSearch.executeWithOptions({ summary }, [
      { runId, metric: plan.metric, best: shown(best), version },
    ])
    progress.finish('done')
    const result = { ...best.result, version }
    return { runId, metric: plan.metric, trials: tried.map(shown), best: shown(best), result }
  } catch (error) {
    await endRun(runId, error)
    throw error
  }
}

interface Search {
  readonly given: SearchModelInput
  readonly runId: string
  readonly plan: SearchPlan
}

/** A trial with all that it gave, which the best one is registered from. */
type Tried = SearchTrial & { readonly result?: TrainModelResult }

async function runTrials(search: Search, progress: Progress): Promise<readonly Tried[]> {
  const { trials } = search.plan
  const tried: Tried[] = []
  let [next, ended] = [0, 0]
  const takeTurns = async (): Promise<void> => {
    for (let at = next; at < trials.length; at = next) {
      next += 1
      tried[at] = await tryOut(search, trials[at] ?? {}, at + 1)
      ended += 1
      progress.tell('trials', { note: `${ended} of ${trials.length}` })
    }
  }
  const turns = await Promise.allSettled(Array.from({ length: AT_ONCE }, takeTurns))
  // Only now: a cancelled search ends after its trials.
  for (const turn of turns) if (turn.status === 'rejected') throw turn.reason
  return tried
}

async function tryOut(search: Search, parameters: SearchTrial['parameters'], number: number): Promise<Tried> {
  try {
    const result = await executeInTurn(trainModel, {
      workflowId: `${workflowInfo().workflowId}-trial-${number}`,
      input: trialInput(search, parameters),
      summary: `trial ${number} ${JSON.stringify(parameters)}`,
    })
    const value = result.trained.metrics[search.plan.metric] ?? null
    return { parameters, runId: result.runId, value, result }
  } catch (error) {
    if (CancellationScope.current().consideredCancelled) throw error
    const why = isCancellation(error) ? 'it was cancelled' : rootCause(error)
    return { parameters, value: null, error: why ?? 'it failed; its own workflow says why' }
  }
}

function trialInput({ given, runId, plan }: Search, parameters: SearchTrial['parameters']): TrainModelInput {
  const { pipeline, model, seed, service } = given
  return {
    ...{ pipeline, model, at: plan.at, estimator: plan.estimator, parameters },
    ...(seed === undefined ? {} : { seed }),
    ...(service === undefined ? {} : { service }),
    ...{ register: false, parentRunId: runId },
  }
}

/** The first of the best. Where none was measured the search has failed. */
function bestOf(
  trials: readonly Tried[],
  { metric, lowerIsBetter }: SearchPlan,
): Tried & Required<Pick<Tried, 'result'>> {
  const sign = lowerIsBetter ? -1 : 1
  const measured = trials.flatMap((trial) => {
    const { value, result } = trial
    return value === null || result === undefined ? [] : [{ ...trial, result, score: sign * value }]
  })
  const [first, ...others] = measured
  if (first !== undefined) {
    return others.reduce((best, trial) => (trial.score > best.score ? trial : best), first)
  }
  const why = trials.find(({ error }) => error !== undefined)?.error ?? 'it is undefined on these rows'
  throw ApplicationFailure.nonRetryable(
    `none of ${trials.length} trials gave ${metric}: ${why}. Correct the model's search, then start it again.`,
    'training-failed',
  )
}

function shown({ parameters, runId, value, error }: Tried): SearchTrial {
  return {
    ...{ parameters, value },
    ...(runId === undefined ? {} : { runId }),
    ...(error === undefined ? {} : { error }),
  }
}
