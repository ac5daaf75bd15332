import { FirnError } from './error.js'

/**
 * The canonical text of a JSON value (RFC 8785): members ordered by UTF-16 code units, numbers as ECMAScript writes
 * them, no white space. One widening: an integer that no double holds exactly (a bigint) keeps its digits, since
 * rounding would give two records one identity.
 */
export function canonicalJson(value: unknown): string {
  if (value === null || typeof value === 'string' || typeof value === 'boolean') return JSON.stringify(value)
  if (typeof value === 'number' && Number.isFinite(value)) return JSON.stringify(value)
  if (typeof value === 'bigint') {
    return BigInt(Number(value)) === value ? JSON.stringify(Number(value)) : value.toString()
  }
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`
  if (typeof value === 'object') return canonicalObject(value as Readonly<Record<string, unknown>>)
  const what = typeof value === 'number' ? String(value) : `a ${typeof value}`
  throw new FirnError('invalid-input', `${what} has no canonical JSON form; leave it out or say null`)
}

/** The default sort of JavaScript strings is by UTF-16 code units, as the RFC asks. */
function canonicalObject(value: Readonly<Record<string, unknown>>): string {
  const members = Object.keys(value)
    .filter((key) => value[key] !== undefined)
    .sort()
    .map((key) => `${JSON.stringify(key)}:${canonicalJson(value[key])}`)
  return `{${members.join(',')}}`
}
