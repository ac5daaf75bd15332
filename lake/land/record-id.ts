import * as crypto from 'node:crypto'
import { canonicalJson } from '../../schemas/canonical-json.js'
import { DocumentProblem } from './document-problem.js'
import { valueAt } from './value-at.js'

const oneShot = (crypto as Partial<typeof crypto>).hash

/**
 * What identifies a record, as lower-case hex: SHA-256 over the UTF-8 bytes of `canonicalJson([v1, v2, …])`, the values
 * at the source's identity paths in their declared order, null where a document has none. A document that has none of
 * them breaks its contract: such documents would all pass for one.
 */
export function recordId(identity: readonly string[], document: unknown): string {
  const values = identity.map((path) => valueAt(document, path.split('.')))
  if (values.every((value) => value === null)) {
    throw new DocumentProblem(
      'missing-field',
      `none of the identity's fields is there: ${identity.join(', ')}`,
    )
  }
  return sha256Hex(canonicalJson(values))
}

/** Of UTF-8 bytes. Node 20.12 and later hash short ones in a third of the time. */
export const sha256Hex: (bytes: string | Uint8Array) => string =
  oneShot === undefined
    ? (bytes) => crypto.createHash('sha256').update(bytes).digest('hex')
    : (bytes) => oneShot('sha256', bytes)
