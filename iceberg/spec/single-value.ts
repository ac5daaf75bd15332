import { IcebergError } from '../error.js'
import type { PrimitiveType, Value } from './type.js'

/** A value's single-value binary form (Iceberg spec, Appendix D). */
export function encodeValue(type: PrimitiveType, value: Value): Uint8Array {
  switch (type) {
    case 'boolean':
      return Uint8Array.of(value === true ? 1 : 0)
    case 'int':
    case 'date':
      return withView(4, (view) => view.setInt32(0, asNumber(type, value), true))
    case 'float':
      return withView(4, (view) => view.setFloat32(0, asNumber(type, value), true))
    case 'double':
      return withView(8, (view) => view.setFloat64(0, asNumber(type, value), true))
    case 'string':
      return utf8Encoder.encode(asString(type, value))
    case 'uuid':
      return uuidToBytes(asString(type, value))
    default:
      if (isLongLike(type)) return withView(8, (view) => view.setBigInt64(0, asBigInt(type, value), true))
      return type.startsWith('decimal') ? bigIntToBytes(asBigInt(type, value)) : asBytes(type, value)
  }
}

/**
 * The inverse of `encodeValue`. Reads also what was written before a promotion: 4 bytes of an int as a long, of a float
 * as a double.
 */
export function decodeValue(type: PrimitiveType, bytes: Uint8Array): Value {
  switch (type) {
    case 'boolean':
      return viewOf(type, bytes, 1).getUint8(0) !== 0
    case 'int':
    case 'date':
      return viewOf(type, bytes, 4).getInt32(0, true)
    case 'float':
      return viewOf(type, bytes, 4).getFloat32(0, true)
    case 'double':
      return bytes.length === 4
        ? viewOf(type, bytes, 4).getFloat32(0, true)
        : viewOf(type, bytes, 8).getFloat64(0, true)
    case 'string':
      return utf8Decoder.decode(bytes)
    case 'uuid':
      return bytesToUuid(bytes)
    default:
      if (isLongLike(type)) return decodeLong(type, bytes)
      return type.startsWith('decimal') ? bytesToBigInt(bytes) : bytes
  }
}

/**
 * Order of two values of one type: negative, 0 or positive. Strings go by code point (as their UTF-8 bytes do), bytes
 * are unsigned, NaN is greater than every number and equal to itself, -0 equals 0.
 */
export function compareValues(_type: PrimitiveType, a: Value, b: Value): number {
  if (typeof a === 'string') return compareStrings(a, String(b))
  if (a instanceof Uint8Array) return b instanceof Uint8Array ? Buffer.compare(a, b) : 1
  if (a < b) return -1
  if (a > b) return 1
  if (typeof a !== 'number' || typeof b !== 'number') return 0
  return Number(Number.isNaN(a)) - Number(Number.isNaN(b))
}

/** Two's complement, big-endian, as few bytes as hold it: the form of decimals. */
export function bigIntToBytes(value: bigint): Uint8Array {
  let length = 1
  while (BigInt.asIntN(length * 8, value) !== value) length++
  return bigIntToFixed(value, length)
}

/** Two's complement, big-endian, in `length` bytes. */
export function bigIntToFixed(value: bigint, length: number): Uint8Array {
  const bytes = new Uint8Array(length)
  let rest = value
  for (let index = length - 1; index >= 0; index--) {
    bytes[index] = Number(rest & 0xffn)
    rest >>= 8n
  }
  return bytes
}

export function bytesToBigInt(bytes: Uint8Array): bigint {
  let value = 0n
  for (const byte of bytes) value = (value << 8n) | BigInt(byte)
  return BigInt.asIntN(bytes.length * 8, value)
}

export function uuidToBytes(uuid: string): Uint8Array {
  const hex = uuid.replaceAll('-', '')
  if (!/^[0-9a-fA-F]{32}$/.test(hex)) {
    throw new IcebergError('invalid-argument', `'${uuid}' is not a UUID: give 32 hexadecimal digits`)
  }
  return Uint8Array.from(Buffer.from(hex, 'hex'))
}

export function bytesToUuid(bytes: Uint8Array): string {
  if (bytes.length !== 16) throw wrongLength('uuid', bytes, 16)
  return Buffer.from(bytes)
    .toString('hex')
    .replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')
}

/** Whether values of the type are 8-byte integers, `bigint` in memory. */
export function isLongLike(type: PrimitiveType): boolean {
  return type === 'long' || type.startsWith('time')
}

function decodeLong(type: PrimitiveType, bytes: Uint8Array): bigint {
  if (type === 'long' && bytes.length === 4) return BigInt(viewOf(type, bytes, 4).getInt32(0, true))
  return viewOf(type, bytes, 8).getBigInt64(0, true)
}

const utf8Encoder = new TextEncoder()
const utf8Decoder = new TextDecoder('utf-8', { ignoreBOM: true })

/** UTF-16 order differs from code point order only where a surrogate meets a unit above the surrogates. */
function compareStrings(a: string, b: string): number {
  const length = Math.min(a.length, b.length)
  for (let index = 0; index < length; index++) {
    const left = a.charCodeAt(index)
    const right = b.charCodeAt(index)
    if (left !== right) return codePointRank(left) - codePointRank(right)
  }
  return a.length - b.length
}

function codePointRank(unit: number): number {
  return unit >= 0xd800 && unit <= 0xdfff ? unit + 0x10000 : unit
}

function withView(length: number, set: (view: DataView) => void): Uint8Array {
  const bytes = new Uint8Array(length)
  set(new DataView(bytes.buffer))
  return bytes
}

function viewOf(type: PrimitiveType, bytes: Uint8Array, length: number): DataView {
  if (bytes.length !== length) throw wrongLength(type, bytes, length)
  return new DataView(bytes.buffer, bytes.byteOffset, length)
}

function wrongLength(type: PrimitiveType, bytes: Uint8Array, length: number): IcebergError {
  return new IcebergError('data-invalid', `a ${type} takes ${length} bytes, but there are ${bytes.length}`)
}

function asNumber(type: PrimitiveType, value: Value): number {
  if (typeof value === 'number' || typeof value === 'bigint') return Number(value)
  throw wrongKind(type, value)
}

function asBigInt(type: PrimitiveType, value: Value): bigint {
  if (typeof value === 'bigint') return value
  if (typeof value === 'number' && Number.isInteger(value)) return BigInt(value)
  throw wrongKind(type, value)
}

function asString(type: PrimitiveType, value: Value): string {
  if (typeof value === 'string') return value
  throw wrongKind(type, value)
}

function asBytes(type: PrimitiveType, value: Value): Uint8Array {
  if (value instanceof Uint8Array) return value
  throw wrongKind(type, value)
}

function wrongKind(type: PrimitiveType, value: Value): IcebergError {
  return new IcebergError('invalid-argument', `${typeof value} '${String(value)}' is not a value of ${type}`)
}
