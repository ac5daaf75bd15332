import { badRequest } from './problem.js'

export interface Page<T> {
  readonly items: readonly T[]
  /** Absent on the last page. */
  readonly token?: string
}

const MAX_PAGE = 10_000

/**
 * One page of a list, in the order of its keys. A token names the item that the page before ended with, so what is added or removed in between
 * shifts nothing. Without `pageToken` the client wants no pages.
 */
export function pageOf<T>(
  all: readonly T[],
  keyOf: (item: T) => string,
  query: { readonly pageToken?: string | undefined; readonly pageSize?: string | undefined },
): Page<T> {
  const { pageToken, pageSize } = query
  if (pageToken === undefined && pageSize === undefined) return { items: all }
  const size = Number(pageSize ?? 1000)
  if (!Number.isInteger(size) || size < 1)
    throw badRequest(`pageSize is ${pageSize}; give a positive integer`)
  const after = pageToken === undefined || pageToken === '' ? undefined : decodeToken(pageToken)
  const sorted = [...all].sort((left, right) => (keyOf(left) < keyOf(right) ? -1 : 1))
  const rest = after === undefined ? sorted : sorted.filter((item) => keyOf(item) > after)
  const items = rest.slice(0, Math.min(size, MAX_PAGE))
  const last = items.at(-1)
  return items.length < rest.length && last !== undefined
    ? { items, token: Buffer.from(`after:${keyOf(last)}`).toString('base64url') }
    : { items }
}

function decodeToken(token: string): string {
  const text = Buffer.from(token, 'base64url').toString()
  if (!text.startsWith('after:')) throw badRequest('pageToken is not one that this server gave')
  return text.slice('after:'.length)
}
