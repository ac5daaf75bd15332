import {
  allHandlersFinished,
  CancellationScope,
  condition,
  continueAsNew,
  isCancellation,
  rootCause,
  workflowInfo,
} from '@temporalio/workflow'
import type { TrainerInput, TrainModelInput, TrainRequest } from '../schemas/model-messages.js'
import { readTrainerInput, readTrainModelInput, readTrainRequest } from '../schemas/validate-input.js'
import { workflowIds } from '../schemas/workflow-names.js'
import { executeInTurn } from './execute-in-turn.js'
import { readInput } from './read-input.js'
import { searchModel } from './search-model.js'
import { trainModel } from './train-model.js'
import { openTrainerBoard, type TrainingOutcome } from './trainer-board.js'
import { without } from './without.js'

/**
 * One per model, long-lived: each signal `train` asks for a training.
 * 1. wait for a request; 2. run `trainModel` (or `searchModel`) as a child; 3. from the start, as new where the history
 * has grown long.
 * Requests that arrive while a training runs become one training after it, with the values of the last of them.
 *
 * Signal `train`; update `promote`, which gives a version an alias if it passes the gate, also while a training runs;
 * queries `status` and `learningCurve`. A training that fails, or is cancelled by itself, is told in the status and the
 * trainer goes on. A cancel of the trainer cancels the running training and ends.
 */
export async function trainer(input: TrainerInput): Promise<never> {
  const { pipeline, model, state } = readInput(readTrainerInput, input)
  const board = openTrainerBoard({ pipeline, model }, state ?? { trained: 0, failed: 0 })
  for (;;) {
    await condition(() => board.isAskedFor() || workflowInfo().continueAsNewSuggested)
    const request = board.begin()
    if (request !== undefined) board.end(await trainOnce({ pipeline, model }, request))
    if (workflowInfo().continueAsNewSuggested) {
      await condition(allHandlersFinished)
      await continueAsNew<typeof trainer>({ pipeline, model, state: board.state() })
    }
  }
}

async function trainOnce(
  of: Pick<TrainerInput, 'pipeline' | 'model'>,
  request: TrainRequest,
): Promise<TrainingOutcome> {
  try {
    const { search = false, ...wanted } = readInput(readTrainRequest, request)
    const input = { ...of, ...wanted }
    const { version, trained } = await (search ? runSearch(input) : runTraining(input))
    return { kind: 'trained', ...(version === undefined ? {} : { version }), curve: trained.curve }
  } catch (error) {
    // A training that somebody else cancelled is no end of the trainer.
    if (CancellationScope.current().consideredCancelled) throw error
    return { kind: 'failed', error: isCancellation(error) ? 'it was cancelled' : reasonOf(error) }
  }
}

function runTraining(input: TrainModelInput): ReturnType<typeof trainModel> {
  const { pipeline, model, at } = input
  return executeInTurn(trainModel, {
    workflowId: workflowIds.train(pipeline, model),
    input: readInput(readTrainModelInput, input),
    summary: `train ${model}${at === undefined ? '' : ` at ${at}`}`,
  })
}

/** The estimator is the search's. */
async function runSearch(input: TrainModelInput): ReturnType<typeof trainModel> {
  const { pipeline, model } = input
  const found = await executeInTurn(searchModel, {
    workflowId: workflowIds.search(pipeline, model),
    input: without(input, 'estimator'),
    summary: `search ${model}`,
  })
  return found.result
}

function reasonOf(error: unknown): string {
  return rootCause(error) ?? 'it failed; its own workflow says why'
}
