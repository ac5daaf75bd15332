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
