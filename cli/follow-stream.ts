import type { WorkflowHandle } from '@temporalio/client'
import { FirnError } from '../schemas/error.js'
import type { StreamResult } from '../schemas/stream-messages.js'
import { aborted } from './interruption.js'
import { streamLine } from './print-stream.js'
import type { Progress } from './progress.js'
import { askStatus } from './stream-handle.js'

/** A line that is drawn over can change often; printed ones must not fill the screen. */
const POLL_MS = process.stderr.isTTY ? 500 : 5000
const CANCEL_MAX_MS = 20_000

export interface FollowedStream {
  readonly handle: WorkflowHandle
  readonly progress: Progress
  readonly signal: AbortSignal
  /** Its server ends with this command, and so it is stopped when the signal is aborted; else it goes on. */
  readonly ownServer: boolean
  readonly stopCommand: string
}

/** Shows what a stream does until it ends: drained, stopped, failed. */
export async function followStream(followed: FollowedStream): Promise<StreamResult> {
  const { handle, progress, signal } = followed
  const stop = aborted(signal)
  const result = handle.result() as Promise<StreamResult>
  const ended = result.then(
    () => 'ended',
    () => 'ended',
  )
  do {
    if (signal.aborted) throw await stopFollowing(followed, ended)
    // Not started yet, or just ended: the next time or the result tells.
    const status = await askStatus(handle).catch(() => undefined)
    if (status !== undefined) progress.update(streamLine(status))
  } while ((await Promise.race([ended, stop, pause(POLL_MS)])) !== 'ended')
  return result
}

async function stopFollowing(
  { handle, progress, ownServer, stopCommand }: FollowedStream,
  ended: Promise<unknown>,
): Promise<FirnError> {
  if (!ownServer) {
    return new FirnError('cancelled', `stopped watching; the stream goes on. \`${stopCommand}\` stops it.`)
  }
  progress.update('stopping (Ctrl-C again ends it at once)')
  await handle.cancel()
  await Promise.race([ended, pause(CANCEL_MAX_MS)])
  return new FirnError('cancelled', 'the stream is stopped; what it landed stays. Start it again to go on.')
}

function pause(ms: number): Promise<unknown> {
  return new Promise((resolve) => setTimeout(resolve, ms).unref())
}
