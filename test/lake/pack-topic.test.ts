import { gunzipSync } from 'node:zlib'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { TopicChunk } from '../../lake/land/pack-topic.js'
import { packTopic } from '../../lake/land/pack-topic.js'
import { recordDigest } from '../../lake/land/record-digest.js'
import { cursorOver } from '../support/topic-records.js'
import { allOf } from './support/all-of.js'
import type { PackedTopicObject, TopicPackTask, TopicRecord } from '../../schemas/topics.js'

const TASK: TopicPackTask = {
  topic: 'events',
  range: { partition: 3, first: 10, end: 110 },
  schema: { id: 'int', 'name?': 'string' },
  identity: ['id'],
  contract: 'evolve',
  maxDocumentBytes: 1000,
  objectBytes: 3000,
}

function record(offset: number, value: string | null, key: string | null = null): TopicRecord {
  const bytes = (text: string | null) => (text === null ? null : Buffer.from(text))
  return { offset, timestampMs: 1_783_000_000_000 + offset, key: bytes(key), value: bytes(value) }
}

/** The records as a broker might give them: in pieces, some without any. */
async function* chunksOf(
  records: readonly TopicRecord[],
  end: number,
  sizes: readonly number[] = [7],
): AsyncGenerator<TopicChunk> {
  let from = 0
  for (let i = 0; from < records.length; i++) {
    const size = sizes[i % sizes.length] ?? 1
    const piece = records.slice(from, from + size)
    from += size
    const next = records[from]?.offset ?? end
    await Promise.resolve()
    // Where a piece ends, a reader stands behind its last record, or already at the next one.
    yield { records: cursorOver(piece), next: i % 2 === 0 ? next : (piece.at(-1)?.offset ?? next - 1) + 1 }
  }
  yield { records: cursorOver([]), next: end }
}

async function pack(
  chunks: AsyncIterable<TopicChunk>,
  task: TopicPackTask = TASK,
): Promise<readonly PackedTopicObject[]> {
  return await allOf(packTopic(task, chunks))
}

function linesOf(object: PackedTopicObject): readonly Readonly<Record<string, unknown>>[] {
  const lines = gunzipSync(object.bytes).toString().split('\n').slice(0, -1)
  return lines.map((line) => JSON.parse(line) as Readonly<Record<string, unknown>>)
}

const values = fc.oneof(
  { arbitrary: fc.nat(1000).map((id) => `{"id":${id}}`), weight: 8 },
  { arbitrary: fc.string().map((name) => JSON.stringify({ id: 1, name, more: { name } })), weight: 4 },
  {
    arbitrary: fc.constantFrom('{"id":"1"}', '{', '', '\u0000\u0000\u0000\u0001{"id":1}', '\xff'),
    weight: 1,
  },
  { arbitrary: fc.constant(null), weight: 1 },
)
/** Offsets of the range, some of them and beyond it without a record. */
const logs = fc.array(fc.tuple(fc.nat(8), values), { maxLength: 60 }).map((entries) => {
  let offset = 4
  return entries.map(([hole, value]) => record((offset += 1 + (hole > 5 ? hole : 0)), value, value))
})

describe('packing a topic', () => {
  it('gives the same objects whatever the pieces it is fetched in, with every record of the range once', async () => {
    const sizes = fc.array(fc.integer({ min: 1, max: 20 }), { minLength: 1, maxLength: 5 })
    await fc.assert(
      fc.asyncProperty(
        logs,
        sizes,
        fc.constantFrom(1, 900, 3000, 100_000),
        async (log, pieces, objectBytes) => {
          const task = { ...TASK, objectBytes }
          const objects = await pack(chunksOf(log, 130, pieces), task)
          expect(objects).toEqual(await pack(chunksOf(log, 110, [1000]), task))
          const inRange = log.filter(({ offset }) => offset >= 10 && offset < 110)
          const landed = objects.flatMap(linesOf)
          const dead = objects.flatMap(({ deadLetters }) => deadLetters)
          const offsets = [...landed, ...dead].map(({ offset }) => offset as number)
          expect(offsets.sort((a, b) => a - b)).toEqual(inRange.map(({ offset }) => offset))
          const byOffset = new Map(inRange.map((entry) => [entry.offset, entry]))
          for (const line of landed) {
            const source = byOffset.get(line['offset'] as number)
            expect(line['payload']).toBe(source?.value?.toString())
            expect(line).toMatchObject({ topic: 'events', path: null, partition: 3 })
            expect(Date.parse(line['timestamp'] as string)).toBe(source?.timestampMs)
          }
          for (const letter of dead) {
            const { timestampMs, key, value } = byOffset.get(letter.offset) ?? record(0, '')
            expect(letter).toMatchObject({ timestampMs })
            expect(Buffer.from(letter.raw)).toEqual(Buffer.from(value ?? ''))
            expect(letter.key && Buffer.from(letter.key)).toEqual(key && Buffer.from(key))
          }
          expectToFollowEachOther(objects, inRange)
        },
      ),
      { numRuns: 60 },
    )
  })

  it('ends where the range ends though no record is there, and is one object without any', async () => {
    const [object, ...others] = await pack(chunksOf([record(12, '{"id":1}')], 110))
    expect(others).toEqual([])
    expect(object).toMatchObject({ first: 10, end: 110, records: 1, last: { offset: 12 } })
    const [none] = await pack(chunksOf([], 110))
    expect(none).toMatchObject({ first: 10, end: 110, records: 0, payloadBytes: 0, deadLetters: [] })
    expect(none?.last).toBeUndefined()
    expect(none?.minEventTimeMs).toBeUndefined()
    expect(gunzipSync(none?.bytes ?? '')).toHaveLength(0)
  })

  it('leaves no empty object behind the last full one', async () => {
    const full = Array.from({ length: 10 }, (_, i) =>
      record(10 + i, `{"id":${i},"name":"${'x'.repeat(300)}"}`),
    )
    const objects = await pack(chunksOf(full, 110), { ...TASK, objectBytes: 1000 })
    expect(objects.map(({ first, end }) => [first, end])).toEqual([
      [10, 12],
      [12, 14],
      [14, 16],
      [16, 18],
      [18, 110],
    ])
  })

  it('fails where the fetched pieces end before the range does', async () => {
    await expect(pack(chunksOf([record(12, '{"id":1}')], 100))).rejects.toMatchObject({
      kind: 'io',
      message: expect.stringContaining("ended at offset 100, before the range's end 110") as string,
    })
  })

  it('takes a record only once where a fetch gives it again', async () => {
    const twice = [
      record(12, '{"id":1}'),
      record(13, '{"id":2}'),
      record(12, '{"id":1}'),
      record(14, '{"id":3}'),
    ]
    const objects = await pack(chunksOf(twice, 110))
    expect(objects.flatMap(linesOf).map((line) => line['offset'])).toEqual([12, 13, 14])
  })

  it('closes an object after 10,000 dead letters', async () => {
    const bad = Array.from({ length: 10_001 }, (_, i) => record(i, null))
    const task = { ...TASK, range: { partition: 3, first: 0, end: 10_001 }, objectBytes: 1e9 }
    const objects = await pack(chunksOf(bad, 10_001, [5000]), task)
    expect(objects.map(({ first, end, deadLetters }) => [first, end, deadLetters.length])).toEqual([
      [0, 10_000, 10_000],
      [10_000, 10_001, 1],
    ])
  })
})

describe('a packed record', () => {
  it.each([
    ['no key', null, null],
    ['text', Buffer.from('käy "1"'), 'käy "1"'],
    ['bytes that are no text', Buffer.from([0xff, 0x00]), 'base64:/wA='],
    ['text that looks like such bytes', Buffer.from('base64:/wA='), 'base64:YmFzZTY0Oi93QT0='],
  ])('has its key: %s', async (_, key, text) => {
    const keyed = { ...record(12, '{"id":1}'), key }
    const odd = { ...record(13, '\ufeff{"id":1}'), key }
    const [object] = await pack(chunksOf([keyed, odd], 110))
    expect(linesOf(object!).map((line) => line['key'])).toEqual([text, text])
  })

  it.each([
    ['that its producer did not give', -1],
    ['before the year 1', -62_135_596_800_001],
    ['after the year 9999', 253_402_300_800_000],
    ['beyond any date', Number.MAX_SAFE_INTEGER],
  ])('has no time where it is one %s', async (_, timestampMs) => {
    const [object] = await pack(chunksOf([{ ...record(12, '{"id":1}'), timestampMs }], 110))
    expect(linesOf(object!)[0]).toMatchObject({ offset: 12, timestamp: null })
    expect(object).not.toHaveProperty('minEventTimeMs')
  })

  it('that is large does not keep what was fetched with it', async () => {
    const fetched = Buffer.alloc(1_000_000, ' ')
    const value = fetched.subarray(0, 2)
    const [object] = await pack(chunksOf([{ ...record(12, ''), value }], 110))
    expect(object?.deadLetters[0]?.raw.buffer.byteLength).toBe(2)
  })
})

function expectToFollowEachOther(
  objects: readonly PackedTopicObject[],
  inRange: readonly TopicRecord[],
): void {
  let next = 10
  for (const { partition, first, end, last, records, deadLetters, ...object } of objects) {
    expect({ partition, first }).toEqual({ partition: 3, first: next })
    next = end
    const own = inRange.filter(({ offset }) => offset >= first && offset < end)
    expect(records + deadLetters.length).toBe(own.length)
    const newest = own.at(-1)
    expect(last).toEqual(newest && { offset: newest.offset, digest: recordDigest(newest) })
    const dead = new Set(deadLetters.map(({ offset }) => offset))
    const good = own.filter(({ offset }) => !dead.has(offset))
    expect(object.payloadBytes).toBe(good.reduce((sum, { value }) => sum + (value?.length ?? 0), 0))
    expect(object.minEventTimeMs).toBe(good[0]?.timestampMs)
    expect(object.maxEventTimeMs).toBe(good.at(-1)?.timestampMs)
  }
  expect(next).toBe(110)
}
