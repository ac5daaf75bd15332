import fc from 'fast-check'
import { expect, test } from 'vitest'
import { parseJson, stringifyJson } from '../../iceberg/spec/json.js'

const tricky = fc.oneof(
  fc.string(),
  fc.constantFrom(
    '12345678901234567890',
    '"key": 12345678901234567890, ',
    '\\" : 9007199254740993 , \\\\',
    '\u0001123',
    '\\',
  ),
)
const value = fc.letrec((tie) => ({
  node: fc.oneof(
    { maxDepth: 4 },
    fc.bigInt({ min: 2n ** 53n, max: 2n ** 80n }),
    fc.bigInt({ min: -(2n ** 80n), max: -(2n ** 53n) }),
    fc.maxSafeInteger(),
    fc.double({ noNaN: true, noDefaultInfinity: true }).map((x) => (Object.is(x, -0) ? 0 : x)),
    tricky,
    fc.boolean(),
    fc.constant(null),
    fc.array(tie('node')),
    fc.dictionary(
      tricky.filter((key) => key !== '__proto__'),
      tie('node'),
    ),
  ),
})).node

test('any document with integers of any size survives, plain and indented', () => {
  fc.assert(
    fc.property(value, (document) => {
      const expected = normalised(document)
      expect(parseJson(stringifyJson(document))).toEqual(expected)
      expect(parseJson(stringifyJson(document, 2))).toEqual(expected)
    }),
    { numRuns: 1000 },
  )
})

/** A float that is an integer beyond 2^53 is written as one. */
function normalised(document: unknown): unknown {
  if (typeof document === 'number' && Number.isInteger(document) && !Number.isSafeInteger(document)) {
    const text = JSON.stringify(document)
    return text.includes('e') ? document : BigInt(text)
  }
  if (Array.isArray(document)) return document.map(normalised)
  if (typeof document !== 'object' || document === null) return document
  return Object.fromEntries(Object.entries(document).map(([key, item]) => [key, normalised(item)]))
}

test('integers beyond 2^53 are bigints and nothing else is', () => {
  expect(
    parseJson('{"a":9007199254740993,"b":-9223372036854775808,"c":"9007199254740993","d":1e30}'),
  ).toEqual({
    a: 9007199254740993n,
    b: -9223372036854775808n,
    c: '9007199254740993',
    d: 1e30,
  })
  expect(parseJson('[9007199254740991, 1234567890123456.5, 12345678901234567890e2]')).toEqual([
    9007199254740991,
    1234567890123456.5,
    Number('12345678901234567890e2'),
  ])
  expect(parseJson('9007199254740993')).toBe(9007199254740993n)
})

test('text that is not JSON is damaged data', () => {
  for (const text of ['', '{', '{"a":1', '[9007199254740993', '"\\']) {
    expect(() => parseJson(text)).toThrow(expect.objectContaining({ kind: 'data-invalid' }))
  }
})
