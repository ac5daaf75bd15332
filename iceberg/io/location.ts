import { IcebergError } from '../error.js'

const LOCAL_SCHEME = /^file:(?:\/\/)?(?=\/)/

/** The path of a local location: `file:///abs`, `file:/abs` (as Java spells it) or a plain absolute path. */
export function toLocalPath(location: string): string {
  const path = location.replace(LOCAL_SCHEME, '')
  if (!path.startsWith('/') || path.startsWith('//') || path.includes('\0')) {
    throw new IcebergError(
      'invalid-argument',
      `${JSON.stringify(location)} is not a local location; use file:///path or an absolute path`,
      { context: { location } },
    )
  }
  return path
}

/** Whether it is a path, or a `file:` URI, and names no other store. */
export function isLocalLocation(location: string): boolean {
  const scheme = /^([a-z][a-z0-9+.-]*):/i.exec(location)?.[1]
  return scheme === undefined || scheme.toLowerCase() === 'file'
}

/** What stands before the path in a local location, so that a listing spells its locations as it was asked. */
export function localPrefix(location: string): string {
  return LOCAL_SCHEME.exec(location)?.[0] ?? ''
}

/** A location below another, with one slash between the parts. */
export function joinLocation(base: string, ...parts: readonly string[]): string {
  return [base.replace(/\/+$/, ''), ...parts].join('/')
}

/** In the order of their UTF-8 bytes, as object stores list: UTF-16 puts a few characters elsewhere. */
export function compareLocations(a: string, b: string): number {
  const length = Math.min(a.length, b.length)
  for (let i = 0; i < length; i += 1) {
    const [x, y] = [a.charCodeAt(i), b.charCodeAt(i)]
    if (x !== y) return rankOf(x) - rankOf(y)
  }
  return a.length - b.length
}

/** Halves of pairs stand for characters behind all others. */
function rankOf(unit: number): number {
  if (unit < 0xd800) return unit
  return unit < 0xe000 ? unit + 0x2000 : unit - 0x800
}
