/** Kinds of the pipeline's own errors. All but `stale-range`, `stage-expired`, `rebuild-needed` and `io` are final. */
export type FirnErrorKind =
  | 'invalid-input'
  | 'not-found'
  | 'config'
  | 'contract-broken'
  | 'raw-differs'
  | 'source-changed'
  | 'offsets-lost'
  | 'stale-range'
  | 'stage-expired'
  | 'rebuild-needed'
  | 'check-failed'
  | 'definition-changed'
  | 'training-failed'
  | 'cancelled'
  | 'io'

const RETRYABLE: ReadonlySet<FirnErrorKind> = new Set([
  'stale-range',
  'stage-expired',
  'rebuild-needed',
  'io',
])

/** The one error class of lake/, ml/ and the shells. `message`: what failed, with which values, what to do next. */
export class FirnError extends Error {
  readonly kind: FirnErrorKind
  readonly retryable: boolean
  readonly context: Readonly<Record<string, unknown>>

  constructor(
    kind: FirnErrorKind,
    message: string,
    options: { readonly context?: Readonly<Record<string, unknown>>; readonly cause?: unknown } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = 'FirnError'
    this.kind = kind
    this.retryable = RETRYABLE.has(kind)
    this.context = options.context ?? {}
  }
}
