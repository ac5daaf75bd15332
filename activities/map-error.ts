import { ApplicationFailure, CancelledFailure, TemporalFailure } from '@temporalio/common'
import { EngineError } from '../engine/engine.js'
import { IcebergError } from '../iceberg/error.js'
import { FirnError } from '../schemas/error.js'
import { blotSecrets, namesSecret } from './secrets.js'

/**
 * What an activity throws, for any error of the cores: an ApplicationFailure whose type is the error's kind, final
 * (non-retryable) unless the kind is worth another attempt. A class does not cross Temporal, a kind does. Secrets in
 * messages and context are blotted out; causes stay in the worker's log.
 *
 * `cancelled`: the attempt was asked to stop, so an error of kind `cancelled` is the answer to that, not a failure.
 */
export function toFailure(error: unknown, cancelled = false): Error {
  if (error instanceof TemporalFailure) return error
  if (cancelled && (kindOf(error) === 'cancelled' || isAbort(error)))
    return new CancelledFailure('stopped as asked')
  const message = blot(error instanceof Error ? error.message : String(error))
  const kind = kindOf(error)
  if (kind === undefined) {
    // Not one of ours: a defect, or a failing machine. Retried, since attempts are bounded.
    return ApplicationFailure.create({
      message: `unexpected ${error instanceof Error ? error.name : typeof error}: ${message}. If it stays, report it with the worker's log.`,
      type: 'unexpected',
    })
  }
  const { retryable, context } = error as FirnError
  return ApplicationFailure.create({
    message,
    type: kind,
    nonRetryable: !retryable,
    details: Object.keys(context).length === 0 ? [] : [plain(context, 0)],
  })
}

function kindOf(error: unknown): string | undefined {
  return error instanceof FirnError || error instanceof IcebergError || error instanceof EngineError
    ? error.kind
    : undefined
}

function isAbort(error: unknown): boolean {
  return error instanceof Error && error.name === 'AbortError'
}

function blot(text: string): string {
  return blotSecrets(text).slice(0, 4000)
}

/** Context as small plain JSON: 64-bit integers as strings, long texts and lists cut, no secrets. */
function plain(value: unknown, depth: number): unknown {
  if (typeof value === 'bigint') return value.toString()
  if (typeof value === 'string') return blot(value).slice(0, 1000)
  if (typeof value !== 'object' || value === null) return value
  if (depth > 3) return '…'
  if (value instanceof Uint8Array) return `${value.length} bytes`
  if (Array.isArray(value)) return value.slice(0, 20).map((item) => plain(item, depth + 1))
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => [key, namesSecret(key) ? '***' : plain(item, depth + 1)]),
  )
}
