import {
  CancellationScope,
  isCancellation,
  ParentClosePolicy,
  patched,
  rootCause,
  sleep,
  startChild,
} from '@temporalio/workflow'
import { WorkflowExecutionAlreadyStartedError } from '@temporalio/common'
import { batchIdOf } from '../schemas/batch.js'
import type { MaintainLakeInput, RefreshedWindows, WindowRefreshResult } from '../schemas/messages.js'
import type { StreamSourceInput, StreamState } from '../schemas/stream-messages.js'
import { INPUT_MEMO, workflowIds } from '../schemas/workflow-names.js'
import { FEW_ATTEMPTS, stream } from './activity-groups.js'
import { later } from './add-landed.js'
import { maintainLake } from './maintain-lake.js'
import { withReplans } from './replan.js'
import { runInfo } from './run-info.js'
import type { StreamBoard } from './stream-board.js'
import { without } from './without.js'

const HOUR_MS = 3_600_000
const MAINTAIN_BATCHES = 200
/** So long after another run was in the way. */
const IN_TURN_MS = 60_000
const SETTLE_MS = 60_000
/** Bounded landings and replayed letters bring records that the stream does not count: so often the windows look by themselves. */
const OTHERS_MS = 300_000

type Given = Pick<StreamSourceInput, 'pipeline' | 'source'> & { readonly windowEveryMs: number }

/** What a stream does beside landing, which never waits for it. */
export interface StreamChores {
  /** Starts what is due; windows and their publish one at a time. */
  start(): void
  /** How long until something is due; undefined: nothing, unless more is landed. */
  dueInMs(): number | undefined
  /** What runs gets a minute to end, then it is stopped: done again it gives the same. */
  settle(): Promise<void>
  /** Windows and their publish, whenever they were done last. */
  finish(): Promise<void>
}

export function openChores(given: Given, board: StreamBoard): StreamChores {
  const scope = new CancellationScope()
  let running: Promise<void> | undefined
  /** Until a refresh says that the pipeline has none. */
  let any = true
  const refresh = async (): Promise<void> => {
    any = await refreshWindows(given, board)
  }
  return {
    start() {
      const nowMs = Date.now()
      if (isMaintenanceDue(board.state(), nowMs)) void startMaintenance(given, board)
      if (running !== undefined || !any || !areWindowsDue(given, board.state(), nowMs)) return
      running = scope
        .run(refresh)
        // Only a cancellation comes this far.
        .catch(() => undefined)
        .finally(() => (running = undefined))
    },
    dueInMs() {
      const { windows, source } = board.state()
      if (running !== undefined || !any || source === undefined) return undefined
      const everyMs = haveWindowsNews(board.state()) ? given.windowEveryMs : OTHERS_MS
      return Math.max(0, (windows.refreshedAtMs ?? 0) + everyMs - Date.now())
    },
    async settle() {
      if (running === undefined) return
      await Promise.race([running, sleep(SETTLE_MS)])
      scope.cancel()
      await running
    },
    async finish() {
      await running
      if (!any) return
      // A refresh is known by its second.
      await sleep(Math.max(1, (board.state().windows.refreshedAtMs ?? 0) + 1000 - Date.now()))
      await refresh()
    },
  }
}

function haveWindowsNews({ windows, watermarkMs, landed }: StreamState): boolean {
  return (windows.batches ?? 0) !== landed.batches || windows.watermarkMs !== watermarkMs
}

function areWindowsDue({ windowEveryMs }: Given, state: StreamState, nowMs: number): boolean {
  const everyMs = haveWindowsNews(state) ? windowEveryMs : OTHERS_MS
  return state.source !== undefined && nowMs - (state.windows.refreshedAtMs ?? 0) >= everyMs
}

function isMaintenanceDue({ landed, maintenance }: StreamState, nowMs: number): boolean {
  if (nowMs < (maintenance.againAtMs ?? 0)) return false
  const batches = landed.batches - (maintenance.batches ?? 0)
  return batches >= MAINTAIN_BATCHES || (batches > 0 && nowMs - (maintenance.startedAtMs ?? nowMs) >= HOUR_MS)
}

/** A failure is shown and landing goes on: the next time comes. Resolves to whether there are any windows. */
async function refreshWindows(given: Given, board: StreamBoard): Promise<boolean> {
  const { watermarkMs, landed, source } = board.state()
  if (source === undefined) return true
  const refreshedAtMs = Date.now()
  const about = { pipeline: given.pipeline, source, batch: batchIdOf(new Date(refreshedAtMs)) }
  const refresh = { ...about, ...(watermarkMs === undefined ? {} : { watermarkMs }) }
  const options = { ...FEW_ATTEMPTS, summary: `windows of ${source}` }
  try {
    const refreshed = await board.steps.step(
      'windows',
      () => withReplans(() => stream.refreshWindows.executeWithOptions(options, [refresh])),
      describeRefresh,
    )
    if (refreshed.status === 'none') return false
    board.change((state) => {
      const known = later(state.watermarkMs, refreshed.watermarkMs)
      return {
        ...state,
        ...(known === undefined ? {} : { watermarkMs: known }),
        windows: {
          ...without(state.windows, 'error'),
          ...{ refreshedAtMs, batches: landed.batches },
          tables: refreshed.tables.map(({ table }) => table),
          ...(watermarkMs === undefined ? {} : { watermarkMs }),
        },
      }
    })
    const { publishedAtMs } = board.state().windows
    if (publishedAtMs !== undefined && refreshedAtMs - publishedAtMs < HOUR_MS) return true
    await board.steps.step(
      'publish',
      () => stream.publishWindows.executeWithOptions(options, [{ ...about, run: runInfo() }]),
      ({ publish, status }) => publish?.tag ?? status,
    )
    board.change((state) => ({ ...state, windows: { ...state.windows, publishedAtMs: refreshedAtMs } }))
  } catch (error) {
    if (isCancellation(error)) throw error
    const why = rootCause(error) ?? 'the windows could not be written'
    board.change((state) => ({ ...state, windows: { ...state.windows, refreshedAtMs, error: why } }))
  }
  return true
}

function describeRefresh({ status, tables }: WindowRefreshResult): string {
  if (status !== 'refreshed') return status
  const sum = (count: (table: RefreshedWindows) => number): number =>
    tables.reduce((total, table) => total + count(table), 0)
  return `${sum((t) => t.windows)} windows, ${sum((t) => t.rows)} rows, ${sum((t) => t.late)} late records`
}

/**
 * Abandoned: it goes on where the stream continues as new or ends. Where another runs already, it comes after that one, and
 * finds nothing due where that one did these tables.
 */
async function startMaintenance({ pipeline }: Given, board: StreamBoard): Promise<void> {
  const { source, landed, windows, maintenance: before } = board.state()
  const landing = source === undefined ? [] : [`raw.${source}`, 'raw.dead_letters']
  const tables = [...landing, ...(windows.tables ?? [])]
  const inTurn = patched('stream-maintenance-in-turn')
  const input: MaintainLakeInput = { pipeline, tables, ...(inTurn ? { due: true } : {}) }
  const maintenance = { startedAtMs: Date.now(), batches: landed.batches }
  board.change((state) => ({ ...state, maintenance }))
  try {
    await CancellationScope.nonCancellable(() =>
      startChild(maintainLake, {
        workflowId: workflowIds.maintain(),
        args: [input],
        memo: { [INPUT_MEMO]: JSON.stringify(input) },
        staticSummary: `maintain the stream of ${pipeline}`,
        parentClosePolicy: ParentClosePolicy.ABANDON,
      }),
    )
    board.tell('maintain', { state: 'done', note: `started after ${landed.batches} micro-batches` })
  } catch (error) {
    if (error instanceof WorkflowExecutionAlreadyStartedError) {
      const againAtMs = Date.now() + IN_TURN_MS
      if (inTurn) board.change((state) => ({ ...state, maintenance: { ...before, againAtMs } }))
      return
    }
    const why = rootCause(error) ?? 'maintenance could not be started'
    board.change((state) => ({ ...state, maintenance: { ...maintenance, error: why } }))
  }
}
