import {
  allHandlersFinished,
  ApplicationFailure,
  CancellationScope,
  condition,
  continueAsNew,
  isCancellation,
  workflowInfo,
} from '@temporalio/workflow'
import { batchIdOf } from '../schemas/batch.js'
import type { DueRecords, LandResult, TopicLandingPlan } from '../schemas/messages.js'
import type { StreamResult, StreamSourceInput, StreamState } from '../schemas/stream-messages.js'
import { readStreamSourceInput } from '../schemas/validate-input.js'
import { control, FEW_ATTEMPTS, stream, watch } from './activity-groups.js'
import { addCounts } from './add-landed.js'
import { answersAfter, hasReached } from './answers.js'
import { isTopicPlan, lagAfter } from './lag-after.js'
import { fetchAndCommit, hasNothingNew, planRound, type LandRound } from './land-round.js'
import { readInput } from './read-input.js'
import { openBoard, type StreamBoard } from './stream-board.js'
import { openChores, type StreamChores } from './stream-chores.js'
import { afterFailure } from './stream-failure.js'
import { partitionsAfter, watermarkOf } from './watermark.js'
import { without } from './without.js'

/** An idle topic is planned this often all the same: that is where its recreation or a rolled back ledger shows. */
const LOOK_MS = 60_000
/** Where records wait that no plan finds, such as a transaction's marks. */
const NOTHING_FOUND_MS = 1000

type Given = ReturnType<typeof withDefaults>

/**
 * Lands a topic without end, one micro-batch at a time, which is its back-pressure:
 * 1. wait until so many records, bytes or so much age are there;
 * 2. plan, fetch the slices side by side, commit: as `landSource`;
 * 3. beside that: every `windowEveryMs` the source's windows, every hour their tag, now and then maintenance.
 * What only a person can decide pauses it; what a service owes is tried again for ever. Both show in the status, in the
 * search attribute FirnStatus and in the UI. Long histories go on as new with the state; nothing is in flight then.
 *
 * Signals `pause`, `resume` (with answers; while retrying: now), `drain` (lands what is there, then ends). Query `status`. A
 * cancel leaves raw objects that no ledger row names, and nothing half visible.
 */
export async function streamSource(input: StreamSourceInput): Promise<StreamResult> {
  const given = withDefaults(readInput(readStreamSourceInput, input))
  const board = openBoard(given, given.state)
  const chores = openChores(given, board)
  try {
    if ((await run(given, board, chores)) === 'drained') {
      await chores.finish()
      board.end('done')
      return resultOf(given, board.state())
    }
  } catch (error) {
    board.end(isCancellation(error) ? 'cancelled' : 'failed')
    throw error
  }
  return continueAsNew<typeof streamSource>({ ...without(input, 'accept'), state: board.state() })
}

function withDefaults({ accept, state, ...input }: StreamSourceInput) {
  const nowMs = Date.now()
  const fresh: StreamState = {
    landed: { batches: 0, records: 0, deadLetters: 0, bytes: 0 },
    partitions: {},
    windows: {},
    maintenance: { startedAtMs: nowMs },
    ...(accept === undefined ? {} : { accept }),
  }
  return {
    maxRecords: 100_000,
    maxBytes: 64 * 1024 * 1024,
    maxAgeMs: 5000,
    windowEveryMs: 30_000,
    idleMs: 60_000,
    ...input,
    state: state ?? fresh,
  }
}

async function run(given: Given, board: StreamBoard, chores: StreamChores): Promise<'drained' | 'as-new'> {
  let plannedAtMs = 0
  for (;;) {
    await board.whilePaused()
    if (workflowInfo().continueAsNewSuggested) {
      await chores.settle()
      await condition(allHandlersFinished)
      return 'as-new'
    }
    chores.start()
    try {
      const { drain, retry } = board.state()
      // A landing that failed is tried itself: that records wait says nothing of its cause.
      const isDue = drain !== undefined || retry !== undefined
      const waited = isDue ? 'due' : await awaitDue(given, board, chores)
      if (waited === 'nudged') continue
      if (waited === 'idle' && Date.now() - plannedAtMs < LOOK_MS) continue
      plannedAtMs = Date.now()
      if ((await landNext(given, board)) === 'drained') return 'drained'
    } catch (error) {
      await afterFailure(error, given, board)
    }
  }
}

/** `nudged`: a signal came first. */
async function awaitDue(
  given: Given,
  board: StreamBoard,
  chores: StreamChores,
): Promise<'due' | 'idle' | 'nudged'> {
  const { pipeline, source, maxRecords, maxBytes, maxAgeMs } = given
  // Waits for at least the age, or no record would ever be as old.
  const waitMs = Math.max(maxAgeMs, Math.min(LOOK_MS, chores.dueInMs() ?? LOOK_MS))
  const input = { pipeline, maxRecords, maxBytes, maxAgeMs, waitMs }
  const scope = new CancellationScope()
  const waiting = scope.run(() =>
    watch.awaitRecords.executeWithOptions({ ...FEW_ATTEMPTS, summary: `records of ${source ?? pipeline}` }, [
      source === undefined ? input : { ...input, source },
    ]),
  )
  const nudged = scope.run(() => board.untilNudged()).then(() => undefined)
  try {
    const records = await Promise.race([waiting, nudged])
    if (records === undefined) return 'nudged'
    sawRecords(given, board, records)
    return records.due ? 'due' : 'idle'
  } finally {
    scope.cancel()
    await Promise.allSettled([waiting, nudged])
  }
}

function sawRecords({ idleMs }: Given, board: StreamBoard, { pending }: DueRecords): void {
  board.change((state) => {
    // While records wait, nobody knows how old they are.
    const watermarkMs =
      pending > 0
        ? state.watermarkMs
        : watermarkOf(state.watermarkMs, state.partitions, { nowMs: Date.now(), idleMs })
    return { ...state, lag: pending, ...(watermarkMs === undefined ? {} : { watermarkMs }) }
  })
}

async function landNext(given: Given, board: StreamBoard): Promise<'drained' | 'landed' | 'nothing'> {
  const { pipeline, source } = given
  const { accept, drain } = board.state()
  const round: LandRound = { data: stream, control, steps: board.steps, options: FEW_ATTEMPTS }
  const plan = await planRound(round, {
    pipeline,
    batch: batchIdOf(new Date()),
    ...(source === undefined ? {} : { source }),
    ...(accept === undefined ? {} : { accept }),
    ...(drain?.until === undefined ? {} : { until: drain.until }),
  })
  if (!isTopicPlan(plan)) throw noTopic(plan.source)
  // A drain that was asked for meanwhile ends at what its own first plan sees.
  const until = drain === undefined ? undefined : (drain.until ?? plan.seen)
  board.change((state) => ({
    ...state,
    source: plan.source,
    ...(until === undefined ? {} : { drain: { until } }),
    ...(state.accept === undefined ? {} : { acceptUntil: state.acceptUntil ?? plan.seen }),
  }))
  if (hasNothingNew(plan)) {
    board.change((state) => answered(recovered(state), plan))
    if (until !== undefined) return 'drained'
    await board.untilNudged(NOTHING_FOUND_MS)
    return 'nothing'
  }
  const landed = await fetchAndCommit(round, plan)
  board.change((state) => afterLanding(recovered(state), plan, landed, given))
  return until !== undefined && hasReached(plan, until) ? 'drained' : 'landed'
}

function noTopic(source: string): ApplicationFailure {
  return ApplicationFailure.nonRetryable(
    `source ${source} is a folder or a prefix for this worker: a stream lands topics. Set FIRN_KAFKA_BROKERS for the worker, or land the folder with \`firn land\`.`,
    'config',
  )
}

function recovered(state: StreamState): StreamState {
  return without(state, 'retry')
}

function answered(state: StreamState, plan: TopicLandingPlan): StreamState {
  const accept = answersAfter(plan, state.accept ?? [], state.acceptUntil ?? [])
  return accept.length === 0 ? without(state, 'accept', 'acceptUntil') : { ...state, accept }
}

function afterLanding(
  state: StreamState,
  plan: TopicLandingPlan,
  result: LandResult,
  { idleMs }: Given,
): StreamState {
  const nowMs = Date.now()
  const partitions = partitionsAfter(state.partitions, plan, result.partitions ?? [], nowMs)
  const watermarkMs = watermarkOf(state.watermarkMs, partitions, { nowMs, idleMs })
  const kinds = addCounts(state.landed.deadLetterKinds, result.deadLetterKinds)
  return {
    ...answered(state, plan),
    landed: {
      batches: state.landed.batches + 1,
      records: state.landed.records + result.records,
      deadLetters: state.landed.deadLetters + result.deadLetters,
      bytes: state.landed.bytes + result.bytes,
      ...(kinds === undefined ? {} : { deadLetterKinds: kinds }),
    },
    partitions,
    lag: [...lagAfter(plan).values()].reduce((sum, lag) => sum + lag, 0),
    ...(watermarkMs === undefined ? {} : { watermarkMs }),
  }
}

function resultOf({ pipeline, source }: Given, state: StreamState): StreamResult {
  const { landed, lag, watermarkMs } = state
  return {
    pipeline,
    source: state.source ?? source ?? '',
    landed,
    ...(lag === undefined ? {} : { lag }),
    ...(watermarkMs === undefined ? {} : { watermarkMs }),
  }
}
