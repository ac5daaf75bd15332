import { FirnError } from '../../schemas/error.js'

const MAX_HEAP_MB = 2048

/** A thread that needs more than this for its documents is stopped, not the worker. */
export const THREAD_LIMITS = { maxOldGenerationSizeMb: MAX_HEAP_MB }

/** Why a thread that reads documents died, as an `error` of its worker tells. */
export function threadFailure(thread: 'parsing' | 'packing', error: Error): FirnError {
  const outOfMemory = 'code' in error && error.code === 'ERR_WORKER_OUT_OF_MEMORY'
  return outOfMemory
    ? new FirnError(
        'contract-broken',
        `a document needs more than ${MAX_HEAP_MB} MiB to read; lower maxDocumentBytes`,
      )
    : new FirnError('io', `the ${thread} thread failed: ${error.message}`, { cause: error })
}

/** It ended before it said how its task went. */
export function threadEnded(thread: 'parsing' | 'packing', exitCode: number): FirnError {
  return new FirnError('io', `the ${thread} thread ended early (exit code ${exitCode})`)
}

export function landingCancelled(): FirnError {
  return new FirnError('cancelled', 'the landing was cancelled; nothing of it is visible')
}
