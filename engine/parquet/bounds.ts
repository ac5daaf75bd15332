import { encodeValue } from '../../iceberg/spec/single-value.js'
import { truncateString } from '../../iceberg/spec/transform.js'
import type { PrimitiveType, Value } from '../../iceberg/spec/type.js'

/** Code points of a string, or bytes, that a bound keeps (Iceberg's default metrics mode `truncate(16)`). */
const BOUND_LENGTH = 16

/** The binary form of a lower bound: at most the value. */
export function lowerBound(type: PrimitiveType, least: Value): Uint8Array {
  if (typeof least === 'string' && type === 'string') {
    return encodeValue(type, truncateString(least, BOUND_LENGTH))
  }
  if (type === 'binary' && least instanceof Uint8Array) return least.slice(0, BOUND_LENGTH)
  // Readers order -0 before 0, and Parquet's writers may not tell them apart.
  return encodeValue(type, least === 0 && isFloat(type) ? -0 : least)
}

/** The binary form of an upper bound: at least the value; `undefined` where a cut value has no successor. */
export function upperBound(type: PrimitiveType, greatest: Value): Uint8Array | undefined {
  if (typeof greatest === 'string' && type === 'string') {
    const cut = truncateString(greatest, BOUND_LENGTH)
    if (cut.length === greatest.length) return encodeValue(type, greatest)
    const next = successor(cut)
    return next === undefined ? undefined : encodeValue(type, next)
  }
  if (type === 'binary' && greatest instanceof Uint8Array) {
    return greatest.length <= BOUND_LENGTH ? greatest : bytesSuccessor(greatest.slice(0, BOUND_LENGTH))
  }
  return encodeValue(type, greatest === 0 && isFloat(type) ? 0 : greatest)
}

function isFloat(type: PrimitiveType): boolean {
  return type === 'float' || type === 'double'
}

/** The least string greater than all that start with `text`: its last code point that can grow grows by one. */
function successor(text: string): string | undefined {
  const points = Array.from(text, (point) => point.codePointAt(0) ?? 0)
  for (let index = points.length - 1; index >= 0; index--) {
    const point = points[index] ?? 0
    if (point >= 0x10ffff) continue
    // Surrogates are no characters of their own.
    const next = point === 0xd7ff ? 0xe000 : point + 1
    return String.fromCodePoint(...points.slice(0, index), next)
  }
  return undefined
}

function bytesSuccessor(bytes: Uint8Array): Uint8Array | undefined {
  for (let index = bytes.length - 1; index >= 0; index--) {
    const byte = bytes[index] ?? 0
    if (byte < 255) return Uint8Array.of(...bytes.slice(0, index), byte + 1)
  }
  return undefined
}
