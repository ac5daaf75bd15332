import {
  allHandlersFinished,
  CancellationScope,
  condition,
  continueAsNew,
  isCancellation,
  rootCause,
  workflowInfo,
} from '@temporalio/workflow'
import { backfillDates, type BackfillDates } from '../schemas/backfill-dates.js'
import type { BackfillInput, BackfillResult, RunningDate } from '../schemas/backfill-messages.js'
import { readBackfillInput } from '../schemas/read-backfill-input.js'
import { workflowIds } from '../schemas/workflow-names.js'
import { openBackfillBoard, type BackfillBoard } from './backfill-board.js'
import { childIdOf, runDate, type DateOutcome } from './backfill-child.js'
import { openDueDates, type DueDate, type DueDates } from './due-dates.js'
import { openDateStates, type DateStates } from './date-states.js'
import { executeInTurn } from './execute-in-turn.js'
import { maintainLake } from './maintain-lake.js'
import { readInput } from './read-input.js'

interface Backfill {
  readonly given: BackfillInput
  readonly dates: BackfillDates
  readonly states: DateStates
  readonly board: BackfillBoard
  readonly due: DueDates
  /** Everything that runs; cancelled as one. */
  readonly scope: CancellationScope
}

/**
 * Runs the nights of many dates, or rebuilds their batches, a few at a time in order of the dates:
 * 1. look: which of the next dates have to run, by the marker in the data; those that don't are passed over;
 * 2. run: a child workflow a date, `parallel` at once;
 * 3. maintain: once at the end, where anything was published.
 * A date that fails is told, and the others go on. Long histories go on as new with the states of the dates, run-length
 * encoded; nothing is in flight then.
 *
 * Signals `pause`, `resume`, `cancel` (what runs is cancelled, nothing more is started) and `retryFailed`; queries `status`
 * and `dates`. A cancel from outside does what the signal does. What was published stays.
 */
export async function backfill(input: BackfillInput): Promise<BackfillResult> {
  const work = readInput(open, input)
  const { board, states, scope } = work
  try {
    for (;;) {
      if ((await runDates(work)) === 'as-new') break
      await maintainOnce(work)
      // A retry may have been asked for meanwhile.
      if (board.isCancelled() || states.counts().waiting === 0) return ended(work)
    }
  } catch (error) {
    scope.cancel()
    await CancellationScope.nonCancellable(() => condition(() => states.counts().running === 0))
    board.end(isCancellation(error) ? 'cancelled' : 'failed')
    throw error
  }
  await condition(allHandlersFinished)
  return continueAsNew<typeof backfill>({ ...input, state: board.carry() })
}

function open(input: unknown): Backfill {
  const given = readBackfillInput(input)
  const dates = backfillDates(given)
  const states = openDateStates(dates, given.state, (key) => childIdOf(given, key))
  const board = openBackfillBoard(given, dates, states)
  return {
    given,
    dates,
    states,
    board,
    due: openDueDates(given, dates, states),
    scope: new CancellationScope(),
  }
}

/** Ends where no date waits or runs, or after a cancel; `as-new` where the history has grown long. */
async function runDates(work: Backfill): Promise<'ended' | 'as-new'> {
  const { given, board, states, due, scope } = work
  const { parallel = 1 } = given
  for (;;) {
    const version = board.version()
    const { running, waiting, failed } = states.counts()
    if (board.isCancelled()) {
      scope.cancel()
      if (running === 0) return 'ended'
    } else if (workflowInfo().continueAsNewSuggested) {
      if (running === 0) return waiting === 0 && !board.isPaused() ? 'ended' : 'as-new'
    } else if (!board.isPaused() && running < parallel && waiting > 0) {
      const next = await due.next()
      board.changed()
      // Asking takes a moment: whoever paused or cancelled meanwhile is heard first.
      if (next !== undefined && !board.isPaused() && !board.isCancelled()) start(work, next)
      continue
    } else if (running === 0 && waiting === 0 && !(board.isPaused() && failed > 0)) return 'ended'
    await condition(() => board.version() !== version)
  }
}

/** Starts a date; how it ends is told to its state, never thrown. */
function start({ given, states, board, scope }: Backfill, { index, row }: DueDate): void {
  const settle = (outcome: DateOutcome): void => {
    if (outcome.kind !== 'failed') states.settle(index, outcome.kind)
    else {
      const { cause } = outcome
      states.fail(index, { date: row.key, workflowId: childIdOf(given, row.key), cause })
      if (given.onFailure === 'pause') board.pause(`${row.key} failed: ${cause}`)
    }
    board.changed()
  }
  const stopped = (error: unknown): void => {
    if (!isCancellation(error) || !scope.consideredCancelled) {
      settle({
        kind: 'failed',
        cause: isCancellation(error) ? 'its workflow was cancelled' : causeOf(error),
      })
      return
    }
    states.settle(index, 'cancelled')
    board.changed()
  }
  const tell = (running: RunningDate): void => {
    states.run(index, running)
    board.changed()
  }
  void scope.run(() => runDate(given, row, tell)).then(settle, stopped)
}

function causeOf(error: unknown): string {
  return rootCause(error) ?? 'it failed; look at its workflow in Temporal'
}

async function maintainOnce({ given, board, states, scope }: Backfill): Promise<void> {
  const { pipeline, maintain = 'at-end' } = given
  const note =
    maintain === 'never'
      ? 'not asked for'
      : states.counts().published === 0
        ? 'nothing was published'
        : undefined
  if (note !== undefined || board.isCancelled()) {
    board.tellMaintenance({ state: 'skipped', note: note ?? 'cancelled' })
    return
  }
  const workflowId = workflowIds.maintain()
  board.tellMaintenance({ state: 'running', workflowId })
  try {
    const running = scope.run(() =>
      executeInTurn(maintainLake, { workflowId, input: { pipeline }, summary: `maintain ${pipeline}` }),
    )
    await Promise.race([running, condition(() => board.isCancelled()).then(() => scope.cancel())])
    const { tables } = await running
    board.tellMaintenance({ state: 'done', note: `${tables.length} tables`, workflowId })
  } catch (error) {
    // The dates are done all the same; the next night maintains.
    if (CancellationScope.current().consideredCancelled) throw error
    board.tellMaintenance({
      state: 'failed',
      note: isCancellation(error) ? 'cancelled' : causeOf(error),
      workflowId,
    })
  }
}

function ended({ given, dates, board, states }: Backfill): BackfillResult {
  const counts = states.counts()
  const well = counts.published > 0 ? 'done' : 'no_changes'
  const status = board.isCancelled() ? 'cancelled' : counts.failed > 0 ? 'failed' : well
  board.end(status)
  const { from, to, total } = dates
  const { pipeline, mode = 'missing' } = given
  return { status, pipeline, mode, from, to, total, counts, failures: states.failures() }
}
