import { isUtf8 } from 'node:buffer'
import type { DocumentLevel, DocumentNode, NodeKind } from './document-nodes.js'
import { anyItem, anyLevel } from './document-nodes.js'
import { ScanCursor } from './scan-cursor.js'

/**
 * Reads a document once, byte by byte, against its declared fields, and writes it as the text of a JSON string while it
 * goes. It takes only what it is sure of: where it gives up, parseDocument, checkDocument and recordId decide, and where
 * it does not they say the same.
 */
export class DocumentScanner {
  private readonly cursor = new ScanCursor()
  /** Undeclared members of the document that is read. */
  private readonly met: string[] = []
  private identityBytes = Buffer.alloc(256)
  private identityView = this.identityBytes.subarray(0, 0)

  constructor(
    private readonly level: DocumentLevel,
    private readonly identity: number,
  ) {
    for (let i = 0; i < identity; i++) this.cursor.forget(i)
  }

  /**
   * Writes the document between `from` and `end` to `out` from `to` on, where twice its length and eight bytes are free;
   * returns the end of what it wrote, -1 where it gives up.
   */
  scan(bytes: Uint8Array, from: number, end: number, out: Uint8Array, to: number): number {
    const { cursor } = this
    cursor.open(bytes, from, end, out, to)
    this.met.length = 0
    if (cursor.token() !== BRACE_OPEN || !this.object(this.level, 1)) return -1
    if (cursor.token() >= 0 || cursor.at !== end) return -1
    return cursor.isAscii || isUtf8(bytes.subarray(from, end)) ? cursor.to : -1
  }

  /** Of the document that was scanned last. */
  get eventTimeMs(): number | undefined {
    return this.cursor.eventTimeMs
  }

  get undeclared(): readonly string[] {
    return this.met
  }

  /** canonicalJson of the identity's values, as UTF-8; undefined: none of them is there. Overwritten by the next call. */
  identityText(): Uint8Array | undefined {
    const { bytes, identityFrom, identityEnd } = this.cursor
    let to = 0
    let found = false
    for (let i = 0; i < this.identity; i++) {
      const from = identityFrom[i] as number
      const end = identityEnd[i] as number
      this.reserveIdentity(to + end - from + 8)
      this.identityBytes[to++] = i === 0 ? BRACKET_OPEN : COMMA
      if (end > 0) {
        found = true
        for (let k = from; k < end; k++) this.identityBytes[to++] = bytes[k] as number
      } else to += this.identityBytes.write('null', to, 'latin1')
    }
    this.identityBytes[to++] = BRACKET_CLOSE
    if (!found) return undefined
    // Identities of one source are mostly of one length.
    if (this.identityView.length !== to) this.identityView = this.identityBytes.subarray(0, to)
    return this.identityView
  }

  private reserveIdentity(bytes: number): void {
    if (bytes <= this.identityBytes.length) return
    this.identityBytes = Buffer.concat([this.identityBytes], bytes * 2)
    this.identityView = this.identityBytes.subarray(0, 0)
  }

  /** Takes an object whose brace is taken. */
  private object(level: DocumentLevel, depth: number): boolean {
    const { cursor } = this
    if (depth > MAX_DEPTH) return false
    cursor.put(BRACE_OPEN)
    const visit = ++level.visit
    let missing = level.required
    let expected = level.first
    let before: DocumentNode | undefined
    let c = cursor.token()
    if (c === BRACE_CLOSE) {
      cursor.put(c)
      return missing === 0
    }
    for (;;) {
      if (c !== QUOTE) return false
      const node = this.member(level, expected)
      if (node === undefined || node.stamp === visit) return false
      node.stamp = visit
      if (node !== expected && node !== level.other) {
        if (before === undefined) level.first = node
        else before.follower = node
      }
      if (cursor.token() !== COLON) return false
      cursor.put(COLON)
      if (!this.value(node, depth)) return false
      if (node.required) missing -= 1
      if (node.undeclared !== '') this.met.push(node.undeclared)
      before = node
      expected = node.follower
      c = cursor.token()
      cursor.put(c)
      if (c === BRACE_CLOSE) return missing === 0
      if (c !== COMMA) return false
      c = cursor.token()
    }
  }

  /** Takes the name of a member, whose opening quote is taken. */
  private member(level: DocumentLevel, expected: DocumentNode | undefined): DocumentNode | undefined {
    const { cursor } = this
    let node = expected
    if (node === undefined || !cursor.isAt(node)) {
      node = level.members.find((member) => cursor.isAt(member)) ?? learn(level, cursor)
      if (node === undefined) return undefined
    }
    cursor.name(node)
    return node
  }

  /** Takes a member's value, or an item. */
  private value(node: DocumentNode, depth: number): boolean {
    const { cursor } = this
    const c = cursor.token()
    const { kind } = node
    if (c === QUOTE) return TAKES_TEXT.has(kind) && cursor.string(node)
    if (c === BRACE_OPEN) {
      if (kind === 'any') node.level ??= anyLevel()
      return node.level !== undefined && this.object(node.level, depth + 1)
    }
    if (c === BRACKET_OPEN) return (kind === 'list' || kind === 'any') && this.list(node, depth + 1)
    if (c === LETTER_N) return node.isNullable && cursor.word(NULL)
    if (c === LETTER_T || c === LETTER_F) {
      if (kind !== 'boolean' && kind !== 'any') return false
      const from = cursor.at - 1
      if (!cursor.word(c === LETTER_T ? TRUE : FALSE)) return false
      cursor.note(node, from, cursor.at)
      return true
    }
    return TAKES_NUMBER.has(kind) && cursor.number(node, c)
  }

  /** Takes a list whose bracket is taken. */
  private list(node: DocumentNode, depth: number): boolean {
    const { cursor } = this
    if (depth > MAX_DEPTH) return false
    node.element ??= anyItem()
    cursor.put(BRACKET_OPEN)
    const empty = cursor.token()
    if (empty === BRACKET_CLOSE) {
      cursor.put(empty)
      return true
    }
    cursor.at -= 1
    for (;;) {
      if (!this.value(node.element, depth)) return false
      const c = cursor.token()
      cursor.put(c)
      if (c === BRACKET_CLOSE) return true
      if (c !== COMMA) return false
    }
  }
}

/** The node of a name that was not seen before; undefined where it has escapes or is not UTF-8. */
function learn(level: DocumentLevel, cursor: ScanCursor): DocumentNode | undefined {
  const rest = cursor.bytes.subarray(cursor.at, cursor.end)
  const end = rest.indexOf(QUOTE)
  if (end < 0) return undefined
  const name = Buffer.from(rest.subarray(0, end))
  if (!isUtf8(name) || name.some((c) => c < 0x20 || c === BACKSLASH)) return undefined
  return level.newcomer(name.toString())
}

/** What is nested deeper is left to the thorough reader. */
const MAX_DEPTH = 100
const TAKES_TEXT: ReadonlySet<NodeKind> = new Set(['text', 'form', 'any', 'decimal', 'text-or-long'])
const TAKES_NUMBER: ReadonlySet<NodeKind> = new Set([
  ...(['any', 'int', 'long', 'float', 'double', 'decimal', 'text-or-long'] as const),
])
const TRUE = Buffer.from('true')
const FALSE = Buffer.from('false')
const NULL = Buffer.from('null')
const BRACE_OPEN = 0x7b
const BRACE_CLOSE = 0x7d
const BRACKET_OPEN = 0x5b
const BRACKET_CLOSE = 0x5d
const QUOTE = 0x22
const BACKSLASH = 0x5c
const COLON = 0x3a
const COMMA = 0x2c
const LETTER_N = 0x6e
const LETTER_T = 0x74
const LETTER_F = 0x66
