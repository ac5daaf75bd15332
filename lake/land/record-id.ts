import { createHash } from 'node:crypto'
import { canonicalJson } from './canonical-json.js'
import { DocumentProblem } from './document-problem.js'

/**
 * What identifies a record, as lower-case hex: SHA-256 over the UTF-8 bytes of `canonicalJson([v1, v2, …])`, the values
 * at the source's identity paths in their declared order, null where a document has none. A document that has none of
 * them breaks its contract: such documents would all pass for one.
 */
export function recordId(identity: readonly string[], document: unknown): string {
  const values = identity.map((path) => valueAt(document, path))
  if (values.every((value) => value === null)) {
    throw new DocumentProblem(
      'missing-field',
      `none of the identity's fields is there: ${identity.join(', ')}`,
    )
  }
  return createHash('sha256').update(canonicalJson(values)).digest('hex')
}

function valueAt(document: unknown, path: string): unknown {
  let value = document
  for (const key of path.split('.')) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, key)) return null
    value = (value as Readonly<Record<string, unknown>>)[key]
  }
  return value
}
