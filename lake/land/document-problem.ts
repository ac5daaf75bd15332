/** Why a record breaks its source's contract; the `error_kind` of `raw.dead_letters`. */
export type DocumentProblemKind =
  | 'malformed-json'
  | 'invalid-utf8'
  | 'not-a-number'
  | 'duplicate-key'
  | 'too-deep'
  | 'too-large'
  | 'unreadable'
  | 'not-an-object'
  | 'missing-field'
  | 'wrong-type'
  | 'out-of-range'
  | 'undeclared-member'
  | 'no-value'

/** Arrays of keys and positions; the text form is `a.b[3]["odd key"]`, with `[]` for any item of a list or map. */
export type DocumentPath = readonly (string | number)[]

/** A step that stands for every item. */
export const ANY_ITEM = -1

/** Caught where a record is read: it becomes a dead letter and never leaves lake/land. */
export class DocumentProblem extends Error {
  readonly kind: DocumentProblemKind
  readonly path: string

  constructor(kind: DocumentProblemKind, message: string, path: DocumentPath = []) {
    super(message)
    this.name = 'DocumentProblem'
    this.kind = kind
    this.path = formatPath(path)
  }
}

/** How an undeclared member is named: by its path, with `[]` for any item. */
export function undeclaredPath(path: DocumentPath): string {
  return formatPath(path.map((step) => (typeof step === 'number' ? ANY_ITEM : step)))
}

function formatPath(path: DocumentPath): string {
  return path
    .map((step, i) => {
      if (typeof step === 'number') return step === ANY_ITEM ? '[]' : `[${step}]`
      if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(step)) return `[${JSON.stringify(step)}]`
      return i === 0 ? step : `.${step}`
    })
    .join('')
}
