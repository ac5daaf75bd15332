import {
  defineQuery,
  defineSignal,
  defineUpdate,
  setCurrentDetails,
  setHandler,
  upsertSearchAttributes,
} from '@temporalio/workflow'
import { defineSearchAttributeKey } from '@temporalio/common'
import { readCurve } from '../schemas/learning-curve.js'
import type {
  LearningPoint,
  PromoteRequest,
  PromoteResult,
  TrainerInput,
  TrainerState,
  TrainerStatus,
  TrainRequest,
} from '../schemas/model-messages.js'
import { readPromoteRequest } from '../schemas/validate-input.js'
import {
  LEARNING_QUERY,
  LEARNING_SIGNAL,
  PROMOTE_UPDATE,
  SEARCH_ATTRIBUTES,
  STATUS_QUERY,
  TRAIN_SIGNAL,
} from '../schemas/workflow-names.js'
import { control } from './activity-groups.js'
import { readInput } from './read-input.js'
import { curveText } from './training-words.js'
import { without } from './without.js'

const trainSignal = defineSignal<[TrainRequest?]>(TRAIN_SIGNAL)
const learningSignal = defineSignal<[readonly LearningPoint[]]>(LEARNING_SIGNAL)
const promoteUpdate = defineUpdate<PromoteResult, [PromoteRequest]>(PROMOTE_UPDATE)
const statusQuery = defineQuery<TrainerStatus>(STATUS_QUERY)
const learningQuery = defineQuery<readonly LearningPoint[]>(LEARNING_QUERY)

const PIPELINE = defineSearchAttributeKey(SEARCH_ATTRIBUTES.pipeline, 'KEYWORD')
const STATUS = defineSearchAttributeKey(SEARCH_ATTRIBUTES.status, 'KEYWORD')

export type TrainingOutcome =
  | { readonly kind: 'trained'; readonly version?: number; readonly curve: readonly LearningPoint[] }
  | { readonly kind: 'failed'; readonly error: string }

/** A trainer's state, as signals change it and queries, the UI's details and the search attributes show it. */
export interface TrainerBoard {
  readonly state: () => TrainerState
  readonly isAskedFor: () => boolean
  /** Takes the request that waits; undefined: none does. */
  begin(): TrainRequest | undefined
  end(outcome: TrainingOutcome): void
}

/** The handlers are there when it returns: nothing may be awaited before. */
export function openTrainerBoard(
  { pipeline, model }: Pick<TrainerInput, 'pipeline' | 'model'>,
  carried: TrainerState,
): TrainerBoard {
  let state = carried
  let running = false
  const current = (): TrainerStatus => ({ pipeline, model, running, ...state })
  const change = (next: TrainerState): void => {
    state = next
    setCurrentDetails(details(current()))
  }
  setHandler(statusQuery, current, { description: 'What was trained, what runs, what waits.' })
  setHandler(learningQuery, () => state.curve ?? [], {
    description: 'Loss by epoch of the training that runs, else of the last one.',
  })
  setHandler(learningSignal, (points) => {
    // A training that has ended may have a word on its way.
    if (running) change({ ...state, curve: readCurve(points) })
  })
  setHandler(trainSignal, (request) => change({ ...state, pending: request ?? {} }), {
    description: 'Asks for a training: {at, seed, estimator, service, search}, all of them optional.',
  })
  handlePromote({ pipeline, model })
  change(state)
  upsertSearchAttributes([
    { key: PIPELINE, value: pipeline },
    { key: STATUS, value: 'waiting' },
  ])
  return {
    state: () => state,
    isAskedFor: () => state.pending !== undefined,
    begin() {
      const { pending } = state
      if (pending === undefined) return undefined
      running = true
      change(without(state, 'pending', 'curve'))
      upsertSearchAttributes([{ key: STATUS, value: 'running' }])
      return pending
    },
    end(outcome) {
      running = false
      change(stateAfter(state, outcome))
      upsertSearchAttributes([{ key: STATUS, value: outcome.kind === 'failed' ? 'failed' : 'waiting' }])
    },
  }
}

function handlePromote({ pipeline, model }: Pick<TrainerInput, 'pipeline' | 'model'>): void {
  const promote = async (request: PromoteRequest): Promise<PromoteResult> => {
    const summary = `${model} v${request.version}`
    const result = await control.promoteVersion.executeWithOptions({ summary }, [
      { pipeline, model, request },
    ])
    if (result.promoted) await control.mirrorRegistry.executeWithOptions({ summary }, [])
    return result
  }
  setHandler(promoteUpdate, promote, {
    validator: (request) => void readInput(readPromoteRequest, request),
    description: 'Gives a version an alias (champion) if it beats champion and baseline on the test rows.',
  })
}

/** The last error is the last training's: one that goes well clears it. */
function stateAfter(state: TrainerState, outcome: TrainingOutcome): TrainerState {
  const trained = state.trained + 1
  if (outcome.kind === 'failed') {
    return { ...state, trained, failed: state.failed + 1, lastError: outcome.error }
  }
  const { version, curve } = outcome
  return {
    ...without(state, 'lastError'),
    ...{ trained, curve: readCurve(curve) },
    ...(version === undefined ? {} : { lastVersion: version }),
  }
}

function details(status: TrainerStatus): string {
  const { pipeline, model, running, trained, failed, curve = [], lastVersion, lastError, pending } = status
  const lines = [
    `**${pipeline}** · model **${model}** · ${running ? 'training' : 'waiting for the signal `train`'}`,
    `trained ${trained}, failed ${failed}`,
    ...(curve.length === 0 ? [] : [curveText(curve)]),
    ...(lastVersion === undefined ? [] : [`last version ${lastVersion}`]),
    ...(lastError === undefined ? [] : [`last error: ${lastError}`]),
    ...(pending === undefined ? [] : ['one more training waits']),
  ]
  return lines.join('\n\n')
}
