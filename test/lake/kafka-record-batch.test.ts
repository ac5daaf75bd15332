import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { crc32c } from '@node-rs/crc32'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { AbortedTransaction } from '../../lake/land/kafka/record-batch.js'
import { decodeBatches, endOfBatches } from '../../lake/land/kafka/record-batch.js'
import { recordAt } from '../../lake/land/record-cursor.js'
import type { FirnError } from '../../schemas/error.js'
import type { TopicRecord } from '../../schemas/topics.js'
import { allRecords } from '../support/topic-records.js'
import { javaRecord } from './support/java-record.js'
import { encodeBatch, encodeMarker, type BatchRecord, type Codec } from './support/record-batches.js'

const SEED = Number(process.env['FIRN_SEED'] ?? 5)
const ALL = { first: 0, end: Number.MAX_SAFE_INTEGER }

const payload = fc.oneof(
  fc.constant(null),
  fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes)),
  fc.integer({ min: 1, max: 3000 }).map((n) => Buffer.from('snow'.repeat(n))),
)
const record = fc.record({
  /** To the record before. */
  step: fc.integer({ min: 1, max: 300 }),
  timestampMs: fc.oneof(
    fc.integer({ min: 0, max: 4e12 }),
    fc.constantFrom(-1, 0, 2 ** 52, -(2 ** 52), 1_700_000_000_000),
  ),
  key: payload,
  value: payload,
  headers: fc.array(fc.tuple(fc.string({ maxLength: 8 }), payload), { maxLength: 2 }),
})
const batch = fc.record({
  codec: fc.constantFrom<Codec>('none', 'gzip', 'snappy', 'xerial', 'lz4'),
  records: fc.array(record, { maxLength: 6 }),
  before: fc.integer({ min: 0, max: 5 }),
  after: fc.integer({ min: 0, max: 5 }),
})
const log = fc
  .tuple(fc.constantFrom(0, 7, 2 ** 31, 2 ** 45), fc.array(batch, { maxLength: 5 }))
  .map(([start, batches]) => written(start, batches))

interface WrittenBatch {
  readonly bytes: Buffer
  readonly next: number
  readonly records: readonly BatchRecord[]
}

function written(
  start: number,
  batches: readonly {
    readonly codec: Codec
    readonly before: number
    readonly after: number
    readonly records: readonly (Omit<BatchRecord, 'offset'> & { readonly step: number })[]
  }[],
): readonly WrittenBatch[] {
  let offset = start
  return batches.map(({ codec, records, before, after }) => {
    const base = offset
    offset += before
    const placed = records.map(({ step, ...rest }) => ({ ...rest, offset: (offset += step) }))
    const last = offset + after
    offset = last + 1
    return { bytes: encodeBatch({ base, last, codec }, placed), next: offset, records: placed }
  })
}

function bytesOf(batches: readonly WrittenBatch[]): Buffer {
  return Buffer.concat(batches.map(({ bytes }) => bytes))
}

function plain({ offset, timestampMs, key, value }: TopicRecord): unknown {
  return { offset, timestampMs, key: text(key), value: text(value) }
}

function text(bytes: Uint8Array | null): string | null {
  return bytes === null ? null : Buffer.from(bytes).toString('latin1')
}

function decode(bytes: Buffer, range = ALL, aborted: readonly AbortedTransaction[] = []) {
  const { records, next } = decodeBatches({ bytes, aborted }, range, 'topic t, partition 0')
  return { records: allRecords(records), next }
}

describe('record batches', () => {
  test('records come back as they were written, whatever the codec, holes and times', () => {
    fc.assert(
      fc.property(log, (batches) => {
        const { records, next } = decode(bytesOf(batches))
        expect(records.map(plain)).toEqual(batches.flatMap((one) => one.records).map(plain))
        expect(next).toBe(batches.at(-1)?.next ?? 0)
        expect(endOfBatches(bytesOf(batches))).toBe(batches.at(-1)?.next)
      }),
      { seed: SEED, numRuns: 300 },
    )
  })

  test('only what a range asks for comes, and the position runs to the end of the last batch', () => {
    const cut = fc.tuple(log, fc.nat({ max: 2000 }), fc.nat({ max: 2000 }))
    fc.assert(
      fc.property(cut, ([batches, from, length]) => {
        const start = batches[0]?.records[0]?.offset ?? 0
        const range = { first: start + from, end: start + from + length + 1 }
        const { records, next } = decode(bytesOf(batches), range)
        const expected = batches
          .flatMap((one) => one.records)
          .filter(({ offset }) => offset >= range.first && offset < range.end)
        expect(records.map(plain)).toEqual(expected.map(plain))
        const reached = batches.find((one) => one.next >= range.end) ?? batches.at(-1)
        expect(next).toBe(Math.max(range.first, reached?.next ?? 0))
      }),
      { seed: SEED, numRuns: 300 },
    )
  })

  test('a last batch that is cut off anywhere is left for the next fetch', () => {
    fc.assert(
      fc.property(log, fc.double({ min: 0, max: 1, noNaN: true }), (batches, share) => {
        const bytes = bytesOf(batches)
        const length = Math.floor(bytes.length * share)
        let size = 0
        const whole = batches.filter((one) => (size += one.bytes.length) <= length)
        const { records, next } = decode(bytes.subarray(0, length))
        expect(records.map(plain)).toEqual(whole.flatMap((one) => one.records).map(plain))
        expect(next).toBe(whole.at(-1)?.next ?? 0)
        expect(endOfBatches(bytes.subarray(0, length))).toBe(whole.at(-1)?.next)
      }),
      { seed: SEED, numRuns: 300 },
    )
  })

  test('any bit that changes in what the checksum covers, or in the checksum, is found', () => {
    const one = log.filter((batches) => batches.length > 0)
    fc.assert(
      fc.property(one, fc.nat(), fc.nat({ max: 7 }), (batches, place, bit) => {
        const bytes = bytesOf(batches.slice(0, 1))
        const at = 17 + (place % (bytes.length - 17))
        bytes[at]! ^= 1 << bit
        expect(failure(() => decode(bytes))).toMatchObject({ kind: 'io', retryable: true })
      }),
      { seed: SEED, numRuns: 300 },
    )
  })

  test('a batch that compaction has emptied moves the position', () => {
    const bytes = Buffer.concat([
      encodeBatch({ base: 5, last: 90 }, []),
      encodeBatch({ base: 200, last: 210 }, []),
    ])
    expect(decode(bytes, { first: 5, end: 1000 })).toEqual({ records: [], next: 211 })
    expect(decode(bytes, { first: 5, end: 50 })).toEqual({ records: [], next: 91 })
  })

  test('with log-append time every record has the batch’s time', () => {
    const records = [1, 2].map((offset) => ({ offset, timestampMs: offset, key: null, value: null }))
    const bytes = encodeBatch({ base: 0, last: 2, appendTimeMs: 1234 }, records)
    expect(decode(bytes).records.map(({ timestampMs }) => timestampMs)).toEqual([1234, 1234])
  })

  test('compressed batches are taken apart one at a time, when their turn comes', () => {
    const good = { offset: 1, timestampMs: 0, key: null, value: Buffer.from('x') }
    const bad = Buffer.from(encodeBatch({ base: 2, last: 2, codec: 'gzip' }, [{ ...good, offset: 2 }]))
    bad.fill(0, 61)
    bad.writeUInt32BE(crc32c(bad.subarray(21)), 17)
    const bytes = Buffer.concat([encodeBatch({ base: 1, last: 1, codec: 'gzip' }, [good]), bad])
    const { records, next } = decodeBatches({ bytes, aborted: [] }, ALL, 'topic t, partition 0')
    expect([next, records.next(), plain(recordAt(records))]).toEqual([3, true, plain(good)])
    expect(failure(() => records.next())).toMatchObject({ kind: 'contract-broken' })
  })
})

describe('peers', () => {
  const java = JSON.parse(
    readFileSync(join(import.meta.dirname, 'support', 'java-batches.json'), 'utf8'),
  ) as Record<string, string>

  test.each(Object.keys(java))('what Java’s producer wrote with codec %s', (codec) => {
    const { records, next } = decode(Buffer.from(java[codec]!, 'base64'))
    expect(records.map(plain)).toEqual(Array.from({ length: 40 }, (_, i) => plain(javaRecord(i))))
    expect(next).toBe(40)
  })

  test('what kafkajs writes', async () => {
    const require = createRequire(import.meta.url)
    const { RecordBatch } = require('kafkajs/src/protocol/recordBatch/v0') as {
      RecordBatch: (batch: object) => Promise<{ buffer: Buffer }>
    }
    const Record = require('kafkajs/src/protocol/recordBatch/record/v0') as (record: object) => object
    const many = fc.array(
      record.filter(({ timestampMs }) => Math.abs(timestampMs) < 2 ** 50),
      { minLength: 1, maxLength: 8 },
    )
    await fc.assert(
      fc.asyncProperty(many, fc.constantFrom(0, 1), async (given, compression) => {
        const firstTimestamp = given[0]!.timestampMs
        const records = given.map(({ key, value, timestampMs }, offsetDelta) =>
          Record({ offsetDelta, timestampDelta: timestampMs - firstTimestamp, key, value }),
        )
        const lastOffsetDelta = given.length - 1
        const { buffer } = await RecordBatch({
          ...{ compression, firstOffset: 100, firstTimestamp, lastOffsetDelta, records },
        })
        expect(decode(buffer, { first: 100, end: 1000 }).records.map(plain)).toEqual(
          given.map((one, i) => plain({ ...one, offset: 100 + i })),
        )
      }),
      { seed: SEED, numRuns: 100 },
    )
  })
})

describe('transactions', () => {
  const step = fc.record({
    producer: fc.integer({ min: 0, max: 3 }),
    what: fc.constantFrom('write', 'write', 'write', 'commit', 'abort', 'plain'),
  })

  test('aborted records are left out, whoever else writes in between', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), fc.nat({ max: 10 }), (steps, from) => {
        const { bytes, aborted, committed, starts } = history(steps)
        // A fetch begins at a batch, and is told of every transaction that was aborted behind it.
        const at = starts[Math.min(from, starts.length - 1)] ?? { byte: 0, offset: 0 }
        const told = aborted.filter(({ last }) => last >= at.offset)
        const { records } = decode(bytes.subarray(at.byte), { first: at.offset, end: 10_000 }, shuffled(told))
        expect(records.map(({ offset }) => offset)).toEqual(committed.filter((offset) => offset >= at.offset))
      }),
      { seed: SEED, numRuns: 500 },
    )
  })
})

/** A log of transactions; what is still open at its end is committed. */
function history(steps: readonly { readonly producer: number; readonly what: string }[]) {
  const batches: Buffer[] = []
  const open = new Map<number, number[]>()
  const committed: number[] = []
  const aborted: (AbortedTransaction & { last: number })[] = []
  const starts: { byte: number; offset: number }[] = []
  let byte = 0
  const append = (bytes: Buffer): number => {
    starts.push({ byte, offset: batches.length })
    byte += bytes.length
    return batches.push(bytes)
  }
  const end = (producer: number, outcome: 'abort' | 'commit'): void => {
    const offsets = open.get(producer) ?? []
    open.delete(producer)
    const last = batches.length
    append(encodeMarker(last, BigInt(producer), outcome))
    if (outcome === 'commit') committed.push(...offsets)
    else if (offsets[0] !== undefined)
      aborted.push({ producerId: BigInt(producer), firstOffset: offsets[0], last })
  }
  for (const { producer, what } of steps) {
    const offset = batches.length
    if (what === 'commit' || what === 'abort') {
      end(producer, what)
      continue
    }
    // A producer that was given its id writes outside of transactions as well, but not within one of its own.
    const transactional = what === 'write' || open.has(producer)
    const producerId = BigInt(producer)
    const one = { offset, timestampMs: 0, key: null, value: null }
    append(encodeBatch({ base: offset, last: offset, producerId, transactional }, [one]))
    if (transactional) open.set(producer, [...(open.get(producer) ?? []), offset])
    else committed.push(offset)
  }
  for (const producer of [...open.keys()]) end(producer, 'commit')
  return { bytes: Buffer.concat(batches), aborted, committed: committed.sort((a, b) => a - b), starts }
}

function shuffled<T>(items: readonly T[]): readonly T[] {
  return [...items].reverse()
}

describe('what can’t be read', () => {
  test.each([0, 1])('message format %i says so', (magic) => {
    const bytes = encodeBatch({ base: 3, last: 3 }, [])
    bytes[16] = magic
    const error = failure(() => decode(bytes))
    expect(error).toMatchObject({ kind: 'config', context: { offset: 3, magic } })
    expect(error.message).toContain('topic t, partition 0')
  })

  test('a batch with fewer records than it says, or another length, is its producer’s fault', () => {
    for (const codec of ['none', 'gzip', 'lz4'] as const) {
      const one = { offset: 0, timestampMs: 0, key: Buffer.from('k'), value: Buffer.from('v') }
      const short = encodeBatch({ base: 0, last: 4, codec }, [one])
      const checked = Buffer.from(short.subarray(21))
      checked.writeInt32BE(5, 36)
      expect(failure(() => decode(withChecksum(short, checked)))).toMatchObject({ kind: 'contract-broken' })
    }
  })

  test('a codec that nobody knows says so', () => {
    const batch = encodeBatch({ base: 0, last: 0 }, [])
    const checked = Buffer.from(batch.subarray(21))
    checked.writeInt16BE(7, 0)
    const error = failure(() => decode(withChecksum(batch, checked)))
    expect(error).toMatchObject({ kind: 'contract-broken' })
    expect(error.message).toContain('codec 7')
  })
})

function withChecksum(batch: Buffer, checked: Buffer): Buffer {
  const { crc32c } = createRequire(import.meta.url)('@node-rs/crc32') as { crc32c: (bytes: Buffer) => number }
  const head = Buffer.from(batch.subarray(0, 21))
  head.writeUInt32BE(crc32c(checked), 17)
  return Buffer.concat([head, checked])
}

function failure(work: () => unknown): FirnError {
  try {
    work()
  } catch (error) {
    return error as FirnError
  }
  throw new Error('it did not fail')
}
