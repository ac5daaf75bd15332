import { ApplicationFailure } from '@temporalio/common'
import { EngineError } from '../engine/engine.js'
import { IcebergError } from '../iceberg/error.js'
import { FirnError } from '../schemas/error.js'

export interface Failure {
  readonly kind: string
  readonly message: string
  /** 1 ran and failed, 2 usage, 3 crashed. */
  readonly exitCode: 1 | 2 | 3
}

const USAGE_KINDS = new Set(['invalid-input', 'invalid-argument', 'not-found', 'sql-invalid'])

/** Turns any error into what a user reads: the innermost error of a failed workflow, never a stack. */
export function describeFailure(error: unknown): Failure {
  const known = findKnown(error)
  if (known !== undefined) return { ...known, exitCode: USAGE_KINDS.has(known.kind) ? 2 : 1 }
  const message = error instanceof Error ? error.message : String(error)
  return { kind: 'crashed', message: `${message} (set FIRN_DEBUG=1 to see where)`, exitCode: 3 }
}

/** A workflow's failure wraps the activity's, which wraps the core's: the deepest one of ours says most. */
function findKnown(error: unknown): { kind: string; message: string } | undefined {
  let found: { kind: string; message: string } | undefined
  for (
    let current = error, depth = 0;
    current instanceof Error && depth < 20;
    current = current.cause, depth += 1
  ) {
    if (current instanceof FirnError || current instanceof IcebergError || current instanceof EngineError) {
      return { kind: current.kind, message: current.message }
    }
    if (current instanceof ApplicationFailure)
      found = { kind: current.type ?? 'failed', message: current.message }
  }
  return found
}
