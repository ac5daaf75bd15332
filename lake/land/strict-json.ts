import { DocumentProblem } from './document-problem.js'

/** Deeper nesting than this is refused: the readers of the payload recurse. */
export const MAX_DEPTH = 200

/**
 * JSON by RFC 8259, stricter and more talkative than JSON.parse: duplicate keys, lone surrogates, NaN tokens and deep
 * nesting are problems with their path in the document; integers beyond 2^53 become bigint. Slower, so it reads only
 * documents that JSON.parse can't vouch for.
 */
export function parseStrictJson(text: string): unknown {
  const reader = new StrictReader(text)
  const value = reader.value()
  reader.end()
  return value
}

const NUMBER = /-?(?:0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?/y
const NOT_A_NUMBER = /[+-]?(?:NaN|nan|Infinity|inf)\b/y
const SPACE = /[ \t\n\r]*/y
const ESCAPES: Readonly<Record<string, string>> = {
  '"': '"',
  '\\': '\\',
  '/': '/',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
}

class StrictReader {
  private at = 0
  private readonly path: (string | number)[] = []

  constructor(private readonly text: string) {}

  value(): unknown {
    this.skipSpace()
    const char = this.text[this.at]
    if (char === '{') return this.object()
    if (char === '[') return this.array()
    if (char === '"') return this.string()
    for (const [word, value] of [
      ['true', true],
      ['false', false],
      ['null', null],
    ] as const) {
      if (this.text.startsWith(word, this.at)) {
        this.at += word.length
        return value
      }
    }
    return this.number()
  }

  end(): void {
    this.skipSpace()
    if (this.at < this.text.length) this.fail('there is text after the document')
  }

  private object(): Readonly<Record<string, unknown>> {
    this.enter()
    const members = new Map<string, unknown>()
    if (!this.taken('}')) {
      do {
        this.skipSpace()
        if (this.text[this.at] !== '"') this.fail('a key in double quotes is missing')
        const key = this.string()
        this.path.push(key)
        if (members.has(key))
          throw new DocumentProblem('duplicate-key', 'the key occurs twice in its object', this.path)
        if (!this.taken(':')) this.fail('a colon is missing after the key')
        members.set(key, this.value())
        this.path.pop()
      } while (this.taken(','))
      if (!this.taken('}')) this.fail("a comma or '}' is missing")
    }
    return Object.fromEntries(members)
  }

  private array(): readonly unknown[] {
    this.enter()
    const items: unknown[] = []
    if (!this.taken(']')) {
      do {
        this.path.push(items.length)
        items.push(this.value())
        this.path.pop()
      } while (this.taken(','))
      if (!this.taken(']')) this.fail("a comma or ']' is missing")
    }
    return items
  }

  private enter(): void {
    this.at += 1
    if (this.path.length >= MAX_DEPTH) {
      throw new DocumentProblem('too-deep', `nested deeper than ${MAX_DEPTH} levels`)
    }
  }

  private string(): string {
    let value = ''
    let from = ++this.at
    for (;;) {
      const code = this.text.charCodeAt(this.at)
      if (Number.isNaN(code)) this.fail('the text ends inside a string')
      if (code < 0x20) this.fail('a control character stands unescaped in a string')
      if (code === 0x22) break
      if (code === 0x5c) {
        value += this.text.slice(from, this.at) + this.escape()
        from = this.at
      } else {
        this.at += 1
      }
    }
    value += this.text.slice(from, this.at++)
    if (/\p{Surrogate}/u.test(value)) this.fail('a string holds half of a surrogate pair')
    return value
  }

  private escape(): string {
    const letter = this.text[this.at + 1] ?? ''
    const hex = this.text.slice(this.at + 2, this.at + 6)
    if (letter === 'u' && /^[0-9a-fA-F]{4}$/.test(hex)) {
      this.at += 6
      return String.fromCharCode(parseInt(hex, 16))
    }
    const char = ESCAPES[letter]
    if (char === undefined) this.fail('a string holds an unknown escape')
    this.at += 2
    return char
  }

  private number(): number | bigint {
    NOT_A_NUMBER.lastIndex = this.at
    const token = NOT_A_NUMBER.exec(this.text)?.[0]
    if (token !== undefined) {
      throw new DocumentProblem(
        'not-a-number',
        `${token} is not JSON: write null where a number is unknown`,
        this.path,
      )
    }
    NUMBER.lastIndex = this.at
    const match = NUMBER.exec(this.text)
    if (match === null)
      this.fail(this.at >= this.text.length ? 'the text ends too early' : 'a value is missing')
    this.at += match[0].length
    const value = Number(match[0])
    const whole = match[1] === undefined && match[2] === undefined
    return whole && !Number.isSafeInteger(value) ? BigInt(match[0]) : value
  }

  private taken(char: string): boolean {
    this.skipSpace()
    if (this.text[this.at] !== char) return false
    this.at += 1
    return true
  }

  private skipSpace(): void {
    SPACE.lastIndex = this.at
    SPACE.test(this.text)
    this.at = SPACE.lastIndex
  }

  private fail(why: string): never {
    const line = this.text.slice(0, this.at).split('\n')
    const column = (line.at(-1) ?? '').length + 1
    throw new DocumentProblem('malformed-json', `${why} (line ${line.length}, column ${column})`, this.path)
  }
}
