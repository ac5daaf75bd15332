import { isUtf8 } from 'node:buffer'
import { DocumentProblem } from './document-problem.js'
import { MAX_DEPTH, parseStrictJson } from './strict-json.js'

export interface ParsedDocument {
  /** The document's own text, verbatim but for a byte order mark. */
  readonly text: string
  readonly value: unknown
}

/** What only the strict reader gets right: escapes of surrogates, and integers that a double may round. */
const NEEDS_STRICT = /\\u[dD]|(?:^|[[,:\s-])\d{16,}(?![\d.eE])/

const FRAMED =
  'the bytes begin with a zero, as in the framing of a schema registry (Avro, Protobuf, JSON Schema): ' +
  'send plain JSON, e.g. with the JSON serializer that knows no registry'

/**
 * A document's bytes as JSON; throws DocumentProblem. JSON.parse reads it, and the number of colons outside strings
 * must equal the number of members it saw: where one was overwritten by a duplicate key, it does not.
 */
export function parseDocument(bytes: Uint8Array): ParsedDocument {
  if (bytes[0] === 0) throw new DocumentProblem('malformed-json', FRAMED)
  if (!isUtf8(bytes)) throw new DocumentProblem('invalid-utf8', 'the bytes are not UTF-8')
  const text = new TextDecoder().decode(bytes)
  if (text.trim() === '') throw new DocumentProblem('malformed-json', 'the document is empty')
  const { colons, depth } = structureOf(bytes)
  if (depth > MAX_DEPTH) throw new DocumentProblem('too-deep', `nested deeper than ${MAX_DEPTH} levels`)
  const value = quickParse(text)
  if (value !== undefined && !NEEDS_STRICT.test(text) && countMembers(value) === colons)
    return { text, value }
  const strict = parseStrictJson(text)
  if (value === undefined) throw new DocumentProblem('malformed-json', 'the document is not JSON')
  return { text, value: strict }
}

function quickParse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** Colons outside strings and the deepest nesting, in one pass over the bytes. */
function structureOf(bytes: Uint8Array): { readonly colons: number; readonly depth: number } {
  let colons = 0
  let level = 0
  let depth = 0
  let inString = false
  for (let i = 0; i < bytes.length; i++) {
    const byte = bytes[i]
    if (inString) {
      if (byte === 0x5c) i += 1
      else if (byte === 0x22) inString = false
    } else if (byte === 0x22) inString = true
    else if (byte === 0x3a) colons += 1
    else if (byte === 0x7b || byte === 0x5b) depth = Math.max(depth, ++level)
    else if (byte === 0x7d || byte === 0x5d) level -= 1
  }
  return { colons, depth }
}

function countMembers(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0
  let members = 0
  if (Array.isArray(value)) {
    for (const item of value) if (typeof item === 'object') members += countMembers(item)
    return members
  }
  for (const item of Object.values(value)) {
    members += 1
    if (typeof item === 'object') members += countMembers(item)
  }
  return members
}
