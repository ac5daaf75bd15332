import type { Random } from '../random.js'

/** Bytes as a bad disk, a torn write or an enemy leaves them: flipped, cut, repeated, overwritten, swapped. */
export function damage(bytes: Uint8Array, random: Random): Uint8Array {
  const result = Buffer.from(bytes)
  const at = random.below(result.length)
  const length = 1 + random.below(16)
  switch (random.below(7)) {
    case 0:
      return result.subarray(0, at)
    case 1:
      result[at] = (result[at] ?? 0) ^ (1 << random.below(8))
      return result
    case 2:
      result.fill(random.pick([0x00, 0xff, 0x7f, 0x80]), at, Math.min(at + length, result.length))
      return result
    case 3:
      for (let n = 0; n < length; n++) result[random.below(result.length)] = random.below(256)
      return result
    case 4:
      return Buffer.concat([result.subarray(0, at), result.subarray(at + length)])
    case 5:
      return Buffer.concat([
        result.subarray(0, at),
        result.subarray(at, at + length * 4),
        result.subarray(at),
      ])
    default: {
      const other = random.below(result.length)
      const piece = Buffer.from(result.subarray(at, at + length))
      result.copy(result, at, other, other + length)
      piece.copy(result, other)
      return result
    }
  }
}

/** The same for JSON: a value somewhere becomes another, goes, or is there twice. */
export function damageJson(json: unknown, random: Random): unknown {
  const copy = structuredClone(json)
  const places: { readonly parent: Record<string, unknown>; readonly key: string }[] = []
  const visit = (node: unknown): void => {
    if (typeof node !== 'object' || node === null) return
    for (const key of Object.keys(node)) {
      places.push({ parent: node as Record<string, unknown>, key })
      visit((node as Record<string, unknown>)[key])
    }
  }
  visit(copy)
  for (let count = 1 + random.below(2); count > 0; count--) {
    const { parent, key } = random.pick(places)
    if (random.chance(4)) Reflect.deleteProperty(parent, key)
    else parent[key] = structuredClone(random.pick([...ODD, random.pick(places).parent]))
  }
  return copy
}

const ODD: readonly unknown[] = [
  ...[null, true, '', 'x', '-1', -1, 0, 1.5, 1e308, 2 ** 53, [], [null], {}, { '': {} }],
  ...['\u0000', '__proto__', 'a'.repeat(10_000), Array.from({ length: 100 }, () => []), [[[[[[]]]]]]],
]
