import {
  condition,
  defineQuery,
  defineSignal,
  rootCause,
  setCurrentDetails,
  setHandler,
  upsertSearchAttributes,
  workflowInfo,
} from '@temporalio/workflow'
import { defineSearchAttributeKey } from '@temporalio/common'
import type {
  ResumeStream,
  StreamSourceInput,
  StreamState,
  StreamStatus,
} from '../schemas/stream-messages.js'
import { readResumeStream } from '../schemas/validate-input.js'
import {
  SEARCH_ATTRIBUTES,
  STATUS_QUERY,
  STREAM_SIGNALS,
  type RunStatus,
  type StepState,
  type StepStatus,
} from '../schemas/workflow-names.js'
import type { Progress } from './progress.js'
import { measureStream } from './stream-metrics.js'
import { streamDetails } from './stream-details.js'
import { idlePartitions } from './watermark.js'
import { without } from './without.js'

const statusQuery = defineQuery<StreamStatus>(STATUS_QUERY)
const pauseSignal = defineSignal(STREAM_SIGNALS.pause)
const resumeSignal = defineSignal<[ResumeStream?]>(STREAM_SIGNALS.resume)
const drainSignal = defineSignal(STREAM_SIGNALS.drain)

const PIPELINE = defineSearchAttributeKey(SEARCH_ATTRIBUTES.pipeline, 'KEYWORD')
const STAGE = defineSearchAttributeKey(SEARCH_ATTRIBUTES.stage, 'KEYWORD')
const STATUS = defineSearchAttributeKey(SEARCH_ATTRIBUTES.status, 'KEYWORD')

export type StreamStep = 'plan' | 'fetch' | 'commit' | 'windows' | 'publish' | 'maintain'

/** A stream's state, as signals change it and the query `status`, the UI's details and the search attributes show it. */
export interface StreamBoard {
  readonly state: () => StreamState
  change(next: (state: StreamState) => StreamState): void
  readonly steps: Pick<Progress, 'step'>
  tell(step: StreamStep, more: { readonly state?: StepState; readonly note?: string }): void
  /** Resolves when the stream is not paused, or has to go on as new. */
  whilePaused(): Promise<void>
  /** Resolves after the time, or at the next signal. */
  untilNudged(ms?: number): Promise<void>
  end(status: 'done' | 'failed' | 'cancelled'): void
}

/** The handlers are there when it returns: nothing may be awaited before. */
export function openBoard(
  given: Pick<StreamSourceInput, 'pipeline' | 'source'> & { readonly idleMs: number },
  carried: StreamState,
): StreamBoard {
  let state = carried
  let nudges = 0
  let ended: RunStatus['status'] | undefined
  let attribute: string | undefined
  const steps = new Map<string, StepStatus>()
  const current = (): StreamStatus => statusOf(given, state, [...steps.values()], ended)
  const show = (): void => {
    const status = current()
    setCurrentDetails(streamDetails(status))
    // Only where it changes: each is an event of the history.
    if (attribute !== status.status) upsertSearchAttributes([{ key: STATUS, value: status.status }])
    attribute = status.status
    measureStream(status)
  }
  const change = (next: (state: StreamState) => StreamState): void => {
    state = next(state)
    show()
  }
  const signal = (next: (state: StreamState) => StreamState): void => {
    nudges += 1
    change(next)
  }
  const tell: StreamBoard['tell'] = (name, more) => {
    steps.set(name, { ...(stepBefore(steps.get(name), more) ?? { name, state: 'waiting' }), ...more })
    setCurrentDetails(streamDetails(current()))
  }

  setHandler(statusQuery, current, { description: 'What was landed, what waits, and why nothing moves.' })
  setHandler(pauseSignal, () => signal((before) => pausedByHand(before, given)))
  setHandler(resumeSignal, (answer) => signal((before) => resumed(before, answer)))
  setHandler(drainSignal, () => signal(drained))
  upsertSearchAttributes([
    { key: PIPELINE, value: given.pipeline },
    { key: STAGE, value: 'stream' },
  ])
  show()

  return {
    state: () => state,
    change,
    tell,
    steps: {
      async step(name, work, note) {
        tell(name as StreamStep, { state: 'running' })
        try {
          const result = await work()
          tell(name as StreamStep, { state: 'done', ...(note === undefined ? {} : { note: note(result) }) })
          return result
        } catch (error) {
          tell(name as StreamStep, { state: 'failed', note: rootCause(error) ?? 'failed' })
          throw error
        }
      },
    },
    whilePaused: () => condition(() => state.pause === undefined || workflowInfo().continueAsNewSuggested),
    async untilNudged(ms) {
      const before = nudges
      const isNudged = (): boolean => nudges > before
      await (ms === undefined ? condition(isNudged) : condition(isNudged, ms))
    },
    end(status) {
      ended = status
      show()
    },
  }
}

/** Of a step that begins anew, what was said of it is of the time before. */
function stepBefore(
  before: StepStatus | undefined,
  more: { readonly state?: StepState },
): StepStatus | undefined {
  return more.state === 'running' ? undefined : before
}

/** Command of the CLI for this stream. */
export function streamCommand(
  verb: string,
  { pipeline, source }: Pick<StreamSourceInput, 'pipeline' | 'source'>,
): string {
  return `firn stream ${verb} ${pipeline}${source === undefined ? '' : ` --source ${source}`}`
}

function statusOf(
  given: Pick<StreamSourceInput, 'pipeline' | 'source'> & { readonly idleMs: number },
  state: StreamState,
  steps: readonly StepStatus[],
  ended: RunStatus['status'] | undefined,
): StreamStatus {
  const { landed, lag, watermarkMs, windows, maintenance, pause, retry, drain } = state
  const source = state.source ?? given.source
  const troubled = retry !== undefined || windows.error !== undefined
  const open = troubled ? 'retrying' : drain === undefined ? 'running' : 'draining'
  return {
    status: ended ?? (pause === undefined ? open : 'paused'),
    pipeline: given.pipeline,
    steps,
    landed,
    idlePartitions: idlePartitions(state.partitions, { nowMs: Date.now(), idleMs: given.idleMs }),
    windows,
    maintenance,
    ...(source === undefined ? {} : { source }),
    ...(lag === undefined ? {} : { lag }),
    ...(watermarkMs === undefined ? {} : { watermarkMs }),
    ...(pause === undefined ? {} : { pause }),
    ...(retry === undefined ? {} : { retry }),
  }
}

function pausedByHand(
  state: StreamState,
  given: Pick<StreamSourceInput, 'pipeline' | 'source'>,
): StreamState {
  // A problem that paused it stays what has to be answered.
  if (state.pause !== undefined) return state
  const answer = streamCommand('resume', given)
  return { ...state, pause: { kind: 'asked', reason: 'paused as asked', answer, sinceMs: Date.now() } }
}

function resumed(state: StreamState, answer: ResumeStream | undefined): StreamState {
  const { pause } = state
  try {
    const { accept } = readResumeStream(answer)
    const answered = without(state, 'pause', 'acceptUntil')
    return { ...answered, ...(accept === undefined ? {} : { accept }) }
  } catch (error) {
    // A handler that throws would end the stream.
    const why = error instanceof Error ? error.message : String(error)
    return pause === undefined ? state : { ...state, pause: { ...pause, reason: `${pause.reason} (${why})` } }
  }
}

function drained({ pause, ...state }: StreamState): StreamState {
  const problem = pause !== undefined && pause.kind !== 'asked' ? { pause } : {}
  return { ...state, ...problem, drain: state.drain ?? {} }
}
