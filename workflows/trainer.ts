import {
  allHandlersFinished,
  condition,
  continueAsNew,
  defineQuery,
  defineSignal,
  defineUpdate,
  isCancellation,
  rootCause,
  setCurrentDetails,
  setHandler,
  workflowInfo,
} from '@temporalio/workflow'
import type {
  LearningPoint,
  PromoteRequest,
  PromoteResult,
  TrainerInput,
  TrainerState,
  TrainerStatus,
  TrainRequest,
} from '../schemas/model-messages.js'
import {
  readPromoteRequest,
  readSearchModelInput,
  readTrainerInput,
  readTrainModelInput,
  readTrainRequest,
} from '../schemas/validate-input.js'
import {
  LEARNING_QUERY,
  LEARNING_SIGNAL,
  PROMOTE_UPDATE,
  STATUS_QUERY,
  TRAIN_SIGNAL,
  workflowIds,
} from '../schemas/workflow-names.js'
import { control } from './activity-groups.js'
import { executeInTurn } from './execute-in-turn.js'
import { readInput } from './read-input.js'
import { searchModel } from './search-model.js'
import { trainModel } from './train-model.js'

const trainSignal = defineSignal<[TrainRequest?]>(TRAIN_SIGNAL)
const learningSignal = defineSignal<[readonly LearningPoint[]]>(LEARNING_SIGNAL)
const promoteUpdate = defineUpdate<PromoteResult, [PromoteRequest]>(PROMOTE_UPDATE)
const trainerStatusQuery = defineQuery<TrainerStatus>(STATUS_QUERY)
const learningQuery = defineQuery<readonly LearningPoint[]>(LEARNING_QUERY)

/**
 * One per model, long-lived: each signal `train` asks for a training.
 * 1. wait for a request; 2. run `trainModel` (or `searchModel`) as a child; 3. from the start, as new where the history
 * has grown long.
 * Requests that arrive while a training runs become one training after it, with the values of the last of them.
 *
 * Signal `train`; update `promote`, which gives a version an alias if it passes the gate; queries `status` and
 * `learningCurve`. A failed training is told in the status and the trainer goes on. A cancel cancels the running training
 * and ends.
 */
export async function trainer(input: TrainerInput): Promise<never> {
  const { pipeline, model, state: carried } = readInput(readTrainerInput, input)
  let state: TrainerState = carried ?? { trained: 0, failed: 0 }
  let running = false
  const current = (): TrainerStatus => ({ pipeline, model, running, ...state })
  const show = (): void => setCurrentDetails(details(current()))
  setHandler(trainerStatusQuery, current, { description: 'What was trained, what runs, what waits.' })
  setHandler(learningQuery, () => state.curve ?? [], {
    description: 'Loss by epoch of the training that runs, else of the last one.',
  })
  setHandler(learningSignal, (curve) => void (state = { ...state, curve }))
  setHandler(trainSignal, (request) => {
    state = { ...state, pending: request ?? {} }
    show()
  })
  setHandler(
    promoteUpdate,
    (request) =>
      control.promoteVersion.executeWithOptions({ summary: `${model} v${request.version}` }, [
        { pipeline, model, request },
      ]),
    {
      validator: (request) => void readPromoteRequest(request),
      description: 'Gives a version an alias (champion) if it beats champion and baseline on the test rows.',
    },
  )
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
): Promise<Pick<TrainerState, 'lastVersion' | 'curve'> | { lastError: string }> {
  try {
    const { search, ...wanted } = readInput(readTrainRequest, request)
    const summary = `train ${model}${request.at === undefined ? '' : ` at ${request.at}`}`
    const input = { pipeline, model, ...wanted }
    if (search === true) {
      const { estimator: _, ...searched } = input
      const found = await executeInTurn(searchModel, {
        workflowId: workflowIds.search(pipeline, model),
        input: readInput(readSearchModelInput, searched),
        summary: `search ${model}`,
      })
      return last(found.result)
    }
    const trained = await executeInTurn(trainModel, {
      workflowId: workflowIds.train(pipeline, model),
      input: readInput(readTrainModelInput, input),
      summary,
    })
    return last(trained)
  } catch (error) {
    if (isCancellation(error)) throw error
    return { lastError: rootCause(error) ?? 'the training failed; its own workflow says why' }
  }
}

function last({
  version,
  trained,
}: {
  readonly version?: number
  readonly trained: { readonly curve: readonly LearningPoint[] }
}): Pick<TrainerState, 'lastVersion' | 'curve'> {
  return { ...(version === undefined ? {} : { lastVersion: version }), curve: trained.curve }
}

function details(status: TrainerStatus): string {
  const point = status.curve?.at(-1)
  const lines = [
    `**${status.pipeline}** · model **${status.model}** · ${status.running ? 'training' : 'waiting for the signal `train`'}`,
    `trained ${status.trained}, failed ${status.failed}`,
    ...(point === undefined ? [] : [`epoch ${point.epoch}, loss ${point.loss.toPrecision(4)}`]),
    ...(status.lastVersion === undefined ? [] : [`last version ${status.lastVersion}`]),
    ...(status.lastError === undefined ? [] : [`last error: ${status.lastError}`]),
    ...(status.pending === undefined ? [] : ['one more training waits']),
  ]
  return lines.join('\n\n')
}
