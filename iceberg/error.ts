/** What went wrong, as a closed set a caller can branch on. A kind survives process borders; a class does not. */
export type IcebergErrorKind =
  /** Definite: somebody else committed first. Rebase on fresh metadata and try again. */
  | 'commit-conflict'
  /** The answer was lost (time-out, 5xx, crash of the connection): the commit may or may not have happened. */
  | 'commit-unknown'
  /** Definite and final: never retried. */
  | 'commit-rejected'
  /** The change was computed from a table state that has moved in a way that matters: compute it again. */
  | 'rebuild-needed'
  | 'data-invalid'
  | 'not-found'
  | 'already-exists'
  /** A namespace that still holds something. */
  | 'not-empty'
  | 'unsupported'
  | 'invalid-argument'
  /** The store or the catalog failed before anything was changed. */
  | 'io'

const RETRYABLE: ReadonlySet<IcebergErrorKind> = new Set(['commit-conflict', 'commit-unknown', 'io'])

/** What an error tells beside its message: ids, paths, expected and got. Never a secret. */
export interface IcebergErrorOptions {
  readonly context?: Readonly<Record<string, unknown>>
  readonly cause?: unknown
}

/** The one error class of `firnlake/iceberg`. `message` says what failed, with which values and what to do next. */
export class IcebergError extends Error {
  readonly kind: IcebergErrorKind
  readonly retryable: boolean
  readonly context: Readonly<Record<string, unknown>>

  constructor(kind: IcebergErrorKind, message: string, options: IcebergErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = 'IcebergError'
    this.kind = kind
    this.retryable = RETRYABLE.has(kind)
    this.context = options.context ?? {}
  }
}

/** Whether something thrown is an `IcebergError`, of this kind where one is named. */
export function isIcebergError(error: unknown, kind?: IcebergErrorKind): error is IcebergError {
  return error instanceof IcebergError && (kind === undefined || error.kind === kind)
}

/** What was asked for; undefined where it is `not-found`. */
export async function ifFound<T>(asked: Promise<T>): Promise<T | undefined> {
  try {
    return await asked
  } catch (error) {
    if (isIcebergError(error, 'not-found')) return undefined
    throw error
  }
}

/** Closes a switch over a tagged union: the compiler proves that it is never reached. */
export function assertNever(value: never): never {
  const shown = JSON.stringify(value, (_, item: unknown) => (typeof item === 'bigint' ? String(item) : item))
  throw new IcebergError('data-invalid', `unexpected value ${shown}`)
}
