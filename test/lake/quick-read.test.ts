import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { DocumentProblem } from '../../lake/land/document-problem.js'
import { parseTime, quickTime } from '../../lake/land/event-time.js'
import { LineBuffer, placedKey } from '../../lake/land/line-buffer.js'
import type { RecordPlace } from '../../lake/land/line-buffer.js'
import { RecordContract } from '../../lake/land/record-contract.js'
import { parseDocumentSchema } from '../../schemas/table-schema.js'

const SCHEMA = {
  id: 'string',
  count: 'long',
  'small?': 'int',
  'score?': 'double',
  'ratio?': 'float',
  'price?': 'decimal(10, 2)',
  'when?': 'string|long',
  'flag?': 'boolean',
  'at?': 'timestamptz',
  'local?': 'timestamp',
  'day?': 'date',
  'uuid?': 'uuid',
  'note?': 'string',
  'deep?': 'struct<list?: list<struct<x: double, y?: int>>, id?: long>',
  'matrix?': 'list<list<double>>',
  'tags?': 'map<string, string>',
  'points?': 'map<string, struct<x: double>>',
}
const IDENTITIES = [
  ['id'],
  ['id', 'count'],
  ['count', 'deep.id', 'flag'],
  ['at'],
  ['score'],
  ['when', 'price'],
]
const EVENT_TIMES = [undefined, 'at', 'count', 'id', 'deep.id', 'score', 'day', 'when']
const MODES = ['evolve', 'evolve', 'discard-row', 'freeze'] as const

const text = fc.oneof(
  fc.string({ unit: fc.constantFrom('a', 'b', 'z', ' ', '0', '9', '-') }),
  fc.string({ unit: fc.constantFrom('a', 'b', 'z', ' ', '0', '9', '-') }),
  fc.string(),
  fc.string({ unit: 'grapheme' }),
  fc.constantFrom('2026-07-01', '0', '1783000000000', '\u2028', 'a\n"b"\\', '\u007f'),
)
const time = fc.oneof(
  fc
    .date({
      noInvalidDate: true,
      min: new Date('0001-01-01T00:00:00Z'),
      max: new Date('9999-12-31T23:59:59Z'),
    })
    .map((date) => date.toISOString()),
  fc.constantFrom(
    '2024-02-29T23:59:59Z',
    '2026-01-01 00:00:00.5Z',
    '2026-01-01T00:00Z',
    '2026-01-01T24:00:00Z',
  ),
)
const oddTime = fc.constantFrom(
  ...[
    '2023-02-29T00:00:00Z',
    '2026-13-01T00:00:00Z',
    '2026-01-01T00:00:00.1234567890Z',
    '2026-01-01T00:00:61Z',
  ],
  ...[
    '2026-01-01T00:00:00+09:00',
    '0000-01-01T00:00:00Z',
    '2026-01-01T00:00:00.Z',
    '+020000-01-01T00:00:00Z',
  ],
)
const oddNumber = fc.oneof(
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.maxSafeInteger(),
  fc.constantFrom(-0, 1e21, 1e300, 5e-324, 3.5e38, 2147483648, 999999999, 1234567890123456, 1.5),
)
const number = fc.oneof(
  fc.integer(),
  fc.integer().map((value) => value / 1000),
  fc.integer().map((value) => value * 1e-12),
)
const decimalText = fc.oneof(
  fc.integer().map((value) => (value / 100).toFixed(2)),
  fc.constantFrom('12', '-0.5', '007.10', '1.000', '12.345', '123456789.00', '.5', '5.', '1e2', ''),
)
const whole = fc.oneof(
  fc.integer(),
  fc.nat(1000),
  fc.maxSafeInteger().map((value) => Math.trunc(value / 10)),
)
const name = fc.oneof(
  { arbitrary: fc.constantFrom('a', 'b', 'id', 'some key', 'ä'), weight: 49 },
  { arbitrary: text, weight: 1 },
)
const odd = fc.oneof(text, oddTime, oddNumber, fc.constant(null), fc.jsonValue({ maxDepth: 3 }))

/** One in a hundred is no such value. */
function mostly<T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<unknown> {
  return fc.oneof({ arbitrary, weight: 199 }, { arbitrary: odd, weight: 1 })
}

/** Mostly as declared. */
const declared = fc.record(
  {
    id: mostly(text),
    count: mostly(whole),
    small: mostly(fc.integer({ min: -2e9, max: 2e9 })),
    score: mostly(number),
    ratio: mostly(number),
    price: mostly(fc.oneof(number, decimalText)),
    when: mostly(fc.oneof(whole, text, time)),
    flag: mostly(fc.boolean()),
    at: mostly(time),
    local: mostly(time.map((value) => value.replace('Z', ''))),
    day: mostly(time.map((value) => value.slice(0, 10))),
    uuid: mostly(fc.uuid()),
    note: mostly(text),
    deep: mostly(
      fc.record(
        {
          list: fc.array(
            fc.record({ x: number, y: mostly(fc.integer()), z: number }, { requiredKeys: ['x'] }),
          ),
          id: whole,
          more: text,
        },
        { requiredKeys: [] },
      ),
    ),
    matrix: mostly(fc.array(fc.array(mostly(number)))),
    tags: mostly(fc.dictionary(name, mostly(text))),
    points: mostly(fc.dictionary(name, fc.record({ x: number, more: number }, { requiredKeys: ['x'] }))),
  },
  { requiredKeys: ['id', 'count'] },
)
const documents = fc
  .tuple(
    declared,
    fc.oneof({ arbitrary: fc.constant({}), weight: 2 }, { arbitrary: fc.dictionary(name, odd), weight: 1 }),
  )
  .map(([members, others]) => ({ ...others, ...members }))

/** What happens to the text of a document on its way. */
type Damage = readonly [kind: 'cut' | 'insert' | 'replace' | 'repeat', at: number, what: string]
const damage: fc.Arbitrary<readonly Damage[]> = fc.oneof(
  { arbitrary: fc.constant([]), weight: 2 },
  {
    arbitrary: fc.array(
      fc.tuple(
        fc.constantFrom('cut', 'insert', 'replace', 'repeat'),
        fc.nat(),
        fc.constantFrom(
          '"',
          '\\',
          ',',
          ':',
          '{',
          '}',
          '[',
          ']',
          ' ',
          '\n',
          '\t',
          '0',
          '9',
          '-',
          '.',
          'e',
          'E+5',
          '\\u0041',
          '\\ud83d',
          '\u0001',
          '\xff',
          '"id":1,',
          '"count":2,',
          'null',
          '1234567890123456',
          '1e999',
          'NaN',
          '\\"',
          '"a":{"a":1,"a":1},',
        ),
      ),
      { minLength: 1, maxLength: 3 },
    ),
    weight: 3,
  },
)

function damaged(text: string, hurts: readonly Damage[]): Buffer {
  // Characters of one byte each, so that damage splits what is UTF-8.
  let bytes = Buffer.from(text).toString('latin1')
  for (const [kind, where, what] of hurts) {
    const at = where % (bytes.length + 1)
    const end = kind === 'insert' ? at : at + (kind === 'cut' ? 1 + (where % 7) : what.length)
    const put = kind === 'cut' ? '' : kind === 'repeat' ? bytes.slice(at, end).repeat(2) : what
    bytes = bytes.slice(0, at) + put + bytes.slice(end)
  }
  return Buffer.from(bytes, 'latin1')
}

interface Reading {
  readonly recordId: string
  readonly payload: string
  readonly eventTimeMs: number | undefined
  readonly undeclared: readonly string[]
}

/** What lies around a document in what was fetched: nothing of it may be taken for a part of the document. */
const BEFORE = Buffer.from('{"id":"z",')
const BEHIND = Buffer.from('"id":"y","count":0}, "')

function quickly(contract: RecordContract, document: Uint8Array): Reading | undefined {
  const out = Buffer.alloc(document.length * 2 + 16, 0xee)
  const around = Buffer.concat([BEFORE, document, BEHIND])
  const end = BEFORE.length + document.length
  const found = contract.readQuickly(around, BEFORE.length, end, out, 8)
  const alone = contract.readQuickly(document, 0, document.length, Buffer.from(out), 8)
  expect(alone).toEqual(found)
  if (found === undefined) return undefined
  expect(out.subarray(document.length * 2 + 8).every((byte) => byte === 0xee)).toBe(true)
  const { recordId, eventTimeMs } = found
  const payload = out.subarray(8, found.end).toString()
  return { recordId, payload, eventTimeMs, undeclared: contract.takeUndeclared() }
}

function thoroughly(contract: RecordContract, document: Uint8Array): Reading | DocumentProblem {
  try {
    const { recordId, text: payload, eventTimeMs } = contract.read(document)
    return {
      recordId,
      payload: JSON.stringify(payload).slice(1, -1),
      eventTimeMs,
      undeclared: contract.takeUndeclared(),
    }
  } catch (error) {
    if (error instanceof DocumentProblem) return error
    throw error
  }
}

describe('the quick reader', () => {
  it('takes no document that the thorough reader refuses, and says the same of those it takes', () => {
    const { fields } = parseDocumentSchema(SCHEMA)
    const contracts = IDENTITIES.flatMap((identity) =>
      EVENT_TIMES.flatMap((eventTime) =>
        MODES.map((contract) => {
          const task = {
            fields,
            identity,
            contract,
            ...(eventTime !== undefined && { eventTime }),
            maxDocumentBytes: 100_000,
          }
          return { quick: new RecordContract(task), thorough: new RecordContract(task) }
        }),
      ),
    )
    let taken = 0
    fc.assert(
      fc.property(
        documents,
        damage,
        fc.nat(contracts.length - 1),
        fc.constantFrom(undefined, 1, '\t'),
        (document, hurts, i, indent) => {
          const { quick, thorough } = contracts[i]!
          const bytes = damaged(JSON.stringify(document, null, indent), hurts)
          const found = quickly(quick, bytes)
          if (found === undefined) return
          taken += 1
          expect(found).toEqual(thoroughly(thorough, bytes))
        },
      ),
      { numRuns: 8000 },
    )
    expect(taken).toBeGreaterThan(100)
  })

  it.each([
    ['a plain document', '{"id":"a","count":1}'],
    ['members in another order, and white space', ' {\n\t"count" : 1 ,\r\n "id" : "a" } '],
    ['text beyond ASCII', '{"id":"ä€😀","count":1,"note":"日本","näme":1}'],
    ['escapes', '{"id":"a","count":1,"note":"\\n\\t\\"\\\\ \\u00e4 \\/"}'],
    ['undeclared members, nested', '{"id":"a","count":1,"more":{"a":[1,"b",{"c":null}],"b":true}}'],
    [
      'maps, lists and structs',
      '{"id":"a","count":1,"tags":{"k":"v"},"matrix":[[1.5e-5,2],[]],"deep":{"list":[{"x":1},{"x":2}]}}',
    ],
    ['decimals as text, and one type of two', '{"id":"a","count":1,"price":"12.30","when":1783000000000}'],
    [
      'times',
      '{"id":"a","count":1,"at":"2026-07-01T10:00:00.5Z","day":"2026-07-01","local":"2026-07-01T10:00:00"}',
    ],
  ])('takes %s', (_, document) => {
    const task = { fields: parseDocumentSchema(SCHEMA).fields, identity: ['id'], maxDocumentBytes: 1000 }
    const found = quickly(new RecordContract(task), Buffer.from(document))
    expect(found).toBeDefined()
    expect(found).toEqual(thoroughly(new RecordContract(task), Buffer.from(document)))
  })

  it('reads times as the thorough reader does', () => {
    const near = fc.tuple(
      fc.constantFrom('1970', '2000', '1900', '2024', '0001', '9999'),
      ...['-', '-', 'T', ':', ':'].map((before) =>
        fc.nat(61).map((value) => before + String(value).padStart(2, '0')),
      ),
      fc.constantFrom('Z', '.1Z', '.123456789Z', '.999Z', '', '.Z', '+00'),
    )
    let taken = 0
    fc.assert(
      fc.property(
        fc.oneof(
          time,
          near.map((parts) => parts.join('')),
        ),
        (value) => {
          const bytes = Buffer.from(`..${value}..`)
          const found = quickTime(bytes, 2, bytes.length - 2)
          if (found === undefined) return
          taken += 1
          expect(found).toBe(parseTime(value))
        },
      ),
      { numRuns: 3000 },
    )
    expect(taken).toBeGreaterThan(100)
  })
})

it('a line that is written by parts is the line that JSON.stringify writes', () => {
  const place: fc.Arbitrary<RecordPlace> = fc
    .record({
      topic: fc.constantFrom('events', 'odd "topic"'),
      path: fc.oneof(fc.constant(null), text),
      partition: fc.nat(),
      offset: fc.oneof(fc.maxSafeNat(), fc.nat(200)),
      key: fc.oneof(
        fc.constant(null),
        fc.uint8Array(),
        text.map((value) => Buffer.from(value)),
        fc.constant(Buffer.from('base64:aa')),
      ),
      timestampMs: fc.constant(0),
    })
    .map(({ key, ...rest }) => ({ ...rest, ...keyAmongOthers(key) }))
  const ms = fc.oneof(
    fc.integer({ min: -62_135_596_800_000, max: 253_402_300_799_999 }),
    fc.constantFrom(-1, 0, 253_402_300_799_999),
  )
  fc.assert(
    fc.property(fc.array(fc.tuple(place, ms, fc.string()), { maxLength: 5 }), (records) => {
      const [byParts, whole] = [new LineBuffer(), new LineBuffer()]
      for (const [at, timeMs, payload] of records) {
        const id = Buffer.from(payload).toString('hex').padEnd(64, '0').slice(0, 64)
        const escaped = Buffer.from(JSON.stringify(payload).slice(1, -1))
        const to = byParts.begin(at, escaped.length)
        escaped.copy(byParts.bytes, to)
        byParts.finish(to + escaped.length, id, timeMs)
        whole.append(id, at, timeMs, payload)
      }
      expect(byParts.bytes.subarray(0, byParts.length).toString()).toBe(
        whole.bytes.subarray(0, whole.length).toString(),
      )
    }),
  )
})

function keyAmongOthers(key: Uint8Array | null) {
  if (key === null) return placedKey(null)
  return {
    keyBytes: Buffer.concat([BEFORE, key, BEHIND]),
    keyFrom: BEFORE.length,
    keyEnd: BEFORE.length + key.length,
  }
}
