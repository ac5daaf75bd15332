import { createHash } from 'node:crypto'
import { canonicalJson } from '../../schemas/canonical-json.js'

/** SHA-256, in hex, of the canonical JSON of a value. */
export function digestOf(value: unknown): string {
  return createHash('sha256').update(canonicalJson(value)).digest('hex')
}
