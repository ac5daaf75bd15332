import {
  allHandlersFinished,
  condition,
  continueAsNew,
  defineQuery,
  defineSignal,
  isCancellation,
  rootCause,
  setCurrentDetails,
  setHandler,
  workflowInfo,
} from '@temporalio/workflow'
import type { TrainerInput, TrainerState, TrainerStatus, TrainRequest } from '../schemas/messages.js'
import { readTrainerInput, readTrainModelInput } from '../schemas/validate-input.js'
import { STATUS_QUERY, TRAIN_SIGNAL, workflowIds } from '../schemas/workflow-names.js'
import { executeInTurn } from './execute-in-turn.js'
import { readInput } from './read-input.js'
import { trainModel } from './train-model.js'

const trainSignal = defineSignal<[TrainRequest?]>(TRAIN_SIGNAL)
const trainerStatusQuery = defineQuery<TrainerStatus>(STATUS_QUERY)

/**
 * One per model, long-lived: each signal `train` asks for a training.
 * 1. wait for a request; 2. run `trainModel` as a child; 3. from the start, as new where the history has grown long.
 * Requests that arrive while a training runs become one training after it, with the values of the last of them.
 *
 * Signal `train`, query `status`. A failed training is told in the status and the trainer goes on. A cancel cancels the
 * running training and ends.
 */
export async function trainer(input: TrainerInput): Promise<never> {
  const { pipeline, model, state: carried } = readInput(readTrainerInput, input)
  let state: TrainerState = carried ?? { trained: 0, failed: 0 }
  let running = false
  const current = (): TrainerStatus => ({ pipeline, model, running, ...state })
  const show = (): void => setCurrentDetails(details(current()))
  setHandler(trainerStatusQuery, current, { description: 'What was trained, what runs, what waits.' })
  setHandler(trainSignal, (request) => {
    state = { ...state, pending: request ?? {} }
    show()
  })
  show()
  for (;;) {
    await condition(() => state.pending !== undefined || workflowInfo().continueAsNewSuggested)
    const { pending: request, ...rest } = state
    if (request !== undefined) {
      state = rest
      running = true
      show()
      const outcome = await trainOnce({ pipeline, model }, request)
      running = false
      state = {
        ...state,
        ...outcome,
        trained: state.trained + 1,
        failed: state.failed + ('lastError' in outcome ? 1 : 0),
      }
      show()
    }
    if (workflowInfo().continueAsNewSuggested) {
      await condition(allHandlersFinished)
      await continueAsNew<typeof trainer>({ pipeline, model, state })
    }
  }
}

async function trainOnce(
  { pipeline, model }: TrainerInput,
  request: TrainRequest,
): Promise<{ lastVersion: number } | { lastError: string }> {
  try {
    const result = await executeInTurn(trainModel, {
      workflowId: workflowIds.train(pipeline, model),
      input: readInput(readTrainModelInput, { pipeline, model, ...request }),
      summary: `train ${model}${request.at === undefined ? '' : ` at ${request.at}`}`,
    })
    return { lastVersion: result.version }
  } catch (error) {
    if (isCancellation(error)) throw error
    return { lastError: rootCause(error) ?? 'the training failed; its own workflow says why' }
  }
}

function details(status: TrainerStatus): string {
  const lines = [
    `**${status.pipeline}** · model **${status.model}** · ${status.running ? 'training' : 'waiting for the signal `train`'}`,
    `trained ${status.trained}, failed ${status.failed}`,
    ...(status.lastVersion === undefined ? [] : [`last version ${status.lastVersion}`]),
    ...(status.lastError === undefined ? [] : [`last error: ${status.lastError}`]),
    ...(status.pending === undefined ? [] : ['one more training waits']),
  ]
  return lines.join('\n\n')
}
