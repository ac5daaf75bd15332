import { isTextForm } from './check-document.js'
import type { DocumentNode } from './document-nodes.js'
import { parseTime, quickTime } from './event-time.js'

/**
 * Where a quick reading stands: it reads a document's bytes once, and writes them as the text of a JSON string while it
 * goes. Each scan takes what stands at `at`, and returns false where only the thorough reader can tell.
 */
export class ScanCursor {
  bytes: Uint8Array = new Uint8Array(0)
  at = 0
  /** What is read is written here, from `to` on; twice the document's length must be free. */
  out: Uint8Array = new Uint8Array(0)
  to = 0
  /** All bytes of strings or-ed: from 0x80 on, some are beyond ASCII. */
  high = 0
  eventTimeMs: number | undefined
  /** Where the identity's values begin and end; an end of 0: absent. */
  readonly identityFrom: number[] = []
  readonly identityEnd: number[] = []

  /** Begins a document. */
  open(bytes: Uint8Array, out: Uint8Array, to: number): void {
    this.bytes = bytes
    this.at = 0
    this.out = out
    this.to = to
    this.high = 0
    this.eventTimeMs = undefined
    for (let i = 0; i < this.identityEnd.length; i++) this.forget(i)
  }

  /** Takes white space and the byte after it, and returns that; it is not written yet. */
  token(): number {
    const { bytes } = this
    let c = bytes[this.at++] as number
    while (c === SPACE || c === NEWLINE || c === TAB || c === RETURN) {
      if (c === SPACE) this.out[this.to++] = c
      else {
        this.out[this.to++] = BACKSLASH
        this.out[this.to++] = c === NEWLINE ? 0x6e : c === TAB ? 0x74 : 0x72
      }
      c = bytes[this.at++] as number
    }
    return c
  }

  /** Writes a byte that needs no escape. */
  put(c: number): void {
    this.out[this.to++] = c
  }

  /** Takes a string whose opening quote is taken. */
  string(node: DocumentNode): boolean {
    const { bytes, out } = this
    const from = this.at
    let i = from
    let o = this.to
    let high = 0
    let escapes = false
    out[o++] = BACKSLASH
    out[o++] = QUOTE
    for (;;) {
      const c = bytes[i++] as number
      if (IS_PLAIN[c] === 1) {
        out[o++] = c
        high |= c
      } else if (c === QUOTE) break
      else {
        if (c !== BACKSLASH) return false
        const escape = bytes[i++] as number
        const length = escape === LETTER_U ? hexEscape(bytes, i) : IS_ESCAPE[escape] === 1 ? 0 : -1
        if (length < 0) return false
        escapes = true
        out[o++] = BACKSLASH
        out[o++] = BACKSLASH
        if (escape === QUOTE || escape === BACKSLASH) out[o++] = BACKSLASH
        out[o++] = escape
        for (const end = i + length; i < end; i++) out[o++] = bytes[i] as number
      }
    }
    out[o++] = BACKSLASH
    out[o++] = QUOTE
    this.at = i
    this.to = o
    this.high |= high
    const { kind } = node
    if (kind !== 'form' && kind !== 'decimal' && node.identity < 0 && !node.isEventTime) return true
    return !escapes && this.meaning(node, from, i - 1)
  }

  /** Takes a number whose first byte is taken. */
  number(node: DocumentNode, first: number): boolean {
    const { bytes, out } = this
    const from = this.at - 1
    let i = this.at
    let o = this.to
    let c = first
    if (c === MINUS) {
      out[o++] = c
      c = bytes[i++] as number
    }
    const digitsFrom = i
    const leading = c
    while (c >= ZERO && c <= NINE) {
      out[o++] = c
      c = bytes[i++] as number
    }
    const digits = i - digitsFrom
    // Longer integers may be beyond what a double holds.
    if (digits === 0 || digits > 15 || (leading === ZERO && digits > 1)) return false
    this.at = i - 1
    this.to = o
    const { kind } = node
    if (c !== POINT && c !== SMALL_E && c !== LARGE_E) {
      if (kind === 'int' && digits > 9) return false
    } else {
      if (kind === 'int' || kind === 'long' || kind === 'text-or-long') return false
      if (!this.fraction(kind === 'float')) return false
    }
    if (node.identity < 0 && !node.isEventTime) return true
    if (node.identity >= 0) {
      // Others have another canonical form than their own.
      if (this.at !== i - 1 || (first === MINUS && leading === ZERO)) return false
      this.note(node, from, this.at)
    }
    if (node.isEventTime) this.eventTimeMs = parseTime(Number(latin1(bytes, from, this.at)))
    return true
  }

  /** Takes the rest of `true`, `false` or `null`, whose first letter is taken. */
  word(word: Uint8Array): boolean {
    const { bytes, out } = this
    const from = this.at - 1
    for (let k = 0; k < word.length; k++) {
      const c = word[k] as number
      if (bytes[from + k] !== c) return false
      out[this.to++] = c
    }
    this.at = from + word.length
    return true
  }

  /** Makes a value of the identity absent. */
  forget(identity: number): void {
    this.identityFrom[identity] = 0
    this.identityEnd[identity] = 0
  }

  /** Remembers a value of the identity. */
  note(node: DocumentNode, from: number, end: number): void {
    if (node.identity < 0) return
    this.identityFrom[node.identity] = from
    this.identityEnd[node.identity] = end
  }

  /** Takes the fraction and the exponent of a number; a float's exponent must not be above 0, nor any other large. */
  private fraction(isFloat: boolean): boolean {
    const { bytes, out } = this
    let i = this.at
    let o = this.to
    let c = bytes[i++] as number
    if (c === POINT) {
      const from = i
      do {
        out[o++] = c
        c = bytes[i++] as number
      } while (c >= ZERO && c <= NINE)
      if (i - from < 2) return false
    }
    if (c === SMALL_E || c === LARGE_E) {
      out[o++] = c
      c = bytes[i++] as number
      if (isFloat && c !== MINUS) return false
      if (c === MINUS || c === PLUS) {
        out[o++] = c
        c = bytes[i++] as number
      }
      const from = i
      while (c >= ZERO && c <= NINE) {
        out[o++] = c
        c = bytes[i++] as number
      }
      if (i - from < 1 || i - from > 2) return false
    }
    this.at = i - 1
    this.to = o
    return true
  }

  /** What a string without escapes says beyond being one. */
  private meaning(node: DocumentNode, from: number, end: number): boolean {
    this.note(node, from - 1, end + 1)
    if (node.kind === 'decimal' && !isDecimal(this.bytes, from, end, node)) return false
    if (node.kind !== 'form' && !node.isEventTime) return true
    const ms = quickTime(this.bytes, from, end)
    if (node.isEventTime) this.eventTimeMs = ms ?? parseTime(latin1(this.bytes, from, end))
    if (node.kind !== 'form' || node.primitive === undefined) return true
    if (ms !== undefined && node.primitive === 'timestamptz') return true
    return isTextForm(node.primitive, latin1(this.bytes, from, end))
  }
}

/** Whether the text is a decimal of at most the node's digits; where it has zeros to spare only the thorough reader knows. */
function isDecimal(bytes: Uint8Array, from: number, end: number, { digits }: DocumentNode): boolean {
  let i = bytes[from] === MINUS ? from + 1 : from
  const whole = i
  while (i < end && IS_DIGIT[bytes[i] as number] === 1) i++
  if (i === whole || i - whole > digits[0]) return false
  if (i === end) return true
  const fraction = i + 1
  if (bytes[i++] !== POINT) return false
  while (i < end && IS_DIGIT[bytes[i] as number] === 1) i++
  return i === end && i > fraction && i - fraction <= digits[1]
}

/** Four hex digits after `\u` → 4; surrogates are for the thorough reader → -1. */
function hexEscape(bytes: Uint8Array, at: number): number {
  const first = bytes[at] as number
  if (first === 0x64 || first === 0x44) return -1
  for (let i = at; i < at + 4; i++) if (IS_HEX[bytes[i] as number] !== 1) return -1
  return 4
}

/** Text of bytes of which those beyond ASCII don't matter. */
function latin1(bytes: Uint8Array, from: number, end: number): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset + from, end - from).toString('latin1')
}

const SPACE = 0x20
const NEWLINE = 0x0a
const TAB = 0x09
const RETURN = 0x0d
const QUOTE = 0x22
const BACKSLASH = 0x5c
const LETTER_U = 0x75
const MINUS = 0x2d
const PLUS = 0x2b
const POINT = 0x2e
const ZERO = 0x30
const NINE = 0x39
const SMALL_E = 0x65
const LARGE_E = 0x45

const IS_PLAIN = table((c) => c >= 0x20 && c !== QUOTE && c !== BACKSLASH)
const IS_ESCAPE = table((c) => '"\\/bfnrt'.includes(String.fromCharCode(c)))
const IS_DIGIT = table((c) => c >= ZERO && c <= NINE)
const IS_HEX = table((c) => /[0-9a-fA-F]/.test(String.fromCharCode(c)))

function table(holds: (c: number) => boolean): Uint8Array {
  return Uint8Array.from({ length: 256 }, (_, c) => (holds(c) ? 1 : 0))
}
