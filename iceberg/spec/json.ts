import { IcebergError } from '../error.js'

/** JSON text → value: integers beyond ±(2^53 - 1) become `bigint`, everything else is as `JSON.parse` gives it. */
export function parseJson(text: string): unknown {
  try {
    const mark = unusedMark(text)
    const marked = markBigIntegers(text, mark)
    return marked === undefined
      ? JSON.parse(text)
      : reviveBigIntegers(JSON.parse(marked), String.fromCharCode(mark))
  } catch (cause) {
    if (cause instanceof IcebergError) throw cause
    throw new IcebergError('data-invalid', `not valid JSON: ${cause instanceof Error ? cause.message : ''}`, {
      cause,
    })
  }
}

/** Value → JSON text: `bigint` becomes a bare integer, `undefined` members are left out. */
export function stringifyJson(value: unknown, indent = 0): string {
  const layout = {
    indent: ' '.repeat(indent),
    separator: indent > 0 ? ': ' : ':',
    keys: new Map<string, string>(),
  }
  return write(value, layout, indent > 0 ? '\n' : '')
}

const BIG_INTEGER = /(?<![\d.eE+-])-?\d{16,}(?![\d.eE])/g

/** A control character that the text spells nowhere (raw ones are not JSON), so a marked integer is unambiguous. */
function unusedMark(text: string): number {
  for (let mark = 1; mark < 32; mark++) if (!text.toLowerCase().includes(escapeOf(mark))) return mark
  throw new IcebergError('data-invalid', 'JSON text uses every control character: clean its strings first')
}

function escapeOf(mark: number): string {
  return `\\u${mark.toString(16).padStart(4, '0')}`
}

/** Turns big integers into marked strings; looks only between strings. `undefined`: there were none. */
function markBigIntegers(text: string, mark: number): string | undefined {
  const parts: string[] = []
  let copied = 0
  let position = 0
  while (position < text.length) {
    const quote = text.indexOf('"', position)
    const end = quote < 0 ? text.length : quote
    if (end - position >= 16) {
      for (const match of text.slice(position, end).matchAll(BIG_INTEGER)) {
        if (Number.isSafeInteger(Number(match[0]))) continue
        const start = position + match.index
        parts.push(text.slice(copied, start), `"${escapeOf(mark)}${match[0]}"`)
        copied = start + match[0].length
      }
    }
    position = quote < 0 ? text.length : endOfString(text, quote)
  }
  if (parts.length === 0) return undefined
  parts.push(text.slice(copied))
  return parts.join('')
}

/** The position after the string that starts at `quote`. */
function endOfString(text: string, quote: number): number {
  for (let end = text.indexOf('"', quote + 1); end >= 0; end = text.indexOf('"', end + 1)) {
    let backslashes = 0
    while (text[end - 1 - backslashes] === '\\') backslashes++
    if (backslashes % 2 === 0) return end + 1
  }
  return text.length
}

function reviveBigIntegers(value: unknown, mark: string): unknown {
  if (typeof value === 'string') return value.startsWith(mark) ? BigInt(value.slice(1)) : value
  if (typeof value !== 'object' || value === null) return value
  const holder = value as Record<string, unknown>
  for (const key of Object.keys(holder)) {
    const before = holder[key]
    if (typeof before === 'string' || typeof before === 'object') {
      const after = reviveBigIntegers(before, mark)
      if (after !== before) holder[key] = after
    }
  }
  return value
}

interface Layout {
  readonly indent: string
  readonly separator: string
  /** Keys as they are written; documents repeat few keys often. */
  readonly keys: Map<string, string>
}

function write(value: unknown, layout: Layout, newLine: string): string {
  if (typeof value !== 'object' || value === null) return writePrimitive(value)
  const inner = newLine + layout.indent
  let items = ''
  if (Array.isArray(value)) {
    for (const item of value) items += (items === '' ? '' : ',') + inner + write(item, layout, inner)
    return items === '' ? '[]' : `[${items}${newLine}]`
  }
  const holder = value as Readonly<Record<string, unknown>>
  for (const key of Object.keys(holder)) {
    const item = holder[key]
    if (item === undefined) continue
    items += (items === '' ? '' : ',') + inner + writeKey(key, layout) + write(item, layout, inner)
  }
  return items === '' ? '{}' : `{${items}${newLine}}`
}

function writeKey(key: string, { keys, separator }: Layout): string {
  let written = keys.get(key)
  if (written === undefined) {
    written = JSON.stringify(key) + separator
    keys.set(key, written)
  }
  return written
}

/** `JSON.stringify` has no text for `undefined`; in an array that is `null`. */
function writePrimitive(value: unknown): string {
  if (typeof value === 'bigint') return value.toString()
  return value === undefined ? 'null' : JSON.stringify(value)
}
