import { IcebergError } from '../error.js'
import type { TableIdentifier } from './catalog.js'

/**
 * A name becomes part of paths, SQL and ref names of other engines, so it is letters, digits and `_ - $ @`, spaces and
 * slashes inside.
 */
const NAME = /^[\p{L}\p{M}\p{N}_$@-](?:[\p{L}\p{M}\p{N}_$@ -]*[\p{L}\p{M}\p{N}_$@-])?$/u
const MAX_BYTES = 200

/** Throws `invalid-argument` for a namespace (levels joined by dots) that no catalog should hold. */
export function checkNamespace(namespace: string): void {
  for (const level of namespace.split('.')) checkName(level, `namespace ${JSON.stringify(namespace)}`)
  if (Buffer.byteLength(namespace) > MAX_BYTES) tooLong('namespace', namespace)
}

export function checkIdentifier(identifier: TableIdentifier): void {
  checkNamespace(identifier.namespace)
  checkName(identifier.name, `table ${JSON.stringify(identifier.name)}`)
}

function checkName(name: string, what: string): void {
  if (Buffer.byteLength(name) > MAX_BYTES) tooLong(what.split(' ')[0] ?? 'name', name)
  if (name.split('/').every((part) => NAME.test(part))) return
  throw new IcebergError(
    'invalid-argument',
    `${what} is not a valid name; use letters, digits, _ - $ @, inner spaces and slashes${name === '' ? ', at least one' : ''}`,
    { context: { name } },
  )
}

function tooLong(what: string, name: string): never {
  throw new IcebergError(
    'invalid-argument',
    `a ${what} may have ${MAX_BYTES} bytes, ${JSON.stringify(name.slice(0, 40))}… has ${Buffer.byteLength(name)}`,
  )
}

/** A name as one step of a path; no name has a `~` itself. */
export function folderOf(name: string): string {
  return name.replaceAll('/', '~')
}

export function nameOfFolder(folder: string): string {
  return folder.replaceAll('~', '/')
}
