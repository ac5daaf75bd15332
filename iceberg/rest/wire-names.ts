import { IcebergError } from '../error.js'
import { asList, asObject, asString } from '../spec/json-value.js'
import type { TableIdentifier } from '../catalog/catalog.js'

/** A table or view as the REST catalog names it. */
export interface WireIdentifier {
  readonly namespace: readonly string[]
  readonly name: string
}

/** What parts the levels of a namespace in a path, as it stands in the path. */
export const NAMESPACE_SEPARATOR = '%1F'
const UNIT_SEPARATOR = '\u001f'

export function namespaceLevels(namespace: string): readonly string[] {
  return namespace === '' ? [] : namespace.split('.')
}

/** Levels as this library names them, joined by dots; `unsupported` where a level holds a dot itself. */
export function namespaceOf(levels: readonly string[]): string {
  const wrong = levels.find((level) => level === '' || level.includes('.'))
  if (wrong === undefined) return levels.join('.')
  throw new IcebergError(
    'unsupported',
    `namespace level ${JSON.stringify(wrong)} is ${wrong === '' ? 'empty' : 'written with a dot, which parts levels here'}; rename it`,
    { context: { levels } },
  )
}

/** One segment of a path. `separator` is as a server's configuration gives it: percent-encoded. */
export function encodeNamespace(namespace: string, separator: string = NAMESPACE_SEPARATOR): string {
  return namespaceLevels(namespace).map(encodeName).join(separator)
}

/** The namespace of a path segment that has been percent-decoded already. */
export function decodeNamespace(segment: string): string {
  return namespaceOf(segment.split(UNIT_SEPARATOR))
}

/** A name as one segment of a path: `invalid-argument` where a URL can't carry it. */
export function encodeName(name: string): string {
  // A URL takes `.` and `..`, however they are encoded, for steps in the path.
  if (name === '' || name === '.' || name === '..' || !isWellFormed(name)) {
    throw new IcebergError(
      'invalid-argument',
      `${JSON.stringify(name)} is not a valid name; use letters and digits`,
    )
  }
  return encodeURIComponent(name)
}

export function toWireIdentifier({ namespace, name }: TableIdentifier): WireIdentifier {
  return { namespace: namespaceLevels(namespace), name }
}

export function parseWireIdentifier(document: unknown): TableIdentifier {
  const identifier = asObject(document, 'an identifier')
  return {
    namespace: parseNamespace(identifier['namespace']),
    name: asString(identifier['name'], 'the name of an identifier'),
  }
}

/** A namespace as bodies spell it: a list of its levels. */
export function parseNamespace(document: unknown): string {
  return namespaceOf(
    asList(document, 'a namespace').map((level) => asString(level, 'a level of a namespace')),
  )
}

/** Half a surrogate pair has no UTF-8; a control character has no place in a name. */
function isWellFormed(name: string): boolean {
  return !/\p{Cc}|\p{Cs}/u.test(name)
}
