import { isTextForm } from './check-document.js'
import type { DocumentNode } from './document-nodes.js'
import { parseTime, quickTime } from './event-time.js'

/**
 * Where a quick reading stands: it reads a document's bytes once, and writes them as the text of a JSON string while it
 * goes. Each scan takes what stands at `at`, and returns false where only the thorough reader can tell.
 */
export class ScanCursor {
  bytes: Uint8Array = NO_BYTES
  at = 0
  end = 0
  /** What is read is written here, from `to` on; twice the document's length must be free. */
  out: Uint8Array = NO_BYTES
  to = 0
  eventTimeMs: number | undefined
  /** Where the identity's values begin and end; an end of 0: absent. */
  readonly identityFrom: number[] = []
  readonly identityEnd: number[] = []

  private view: DataView = NO_VIEW
  private outView: DataView = NO_VIEW
  /** All bytes of strings or-ed, four at a time, and maybe some behind them. */
  private high = 0

  /** Begins a document. */
  open(bytes: Uint8Array, from: number, end: number, out: Uint8Array, to: number): void {
    if (bytes !== this.bytes) {
      this.bytes = bytes
      this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    }
    if (out !== this.out) {
      this.out = out
      this.outView = new DataView(out.buffer, out.byteOffset, out.byteLength)
    }
    this.at = from
    this.end = end
    this.to = to
    this.high = 0
    this.eventTimeMs = undefined
    for (let i = 0; i < this.identityEnd.length; i++) this.forget(i)
  }

  /** False: some strings may be beyond ASCII. */
  get isAscii(): boolean {
    return (this.high & HIGH_BITS) === 0
  }

  /** Takes white space and the byte after it, and returns that; it is not written yet. -1: the document ends. */
  token(): number {
    const { bytes, end } = this
    while (this.at < end) {
      const c = bytes[this.at++] as number
      if (c > SPACE) return c
      if (c === SPACE) this.out[this.to++] = c
      else if (c === NEWLINE || c === TAB || c === RETURN) {
        this.out[this.to++] = BACKSLASH
        this.out[this.to++] = c === NEWLINE ? 0x6e : c === TAB ? 0x74 : 0x72
      } else return c
    }
    return -1
  }

  /** Whether the node's name and its closing quote come next. */
  isAt({ key, words, lastMask }: DocumentNode): boolean {
    const { at, view, bytes } = this
    if (at + key.length > this.end) return false
    const last = words.length - 1
    if (at + words.length * 4 > bytes.length) return key.every((c, i) => bytes[at + i] === c)
    for (let i = 0; i < last; i++) if (view.getInt32(at + i * 4, true) !== words[i]) return false
    return ((view.getInt32(at + last * 4, true) ^ (words[last] as number)) & lastMask) === 0
  }

  /** Takes the node's name and its closing quote, which come next. */
  name({ key, words }: DocumentNode): void {
    const { out, outView } = this
    const length = key.length - 1
    let o = this.to
    out[o++] = BACKSLASH
    out[o++] = QUOTE
    for (let i = 0; i * 4 < length; i++) outView.setInt32(o + i * 4, words[i] as number, true)
    o += length
    out[o++] = BACKSLASH
    out[o++] = QUOTE
    this.at += key.length
    this.to = o
  }

  /** Writes a byte that needs no escape. */
  put(c: number): void {
    this.out[this.to++] = c
  }

  /** Takes a string whose opening quote is taken. */
  string(node: DocumentNode): boolean {
    const { bytes, out, end } = this
    const from = this.at
    let escapes = false
    out[this.to++] = BACKSLASH
    out[this.to++] = QUOTE
    for (;;) {
      this.plainBytes()
      if (this.at >= end) return false
      const c = bytes[this.at++] as number
      if (c === QUOTE) break
      if (c !== BACKSLASH || !this.escape()) return false
      escapes = true
    }
    out[this.to++] = BACKSLASH
    out[this.to++] = QUOTE
    const { kind } = node
    if (kind !== 'form' && kind !== 'decimal' && node.identity < 0 && !node.isEventTime) return true
    return !escapes && this.meaning(node, from, this.at - 1)
  }

  /** Takes the bytes of a string that stand for themselves, four at a time as long as it goes. */
  private plainBytes(): void {
    const { bytes, view, out, outView, end } = this
    let i = this.at
    let o = this.to
    let high = this.high
    for (const last = end - 4; i <= last; i += 4, o += 4) {
      const four = view.getInt32(i, true)
      outView.setInt32(o, four, true)
      high |= four
      // The high bit of each byte below 0x20, that is a quote, or a backslash: the lowest one is right, others may not be.
      const ends =
        ((four - SPACES) | ((four ^ QUOTES) - ONES) | ((four ^ BACKSLASHES) - ONES)) & ~four & HIGH_BITS
      if (ends === 0) continue
      const plain = (31 - Math.clz32(ends & -ends)) >> 3
      this.at = i + plain
      this.to = o + plain
      this.high = high
      return
    }
    while (i < end && IS_PLAIN[bytes[i] as number] === 1) {
      const c = bytes[i++] as number
      out[o++] = c
      high |= c
    }
    this.at = i
    this.to = o
    this.high = high
  }

  /** Takes an escape whose backslash is taken. */
  private escape(): boolean {
    const { bytes, out } = this
    const escape = bytes[this.at++] as number
    const length = escape === LETTER_U ? hexEscape(bytes, this.at) : IS_ESCAPE[escape] === 1 ? 0 : -1
    if (length < 0) return false
    out[this.to++] = BACKSLASH
    out[this.to++] = BACKSLASH
    if (escape === QUOTE || escape === BACKSLASH) out[this.to++] = BACKSLASH
    out[this.to++] = escape
    for (const end = this.at + length; this.at < end; this.at++) out[this.to++] = bytes[this.at] as number
    return true
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

const NO_BYTES = new Uint8Array(0)
const NO_VIEW = new DataView(new ArrayBuffer(0))
/** Four bytes each. */
const HIGH_BITS = 0x80808080 | 0
const ONES = 0x01010101
const SPACES = 0x20202020
const QUOTES = 0x22222222
const BACKSLASHES = 0x5c5c5c5c
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
