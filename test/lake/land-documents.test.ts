import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { checkDocument } from '../../lake/land/check-document.js'
import { DocumentProblem } from '../../lake/land/document-problem.js'
import { FolderFiles } from '../../lake/land/folder-files.js'
import { parseDocument } from '../../lake/land/parse-document.js'
import { countDocuments, documentFormatOf, readDocuments } from '../../lake/land/read-documents.js'
import { parseStrictJson } from '../../lake/land/strict-json.js'
import { parseDocumentSchema } from '../../schemas/table-schema.js'

const { fields } = parseDocumentSchema({
  id: 'long',
  name: 'string',
  'score?': 'double',
  'small?': 'int',
  'flag?': 'boolean',
  'day?': 'date',
  'at?': 'timestamptz',
  'deep?': 'struct<list: list<struct<x: double, y?: int>>>',
  'matrix?': 'list<list<double>>',
  'amount?': 'decimal(6, 2)',
  'when?': 'string|long',
})

/** Text of a document, the kind of its problem, where it lies, and words that the message must hold. */
const BAD: readonly (readonly [string, string, string, RegExp])[] = [
  ['', 'malformed-json', '', /empty/],
  ['  \n', 'malformed-json', '', /empty/],
  ['{"id": 1, "name": "a"', 'malformed-json', '', /line 1, column 22/],
  ['{"id": 1,\n "name": a}', 'malformed-json', 'name', /line 2, column 10/],
  ["{'id': 1}", 'malformed-json', '', /double quotes/],
  ['{"id": 1, "name": "a",}', 'malformed-json', '', /double quotes/],
  ['{"id": 1, "name": "a"} x', 'malformed-json', '', /after the document/],
  ['{"id": 01, "name": "a"}', 'malformed-json', '', /comma/],
  ['{"id": 1, "name": "a\u0001"}', 'malformed-json', 'name', /control character/],
  ['{"id": 1, "name": "\\x"}', 'malformed-json', 'name', /unknown escape/],
  ['{"id": 1, "name": "\\ud800 alone"}', 'malformed-json', 'name', /surrogate/],
  ['{"id": 1, "name": "a", "score": NaN}', 'not-a-number', 'score', /NaN is not JSON/],
  ['{"id": 1, "name": "a", "matrix": [[1], [2, -Infinity]]}', 'not-a-number', 'matrix[1][1]', /-Infinity/],
  ['{"id": 1, "name": "a", "id": 2}', 'duplicate-key', 'id', /twice/],
  [
    '{"id": 1, "name": "a", "deep": {"list": [{"x": 1, "x": 1}]}}',
    'duplicate-key',
    'deep.list[0].x',
    /twice/,
  ],
  [
    '{"id": 1, "name": "a", "not declared": {"__proto__": 1, "__proto__": 2}}',
    'duplicate-key',
    '["not declared"].__proto__',
    /twice/,
  ],
  [`{"id": 1, "name": "a", "x": ${'['.repeat(300)}${']'.repeat(300)}}`, 'too-deep', '', /200 levels/],
  ['[{"id": 1, "name": "a"}]', 'not-an-object', '', /an array/],
  ['"text"', 'not-an-object', '', /string "text"/],
  ['null', 'not-an-object', '', /null/],
  ['{"name": "a"}', 'missing-field', 'id', /absent/],
  ['{"id": null, "name": "a"}', 'missing-field', 'id', /null/],
  ['{"id": "1", "name": "a"}', 'wrong-type', 'id', /string "1", declared is a whole number/],
  ['{"id": 1.5, "name": "a"}', 'wrong-type', 'id', /1.5/],
  ['{"id": 1, "name": {}}', 'wrong-type', 'name', /an object, declared is a string/],
  ['{"id": 1, "name": "a", "score": "1.0"}', 'wrong-type', 'score', /declared is a number/],
  ['{"id": 1, "name": "a", "flag": 1}', 'wrong-type', 'flag', /declared is a boolean/],
  ['{"id": 1, "name": "a", "day": "2026-02-30"}', 'wrong-type', 'day', /not a date/],
  ['{"id": 1, "name": "a", "at": "2026-02-03T10:00:00"}', 'wrong-type', 'at', /timestamptz/],
  ['{"id": 1, "name": "a", "deep": {"list": {}}}', 'wrong-type', 'deep.list', /declared is an array/],
  [
    '{"id": 1, "name": "a", "deep": {"list": [{"x": 1}, {"y": 2}]}}',
    'missing-field',
    'deep.list[1].x',
    /absent/,
  ],
  ['{"id": 1, "name": "a", "amount": "12,30"}', 'wrong-type', 'amount', /"12,30" is not a decimal/],
  ['{"id": 1, "name": "a", "amount": ".5"}', 'wrong-type', 'amount', /not a decimal/],
  ['{"id": 1, "name": "a", "amount": true}', 'wrong-type', 'amount', /declared is a number/],
  ['{"id": 1, "name": "a", "amount": "12345.00"}', 'out-of-range', 'amount', /more digits/],
  ['{"id": 1, "name": "a", "amount": "0.125"}', 'out-of-range', 'amount', /more digits/],
  ['{"id": 1, "name": "a", "when": 1.5}', 'wrong-type', 'when', /declared is a whole number/],
  ['{"id": 1, "name": "a", "when": 9223372036854775808}', 'out-of-range', 'when', /a long holds/],
  ['{"id": 1, "name": "a", "when": {}}', 'wrong-type', 'when', /an object/],
  ['{"id": 1, "name": "a", "matrix": [[1, "2"]]}', 'wrong-type', 'matrix[0][1]', /declared is a number/],
  ['{"id": 9223372036854775808, "name": "a"}', 'out-of-range', 'id', /9223372036854775808/],
  ['{"id": 1, "name": "a", "small": 2147483648}', 'out-of-range', 'small', /int/],
  ['{"id": 1, "name": "a", "score": 1e999}', 'out-of-range', 'score', /double/],
]

describe('a document that breaks its contract', () => {
  it.each(BAD)('%j is %s at %j', (text, kind, path, message) => {
    const problem = problemOf(Buffer.from(text))
    expect(problem).toMatchObject({ kind, path })
    expect(problem?.message).toMatch(message)
  })

  it('is found in bytes that are not UTF-8', () => {
    expect(problemOf(Buffer.from([0x7b, 0xff, 0x7d]))?.kind).toBe('invalid-utf8')
    expect(problemOf(Buffer.from('{"id": 1, "name": "a"}', 'utf16le'))?.kind).toBe('malformed-json')
  })
})

describe('a document that keeps its contract', () => {
  it.each([
    ['{"id": 1, "name": "a"}'],
    ['{"id": 1, "name": "a", "amount": "-0012.3000", "when": "2026-01-01T00:00:00Z"}'],
    ['{"id": 1, "name": "a", "amount": "9999.99", "when": 1767225600000}'],
    ['{"id": 1, "name": "a", "amount": 12.3, "when": null}'],
    ['\ufeff{"id": 1, "name": "with a byte order mark"}'],
    ['{"id": -9223372036854775808, "name": "the smallest long", "score": 12345678901234567890}'],
    [
      '{"id": 1, "name": "nulls", "score": null, "deep": null, "day": "2024-02-29", "at": "2026-01-01T00:00:00.5+09:00"}',
    ],
    [
      '{"id": 1, "name": "\\ud83d\\ude00 a: pair", "extra": {"a:b": ":"}, "deep": {"list": [{"x": 1, "y": 2}]}}',
    ],
    ['{"id": 1, "name": "quotes \\" and : {", "__proto__": {"id": 2}}'],
  ])('passes: %s', (text) => {
    expect(problemOf(Buffer.from(text))).toBeUndefined()
  })

  it('keeps integers that a double would round', () => {
    expect(parseDocument(Buffer.from('{"seed": 9007199254740993}')).value).toEqual({
      seed: 9007199254740993n,
    })
  })

  it('reads as JSON.parse does, whichever reader it takes', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 6 }), fc.constantFrom(undefined, 2), (value, indent) => {
        const text = JSON.stringify(value, null, indent)
        fc.pre(!/\p{Surrogate}/u.test(text) && !/\\u[dD][89abAB]/.test(text))
        const plain: unknown = JSON.parse(text)
        if (!/\d{16}/.test(text)) expect(parseStrictJson(text)).toEqual(plain)
        if (!/\d{16}/.test(text)) expect(parseDocument(Buffer.from(text)).value).toEqual(plain)
      }),
    )
  })
})

describe('files of documents', () => {
  let folder: string
  beforeAll(() => (folder = mkdtempSync(join(tmpdir(), 'firn-documents-'))))
  afterAll(() => rmSync(folder, { recursive: true }))

  const read = async (name: string, bytes: Uint8Array, maxBytes = 1000): Promise<readonly string[]> => {
    writeFileSync(join(folder, name), bytes)
    const format = documentFormatOf(name)!
    const found: string[] = []
    const source = new FolderFiles(folder)
    const open = () => source.read({ path: name, size: bytes.length, mtimeMs: 0 })
    for await (const { bytes: document, problem } of readDocuments(open(), format, maxBytes)) {
      found.push(problem === undefined ? Buffer.from(document).toString() : problem.kind)
    }
    expect(await countDocuments(open(), format, maxBytes)).toBe(found.length)
    return found
  }

  it('are one record, or one a line without blank lines', async () => {
    expect(await read('a.json', Buffer.from('{\n}\n'))).toEqual(['{\n}\n'])
    expect(await read('a.json.gz', gzipSync('{}'))).toEqual(['{}'])
    expect(await read('a.jsonl', Buffer.from('{"a":1}\r\n\n  \n{"a":2}'))).toEqual(['{"a":1}\r', '{"a":2}'])
    expect(await read('a.ndjson.gz', gzipSync('1\n2\n'))).toEqual(['1', '2'])
    expect(await read('empty.jsonl', Buffer.from(''))).toEqual([])
    expect(await read('empty.json', Buffer.from(''))).toEqual([''])
  })

  it('keep their other records where one is too large', async () => {
    const text = `{"a":1}\n${'x'.repeat(3_000_000)}\n{"a":2}\n`
    expect(await read('large.jsonl', Buffer.from(text))).toEqual(['{"a":1}', 'too-large', '{"a":2}'])
    expect(await read('large.json', Buffer.alloc(1001, 0x20))).toEqual(['too-large'])
    expect(await read('bomb.json.gz', gzipSync(Buffer.alloc(50_000_000)))).toEqual(['too-large'])
  })

  it('keep what is whole where compression breaks off', async () => {
    const whole = gzipSync(Array.from({ length: 1000 }, (_, i) => `{"a":${i},"b":${Math.sin(i)}}`).join('\n'))
    const found = await read('cut.jsonl.gz', whole.subarray(0, whole.length - 100))
    expect(found.at(-1)).toBe('unreadable')
    expect(await read('none.json.gz', Buffer.from('{}'))).toEqual(['unreadable'])
  })
})

function problemOf(bytes: Uint8Array): DocumentProblem | undefined {
  try {
    checkDocument(fields, parseDocument(bytes).value)
    return undefined
  } catch (error) {
    if (error instanceof DocumentProblem) return error
    throw error
  }
}
