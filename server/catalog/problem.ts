import { isIcebergError, type IcebergError, type IcebergErrorKind } from '../../iceberg/error.js'

/** An answer that refuses: `type` names the exception that Java's client throws for it. */
export class Problem extends Error {
  readonly status: number
  readonly type: string

  constructor(status: number, type: string, message: string, options?: { readonly cause?: unknown }) {
    super(message, options)
    this.name = 'Problem'
    this.status = status
    this.type = type
  }
}

/** What a request is about, since clients look for words that depend on it. */
export interface Subject {
  readonly kind: 'namespace' | 'table' | 'view'
  readonly rename?: { readonly from: string; readonly to: string }
}

type Shape = readonly [status: number, type: string]

const SHAPES: Readonly<Record<IcebergErrorKind, Shape>> = {
  'commit-conflict': [409, 'CommitFailedException'],
  'rebuild-needed': [409, 'CommitFailedException'],
  'commit-rejected': [400, 'IllegalArgumentException'],
  // Clients keep the files of a commit that answers 5xx: they do not know whether it happened.
  'commit-unknown': [500, 'CommitStateUnknownException'],
  'data-invalid': [500, 'ServiceFailureException'],
  'not-found': [404, 'NotFoundException'],
  'already-exists': [409, 'AlreadyExistsException'],
  'not-empty': [409, 'NamespaceNotEmptyException'],
  unsupported: [406, 'UnsupportedOperationException'],
  'invalid-argument': [400, 'BadRequestException'],
  io: [503, 'ServiceUnavailableException'],
}

/** Every error of the library as an answer; anything else is a fault of this server, whose reason stays in its log. */
export function problemOf(error: unknown, subject: Subject): Problem {
  if (error instanceof Problem) return error
  if (isIcebergError(error)) {
    const [status, type] = SHAPES[error.kind]
    return special(error, subject) ?? new Problem(status, type, error.message, { cause: error })
  }
  return new Problem(500, 'ServiceFailureException', 'the server failed; its log says why', { cause: error })
}

export function badRequest(message: string): Problem {
  return new Problem(400, 'BadRequestException', message)
}

/** Texts that clients compare. */
function special(error: IcebergError, subject: Subject): Problem | undefined {
  const { namespace, table, view } = error.context
  const names = { namespace, table, view }
  for (const kind of ['namespace', 'table', 'view'] as const) {
    const name = names[kind]
    if (typeof name !== 'string') continue
    const Kind = `${kind.slice(0, 1).toUpperCase()}${kind.slice(1)}`
    if (error.kind === 'not-found')
      return new Problem(404, `NoSuch${Kind}Exception`, `${Kind} does not exist: ${name}`)
    if (error.kind === 'already-exists')
      return new Problem(409, 'AlreadyExistsException', takenText(Kind, name, kind === subject.kind, subject))
    if (error.kind === 'not-empty')
      return new Problem(
        409,
        'NamespaceNotEmptyException',
        `Namespace ${name} is not empty. ${error.message}`,
      )
  }
  return undefined
}

function takenText(Kind: string, name: string, isSameKind: boolean, { rename }: Subject): string {
  if (rename !== undefined) return `Cannot rename ${rename.from} to ${rename.to}. ${Kind} already exists`
  return isSameKind ? `${Kind} already exists: ${name}` : `${Kind} with same name already exists: ${name}`
}
