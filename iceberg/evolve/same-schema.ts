import { stringifyJson } from '../spec/json.js'
import type { Schema } from '../spec/type.js'

/** Equal but for the id and the order of members. */
export function sameSchema(left: Schema, right: Schema): boolean {
  return canonical({ ...left, 'schema-id': 0 }) === canonical({ ...right, 'schema-id': 0 })
}

function canonical(value: unknown): string {
  return stringifyJson(sorted(value))
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted)
  if (typeof value !== 'object' || value === null) return value
  const members = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1))
  return Object.fromEntries(members.map(([key, member]) => [key, sorted(member)]))
}
