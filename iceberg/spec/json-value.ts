import { IcebergError } from '../error.js'

/** A JSON object of which nothing is known yet. */
export type Json = Readonly<Record<string, unknown>>

/** Readers of what `parseJson` gave: the value in its type, or `data-invalid` that names it. */
export function asObject(value: unknown, what: string): Json {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Json
  throw invalid(what, 'an object')
}

export function asList(value: unknown, what: string): readonly unknown[] {
  if (Array.isArray(value)) return value
  throw invalid(what, 'a list')
}

export function asObjects(value: unknown, what: string): readonly Json[] {
  return asList(value, what).map((item) => asObject(item, `an item of ${what}`))
}

export function asStrings(value: unknown, what: string): readonly string[] {
  return asList(value, what).map((item) => asString(item, `an item of ${what}`))
}

/** Integers that are no 64-bit ids. */
export function asNumbers(value: unknown, what: string): readonly number[] {
  return asList(value, what).map((item) => asNumber(item, `an item of ${what}`))
}

export function asNumber(value: unknown, what: string): number {
  if (Number.isSafeInteger(value)) return value as number
  throw invalid(what, 'an integer')
}

export function asString(value: unknown, what: string): string {
  if (typeof value === 'string') return value
  throw invalid(what, 'a string')
}

/** `{}` where it is absent or null. Numbers and booleans, which some servers send, become their text. */
export function asStringMap(value: unknown, what: string): Readonly<Record<string, string>> {
  if (value === undefined || value === null) return {}
  const entries = Object.entries(asObject(value, what)).filter(([, item]) => item !== null)
  return Object.fromEntries(
    entries.map(([key, item]) => {
      const isText = typeof item === 'string'
      const isPlain = isText || ['number', 'boolean', 'bigint'].includes(typeof item)
      if (!isPlain) throw invalid(`${what} ${JSON.stringify(key)}`, 'a string')
      return [key, String(item)]
    }),
  )
}

function invalid(what: string, type: string): IcebergError {
  return new IcebergError('data-invalid', `${what} is missing or not ${type}`)
}
