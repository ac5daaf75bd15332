import { isIcebergError } from '../../iceberg/error.js'
import { EngineError } from '../engine.js'
import type { EngineErrorKind } from '../engine.js'

/** DuckDB names the class of an error at the start of its message. */
const KINDS: readonly (readonly [RegExp, EngineErrorKind])[] = [
  [/^INTERRUPT/i, 'cancelled'],
  [/^(Parser|Binder|Catalog|Syntax|Parameter|Expression|Permission|Missing Extension)/i, 'sql-invalid'],
  [
    /^(Conversion|Constraint|Out of Range|Invalid Error|Invalid Input|Invalid Type|Mismatch Type|Sequence)/i,
    'data-invalid',
  ],
  [/^(Not implemented)/i, 'unsupported'],
  [/^(IO|Out of Memory|HTTP|FATAL|INTERNAL|TransactionContext)/i, 'io'],
]

/** Any failure of a statement → an EngineError with DuckDB's own words. */
export function engineErrorOf(cause: unknown, sql: string): EngineError {
  if (cause instanceof EngineError) return cause
  const message = cause instanceof Error ? cause.message : String(cause)
  // Readers that run within a statement have words of their own.
  if (isIcebergError(cause))
    return new EngineError(cause.kind === 'unsupported' ? 'unsupported' : 'data-invalid', message, { cause })
  const kind = KINDS.find(([pattern]) => pattern.test(message))?.[1] ?? 'sql-invalid'
  return new EngineError(kind, message, { context: { sql: sql.slice(0, 10_000) }, cause })
}

/** Errors after which an instance answers nothing any more. */
export function isFatal(error: EngineError): boolean {
  return /^(FATAL|INTERNAL)/i.test(error.message) || error.message.includes('database has been invalidated')
}
