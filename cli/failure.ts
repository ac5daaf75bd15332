export interface Failure {
  readonly kind: string
  readonly message: string
  /** 1 ran and failed, 2 usage, 3 crashed. */
  readonly exitCode: 1 | 2 | 3
}

const USAGE_KINDS = new Set(['invalid-input', 'invalid-argument', 'not-empty', 'not-found', 'sql-invalid'])
const OUR_ERRORS = new Set(['FirnError', 'IcebergError', 'EngineError'])
/** How a workflow ends that none of its activities ended. */
const ENDINGS: Readonly<Record<string, string>> = {
  CancelledFailure: 'was cancelled; what earlier steps published stays',
  TerminatedFailure: 'was terminated; run it again',
  TimeoutFailure: 'ran out of time; look at it in Temporal’s UI and run it again',
}

/** Turns any error into what a user reads: the innermost error of a failed workflow, never a stack. */
export function describeFailure(error: unknown): Failure {
  const known = findKnown(error)
  if (known === undefined || known.kind === 'unexpected') {
    const message = known?.message ?? (error instanceof Error ? error.message : String(error))
    return { kind: 'crashed', message: `${message} (set FIRN_DEBUG=1 to see where)`, exitCode: 3 }
  }
  return { ...known, exitCode: USAGE_KINDS.has(known.kind) ? 2 : 1 }
}

/**
 * A workflow's failure wraps the activity's, which wraps the core's: the deepest one of ours says most. Known by name:
 * loading the classes would load Temporal and the engine for every command.
 */
function findKnown(error: unknown): { kind: string; message: string } | undefined {
  let found: { kind: string; message: string } | undefined
  let current = error
  for (let depth = 0; current instanceof Error && depth < 20; depth += 1) {
    const { name, message, cause } = current
    if (OUR_ERRORS.has(name)) return { kind: kindOf(current, 'kind'), message }
    if (name === 'ApplicationFailure') found = { kind: kindOf(current, 'type'), message }
    const ending = ENDINGS[name]
    if (ending !== undefined)
      found ??= { kind: name === 'CancelledFailure' ? 'cancelled' : 'failed', message: `it ${ending}` }
    current = cause
  }
  return found
}

function kindOf(error: Error, key: string): string {
  const kind = (error as unknown as Readonly<Record<string, unknown>>)[key]
  return typeof kind === 'string' ? kind : 'failed'
}
