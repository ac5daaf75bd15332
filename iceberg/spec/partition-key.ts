import type { Value } from './type.js'

/** Equal for equal partitions of one spec, and for no others. */
export function partitionKey(of: {
  readonly specId: number
  readonly partition: readonly (Value | null)[]
}): string {
  return JSON.stringify([of.specId, ...of.partition.map(valueKey)])
}

/** Equal for equal partition values of one type, null included, and for no others. */
export function valueKey(value: Value | null): string {
  if (value instanceof Uint8Array) return `x${Buffer.from(value).toString('hex')}`
  return `${value === null ? 'null' : typeof value}:${String(value)}`
}
